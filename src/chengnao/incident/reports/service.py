"""Use cases of reports: take one in, show who made it, hear what the reporter says of the answer. None commits."""

import base64
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from chengnao.incident.catalogue import category
from chengnao.incident.intake import find_division
from chengnao.incident.merging.matching import Draft, find_match, suspected_repeat
from chengnao.incident.merging.service import join
from chengnao.incident.model import TRANSITIONS, Action, Incident, Source, State
from chengnao.incident.moves import Move
from chengnao.incident.photos import attach_photos
from chengnao.incident.reports.model import REOPENS_WITHIN, Channel, Contact, Report, title_of
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening, apply, by_platform, numbered, open_incident, require_incident, tell
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.privacy.vault import Vault

UNKNOWN = "other"
"""The category of a report that neither its maker nor the classifier could place."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LENGTH = 8


@dataclass(frozen=True)
class ReportIn:
    """What somebody reports."""

    content: str
    place: Place | None
    address: str = ""
    category: str | None = None
    division_code: str | None = None
    channel: Channel = Channel.MACHINE
    reporter_name: str | None = None
    reporter_phone: str | None = None
    photo_ids: Sequence[str] = ()
    external_id: str | None = None
    odd: tuple[str, ...] = ()
    answer: str = ""
    """What was answered at once: the matter is closed with it, and nobody is dispatched."""
    heard: bool = True
    """False for a recording that nobody has listened to: its words tell nothing yet, least of all what it is like."""


@dataclass(frozen=True)
class Understood:
    """What was understood of a text; what is None could not be told."""

    category: str | None = None
    confidence: float | None = None
    grade: int | None = None
    division_code: str | None = None
    reasons: Sequence[str] = ()


async def nothing_understood(uow: UnitOfWork, content: str, at: datetime, category: str | None) -> Understood:
    """Where no classifier is at hand."""
    return Understood()


Understand = Callable[[UnitOfWork, str, datetime, str | None], Awaitable[Understood]]
"""Given the text, when it came, and its category where that is known already."""


@dataclass(frozen=True)
class Desk:
    """What taking in reports needs beside the database."""

    vault: Vault
    understand: Understand


@dataclass(frozen=True)
class Taken:
    """A report that was taken in, and the code with which its maker asks what became of it."""

    report: Report
    incident: Incident
    code: str


async def take_report(uow: UnitOfWork, desk: Desk, actor: Principal, given: ReportIn) -> Taken:
    """Keep a report under a tracking number and open an incident for it, or join the one that tells of the same.

    Personal details are masked in what is kept to be read; who reported, and the words as they were said, are sealed.
    """
    now = uow.clock.now()
    if given.category is not None:
        category(given.category)
    understood = Understood()
    if given.heard:
        understood = await desk.understand(uow, given.content, now, given.category)
    division_code = await find_division(uow, given.division_code, given.place, understood.division_code)
    report_id = new_id()
    content, address = mask(given.content), mask(given.address)
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
    tracking_number = await numbered(uow, "SB")
    chosen = given.category or understood.category or UNKNOWN
    grade = understood.grade and min(understood.grade, category(chosen).grade)
    draft = Draft(content, chosen, division_code, now, given.place, address, grade)
    answer = given.answer.strip()
    match = await find_match(uow, draft) if given.heard and not answer else None
    if match is not None:
        incident = match.incident
    else:
        repeat = await suspected_repeat(uow, draft) if given.heard else None
        opening = Opening(
            Source.REPORT,
            title=title_of(content),
            category=chosen,
            division_code=division_code,
            description=content,
            grade=grade,
            place=given.place,
            address=address,
            source_key=f"report:{report_id}",
            repeat_of=repeat.incident.id if repeat else None,
            dispatch=not answer,
            data=_why(given, understood),
        )
        incident = await open_incident(uow, actor, opening)
    report = Report(
        id=report_id,
        tracking_number=tracking_number,
        incident_id=incident.id,
        channel=given.channel,
        content=content,
        category=chosen,
        given_category=given.category,
        confidence=understood.confidence if given.category is None else None,
        division_code=division_code,
        lon=given.place.lon if given.place else None,
        lat=given.place.lat if given.place else None,
        address=address,
        received_at=now,
        code_hash=code_hash(tracking_number, code),
        external_id=given.external_id,
        odd=given.odd,
    )
    repository = ReportRepository(uow.session)
    await repository.add(report)
    contact = Contact(given.reporter_name, given.reporter_phone, given.content)
    await repository.add_contact(report_id, desk.vault.seal(report_id, json.dumps(asdict(contact))))
    if given.photo_ids:
        await attach_photos(uow, actor, incident.id, given.photo_ids)
    if match is not None:
        incident = await join(uow, match, report, given.photo_ids)
    elif answer:
        move = Move(Action.ANSWER, incident.version, result=answer)
        incident = await apply(uow, actor, incident, TRANSITIONS[State.NEW, Action.ANSWER], move)
    return Taken(report, incident, code)


def _why(given: ReportIn, understood: Understood) -> dict[str, Any]:
    """What the timeline keeps of why category and grade are what they are."""
    found = {
        "channel": given.channel.value,
        "given_category": given.category,
        "confidence": understood.confidence if given.category is None else None,
        "reasons": list(understood.reasons) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def code_hash(tracking_number: str, code: str) -> str:
    """What is kept of a code, so that whoever reads the database cannot ask with it."""
    return hashlib.sha256(f"{tracking_number}:{code.upper()}".encode()).hexdigest()


def sealed_code(vault: Vault, tracking_number: str, code: str) -> str:
    """The code as it may be kept with the answer to a request that may come again."""
    return base64.b64encode(vault.seal(tracking_number, code)).decode()


def opened_code(vault: Vault, tracking_number: str, sealed: str) -> str:
    return vault.open(tracking_number, base64.b64decode(sealed))


async def require_report(uow: UnitOfWork, scope: Scope, report_id: str) -> Report:
    report = await ReportRepository(uow.session).get(scope, report_id)
    if report is None:
        raise NotFound("not_found", kind="诉求 report", id=report_id)
    return report


async def read_contact(uow: UnitOfWork, vault: Vault, actor: Principal, report: Report, purpose: str) -> Contact:
    """Who made the report, in words as said; that it was read, by whom and for what, is put on record."""
    sealed = await ReportRepository(uow.session).contact(report.id)
    if sealed is None:
        raise NotFound("not_found", kind="联系方式 contact", id=report.id)
    await record_act(uow, actor, "report.contact", report=report.tracking_number, purpose=purpose)
    return Contact(**json.loads(vault.open(report.id, sealed)))


async def seal_what_is_not(uow: UnitOfWork, vault: Vault) -> int:
    """Seal up to 1,000 contacts that an upgrade brought along unsealed, and mask their reports; returns how many."""
    repository = ReportRepository(uow.session)
    waiting = await repository.unsealed(1_000)
    for report_id, plain in waiting:
        text = plain[1:].decode()
        await repository.seal_contact(report_id, vault.seal(report_id, text))
        await repository.change(report_id, content=mask(json.loads(text)["content"]))
    return len(waiting)


async def incidents_of(uow: UnitOfWork, report: Report) -> list[Incident]:
    """The incidents that the report belongs to: its own, and those that it was merged into; the last one is handled."""
    repository = IncidentRepository(uow.session)
    found: list[Incident] = []
    wanted: str | None = report.incident_id
    while wanted is not None and wanted not in {incident.id for incident in found}:
        incident = await repository.get(Scope(), wanted)
        assert incident is not None
        found.append(incident)
        wanted = incident.merged_into
    return found


async def rate(
    uow: UnitOfWork, report: Report, *, solved: bool, satisfaction: int | None, comment: str
) -> Incident | None:
    """Keep what the reporter says of the answer; not solved within 30 days of it reopens the incident, once by itself.

    `report` is locked in this unit of work. Gives back the incident where it was reopened. Raises Conflict where there
    is no answer yet.
    """
    if report.answered_at is None:
        raise Conflict("report_not_answered", number=report.tracking_number)
    now = uow.clock.now()
    said = mask(comment.strip())
    await ReportRepository(uow.session).change(report.id, satisfaction=satisfaction, comment=said or None, rated_at=now)
    handled = (await incidents_of(uow, report))[-1]
    incident = await require_incident(uow, Scope(), handled.id, lock=True)
    words = f"诉求人评价：{'已解决' if solved else '未解决'}"
    if satisfaction is not None:
        words += f"，{satisfaction} 分"
    if said:
        words += f"。{said}"
    data = {"report": report.tracking_number, "solved": solved, "satisfaction": satisfaction}
    incident = await tell(uow, incident, words, data)
    ended = incident.state in (State.CLOSED, State.DISMISSED)
    if solved or not ended or incident.reopened > 0 or now > report.answered_at + REOPENS_WITHIN:
        return None
    move = Move(Action.REOPEN, incident.version, reason=f"诉求人反映未解决（{report.tracking_number}）")
    return await by_platform(uow, incident, move, {"report": report.tracking_number})
