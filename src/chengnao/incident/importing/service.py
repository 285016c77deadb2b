"""Use cases of imports: hand a file in, take its rows in, put a row right or discard it. None of them commits."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chengnao.incident.catalogue import category
from chengnao.incident.importing.columns import Columns
from chengnao.incident.importing.divisions import DivisionIndex, placed
from chengnao.incident.importing.history import Case, incident_of_case, report_of_case, timeline_of_case
from chengnao.incident.importing.jobs import Job, JobState, KeptRow, ReadRow, RowState, key_of, masked_errors
from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, ReportRow, Row, RowError, Spot
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.rows import RawRow, RowParser
from chengnao.incident.model import State
from chengnao.incident.reports.model import Channel, Contact
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import UNKNOWN, Desk, ReportIn, Understood, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.service import actor_of, told_opening
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import require_division, today


@dataclass(frozen=True)
class Handed:
    """A file that somebody hands in."""

    file_name: str
    digest: str
    channel: Channel = Channel.IMPORT
    crs: Crs = Crs.WGS84
    mode: Mode = Mode.AUTO
    default_division: str | None = None


async def open_import(uow: UnitOfWork, actor: Principal, import_id: str, handed: Handed) -> Job:
    """Keep that a file was handed in; the worker reads it."""
    if handed.default_division is not None:
        await require_division(uow, handed.default_division)
    job = Job(
        id=import_id,
        file_name=handed.file_name,
        digest=handed.digest,
        state=JobState.WAITING,
        channel=handed.channel,
        crs=handed.crs,
        mode=handed.mode,
        division_code=actor.division_code,
        default_division=handed.default_division,
        created_at=uow.clock.now(),
        created_by=actor.id,
        created_by_name=actor.name,
        created_by_kind=actor.kind,
    )
    await ImportRepository(uow.session).add(job)
    await record_act(uow, actor, "report.import", file=handed.file_name, digest=handed.digest, job=job.id)
    return job


async def require_import(uow: UnitOfWork, scope: Scope, import_id: str) -> Job:
    job = await ImportRepository(uow.session).get(scope, import_id)
    if job is None:
        raise NotFound("not_found", kind="导入 import", id=import_id)
    return job


@dataclass(frozen=True)
class Taking:
    """What taking in the rows of one import needs."""

    job: Job
    desk: Desk
    divisions: DivisionIndex
    rulebook: Rulebook

    @classmethod
    async def of(cls, uow: UnitOfWork, desk: Desk, job: Job) -> "Taking":
        every = await OrganisationRepository(uow.session).every_division()
        return cls(job, desk, DivisionIndex(every, today(uow)), await Rulebook.load(uow))

    @property
    def actor(self) -> Principal:
        """Who handed the file in, without a role of their own: the desk of the place answers for the cases."""
        job = self.job
        return Principal(job.created_by, job.created_by_name, job.created_by_kind, frozenset(), job.division_code)

    def kept(self, number: int, read: ReadRow) -> KeptRow:
        """The row as it is kept when it has been read, its cells sealed."""
        state = RowState.REJECTED if read.errors else RowState.READY
        kept = KeptRow(self.job.id, number, read.sheet, read.row, state, b"", read.errors, read.odd, read.key)
        return replace(kept, sealed=self.sealed(kept, read.cells))

    def sealed(self, kept: KeptRow, cells: Mapping[str, str]) -> bytes:
        return self.desk.vault.seal(kept.record, json.dumps(dict(cells), ensure_ascii=False))

    def cells(self, kept: KeptRow) -> dict[str, str]:
        """What the row said, or says since it was put right."""
        found: dict[str, str] = json.loads(self.desk.vault.open(kept.record, kept.sealed))
        return found

    def understood(self, kept: KeptRow, cells: Mapping[str, str]) -> Row:
        """The row read anew from its cells; that its number was not the first of its kind is known from before."""
        headers = [header for header in cells if not header.startswith("#")]
        over = [text for header, text in cells.items() if header.startswith("#") and text]
        mode = Mode.HISTORIC if self.job.historic else Mode.NEW
        parser = RowParser(Columns.of(headers), self.job.created_at, self.job.crs, mode)
        spot = Spot(self.job.file_name, kept.sheet, kept.row)
        row = parser.parse(RawRow(spot, [*(cells[header] for header in headers), *over], {}))
        if isinstance(row, ReportRow) and Odd.DUPLICATE_ID in kept.odd:
            return replace(row, odd=(*row.odd, Odd.DUPLICATE_ID))
        return row


async def take_batch(uow: UnitOfWork, taking: Taking, limit: int) -> int:
    """Take in the next rows that are ready, at most `limit`; returns how many there were.

    What becomes of a row and the case that it makes are kept in this one unit of work, so a batch that is cut off has
    left nothing and comes again.
    """
    rows = await ImportRepository(uow.session).ready(taking.job.id, limit)
    known = await ImportRepository(uow.session).taken([row.key for row in rows if row.key])
    for kept in rows:
        after = await _take(uow, taking, kept, known)
        if after.state is RowState.ACCEPTED and after.key is not None:
            known[after.key] = after
    return len(rows)


async def _take(uow: UnitOfWork, taking: Taking, kept: KeptRow, known: Mapping[str, KeptRow]) -> KeptRow:
    row = taking.understood(kept, taking.cells(kept))
    if isinstance(row, BadRow):
        return await _settle(uow, kept, RowState.REJECTED, errors=masked_errors(row))
    key = _key(taking.job, row)
    if (before := known.get(key)) is not None:
        ids = {"report_id": before.report_id, "incident_id": before.incident_id}
        return await _settle(uow, kept, RowState.KNOWN, key=key, errors=[], odd=[str(each) for each in row.odd], **ids)
    try:
        # A row that fails must not take the others of the batch along.
        async with uow.session.begin_nested():
            understood = await _understand(uow, taking, row)
            told, job = understood.division_code, taking.job
            row, division = placed(row, taking.divisions, told, job.default_division, job.division_code)
            if taking.job.historic:
                report_id, incident_id = await import_case(uow, taking, row, division, understood, key)
            else:
                report_id, incident_id = await _take_report(uow, taking, row, division)
    except ChengnaoError as error:
        return await _settle(uow, kept, RowState.REJECTED, errors=[row_error(row.spot, error).to_dict()])
    odd = [str(each) for each in row.odd]
    ids = {"report_id": report_id, "incident_id": incident_id}
    return await _settle(uow, kept, RowState.ACCEPTED, key=key, errors=[], odd=odd, **ids)


def _key(job: Job, row: ReportRow) -> str:
    return key_of(job.digest, job.channel, row)


def row_error(spot: Spot, error: ChengnaoError) -> RowError:
    """What kept a row from being taken in, as an error of the row."""
    return RowError(spot, error.code, params=error.params)


async def _settle(uow: UnitOfWork, kept: KeptRow, state: RowState, **values: Any) -> KeptRow:
    await ImportRepository(uow.session).change_row(kept, state=state.value, **values)
    return replace(kept, state=state, **values)


async def _understand(uow: UnitOfWork, taking: Taking, row: ReportRow) -> Understood:
    """What the words tell, where the row's own columns do not."""
    if row.category is not None and row.division_code is not None:
        return Understood()
    return await taking.desk.understand(
        uow, f"{row.address} {row.content}".strip(), row.created_at or uow.clock.now(), row.category
    )


async def _take_report(uow: UnitOfWork, taking: Taking, row: ReportRow, division: str) -> tuple[str, str]:
    """Hand the row in as a report of now."""
    given = ReportIn(
        content=row.content,
        place=row.place,
        address=row.address,
        category=row.category,
        division_code=division,
        channel=_channel(taking.job, row),
        reporter_name=row.name or None,
        reporter_phone=row.phone or None,
        external_id=row.external_id or None,
        odd=tuple(str(each) for each in row.odd),
    )
    taken = await take_report(uow, taking.desk, taking.actor, given)
    return taken.report.id, taken.incident.id


def _channel(job: Job, row: ReportRow) -> Channel:
    """What the row says, unless the importer said it of the whole file."""
    return Channel(row.channel) if row.channel and job.channel is Channel.IMPORT else job.channel


async def import_case(
    uow: UnitOfWork, taking: Taking, row: ReportRow, division: str, understood: Understood, key: str
) -> tuple[str, str]:
    """Keep a case of an earlier system with its own times; where it is still open, the desk has it to dispatch.

    Returns the ids of its report and its incident. Raises Conflict where the case is here already.
    """
    now = uow.clock.now()
    chosen = row.category or understood.category or UNKNOWN
    opened = row.created_at or now
    rulebook, grade = taking.rulebook, category(chosen).grade
    case = Case(
        row,
        category=chosen,
        division_code=division,
        channel=_channel(taking.job, row),
        now=now,
        dispatch_by=rulebook.due(chosen, grade, "dispatch", now),
        close_by=rulebook.due(chosen, grade, "whole", opened),
    )
    incidents, reports = IncidentRepository(uow.session), ReportRepository(uow.session)
    # Numbered by the day of the case, in the order in which reports of today are.
    day = opened.astimezone(CST).date()
    tracking_number = f"SB-{day:%Y%m%d}-{await incidents.next_number('SB', day):06d}"
    number = f"CQ-{day:%Y%m%d}-{await incidents.next_number('CQ', day):06d}"
    incident = incident_of_case(case, new_id(), number)
    if not await incidents.add(incident, f"import:{key}"):
        raise Conflict("import_case_known", number=row.external_id or number)
    for entry in timeline_of_case(case, incident, actor_of(taking.actor)):
        await incidents.add_entry(entry)
    report = report_of_case(case, incident, new_id(), tracking_number)
    await reports.add(report)
    contact = Contact(row.name or None, row.phone or None, row.content)
    await reports.add_contact(report.id, taking.desk.vault.seal(report.id, json.dumps(asdict(contact))))
    if incident.state is State.NEW:
        uow.publish(told_opening(incident))
    return report.id, incident.id


async def correct_row(
    uow: UnitOfWork, taking: Taking, actor: Principal, number: int, cells: Mapping[str, str]
) -> KeptRow:
    """Put cells of a rejected row right, by header, and take it in; it stays rejected where it is still wrong.

    An empty text empties a cell. Raises Conflict where the row is not rejected.
    """
    kept = await _require_rejected(uow, taking.job, number)
    # A line that was no object has no cells of its own.
    before = {header: text for header, text in taking.cells(kept).items() if header != "#"}
    after = {header: text for header, text in {**before, **cells}.items() if text}
    kept = await _settle(uow, kept, RowState.REJECTED, sealed=taking.sealed(kept, after), changed_by=actor.name)
    await record_act(uow, actor, "report.import", job=kept.import_id, row=number, columns=sorted(cells))
    row = taking.understood(kept, after)
    known = {} if isinstance(row, BadRow) else await ImportRepository(uow.session).taken([_key(taking.job, row)])
    return await _take(uow, taking, kept, known)


async def discard_row(uow: UnitOfWork, job: Job, actor: Principal, number: int, reason: str) -> KeptRow:
    """Say that a rejected row will not be taken in, and why; it stays kept."""
    kept = await _require_rejected(uow, job, number)
    await record_act(uow, actor, "report.import", job=job.id, row=number, discarded=reason)
    return await _settle(uow, kept, RowState.DISCARDED, reason=reason, changed_by=actor.name)


async def _require_rejected(uow: UnitOfWork, job: Job, number: int) -> KeptRow:
    kept = await ImportRepository(uow.session).row(job.id, number, lock=True)
    if kept is None:
        raise NotFound("not_found", kind="导入的行 row", id=number)
    if kept.state is not RowState.REJECTED:
        raise Conflict("import_row_settled", state=kept.state.zh, state_en=kept.state.en)
    return kept
