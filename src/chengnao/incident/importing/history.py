"""A case of an earlier system as an incident with its own times and its own end. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.incident.catalogue import category
from chengnao.incident.importing.model import ReportRow, Status
from chengnao.incident.model import OPEN, Action, Actor, Incident, Source, State, TimelineEntry
from chengnao.incident.reports.model import Channel, Report, title_of
from chengnao.kernel.privacy.model import mask


@dataclass(frozen=True)
class Case:
    """What an earlier system tells of a matter, with all that had to be found out beside it."""

    row: ReportRow
    category: str
    division_code: str
    channel: Channel
    now: datetime
    """When it is taken over."""
    dispatch_by: datetime
    """Where it is still open: by when it is to be dispatched here."""
    close_by: datetime
    """Where it is still open and its source sets no deadline."""

    @property
    def opened_at(self) -> datetime:
        return self.row.created_at or self.now


def incident_of_case(case: Case, incident_id: str, number: str) -> Incident:
    """The incident: ended as its source says, or new here where it is still open."""
    row, ended = case.row, case.row.ended
    state = State.NEW
    if ended:
        state = State.DISMISSED if row.status is Status.DISMISSED else State.CLOSED
    content = mask(row.content)
    closed_at = row.closed_at if ended else None
    version = 2 if ended else 1
    return Incident(
        id=incident_id,
        number=number,
        title=title_of(content),
        description=content,
        category=case.category,
        grade=category(case.category).grade,
        state=state,
        source=Source.IMPORT,
        division_code=case.division_code,
        desk_code=case.division_code[:6],
        unit_id=None,
        lon=row.place.lon if row.place else None,
        lat=row.place.lat if row.place else None,
        address=mask(row.address),
        opened_at=case.opened_at,
        entered_at=closed_at or case.now,
        due_at=None if ended else case.dispatch_by,
        # Of an ended case no deadline is made up: what the source does not say is not counted.
        close_by=row.due_at if ended else row.due_at or case.close_by,
        closed_at=closed_at,
        entry=version,
        version=version,
    )


def timeline_of_case(case: Case, incident: Incident, actor: Actor) -> list[TimelineEntry]:
    """How the matter came in and, where it has ended, how: each at its own time, both by who took it over."""
    row = case.row
    told: dict[str, Any] = {
        "source": str(Source.IMPORT),
        "category": incident.category,
        "grade": incident.grade,
        "division_code": incident.division_code,
        "desk_code": incident.desk_code,
        "due_at": _iso(incident.due_at),
        "close_by": _iso(incident.close_by),
        "channel": case.channel.value,
        "given_category": row.given_category or None,
        "given_status": row.given_status or None,
        "unit_name": row.unit or None,
        "file": row.spot.file,
        "row": row.spot.row,
        "odd": [str(each) for each in row.odd] or None,
    }
    kept = {key: value for key, value in told.items() if value is not None}
    entries = [TimelineEntry(incident.id, 1, case.opened_at, actor, OPEN, None, State.NEW, "", kept)]
    if incident.closed_at is not None:
        action = Action.DISMISS if incident.state is State.DISMISSED else Action.CLOSE
        data = {"ended_as": str(row.status or Status.CLOSED), "given_status": row.given_status}
        entries.append(
            TimelineEntry(
                incident.id, 2, incident.closed_at, actor, str(action), State.NEW, incident.state, answer_of(case), data
            )
        )
    return entries


def report_of_case(case: Case, incident: Incident, report_id: str, tracking_number: str) -> Report:
    """The report that the matter came in by, answered where it has ended."""
    row = case.row
    return Report(
        id=report_id,
        tracking_number=tracking_number,
        incident_id=incident.id,
        channel=case.channel,
        content=incident.description,
        category=incident.category,
        given_category=row.category,
        confidence=None,
        division_code=incident.division_code,
        lon=incident.lon,
        lat=incident.lat,
        address=incident.address,
        received_at=incident.opened_at,
        external_id=row.external_id or None,
        odd=tuple(str(each) for each in row.odd),
        answer=answer_of(case) if row.ended else None,
        answered_at=incident.closed_at,
    )


def answer_of(case: Case) -> str:
    """What the reporter was told: the source's own words, else what its state says."""
    result = mask(case.row.result)
    match case.row.status:
        case Status.DUPLICATE:
            said = "重复诉求，已随先前的工单一并办理答复"
        case Status.TRANSFERRED:
            said = "已移交其他单位办理"
        case Status.DISMISSED:
            said = "不予受理"
        case _:
            return result or "已办结（原系统没有答复内容）"
    return f"{said}（原系统标记）" + (f"：{result}" if result else "")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
