"""Takes the rows of an import in: each becomes a report of now, or a case with its own times. Commits nothing."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date

from chengnao.incident.catalogue import category
from chengnao.incident.importing.columns import Columns
from chengnao.incident.importing.divisions import DivisionIndex, placed
from chengnao.incident.importing.history import Case, incident_of_case, report_of_case, timeline_of_case
from chengnao.incident.importing.jobs import Job, KeptRow, ReadRow, RowState, key_of, masked_errors
from chengnao.incident.importing.model import BadRow, Mode, Odd, ReportRow, Row, RowError, Spot
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.rows import RawRow, RowParser
from chengnao.incident.model import Incident, State
from chengnao.incident.reports.model import Channel, Contact
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import UNKNOWN, Desk, ReportIn, Taken, Understood, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.service import actor_of, told_opening
from chengnao.kernel.access.model import Principal
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.service import every_division, today


@dataclass(frozen=True)
class Taking:
    """What taking in the rows of one import needs."""

    job: Job
    desk: Desk
    divisions: DivisionIndex
    rulebook: Rulebook
    heard: dict[tuple[str, str | None], Understood] = field(default_factory=dict)
    """What was understood of texts before."""

    @classmethod
    async def of(cls, uow: UnitOfWork, desk: Desk, job: Job) -> "Taking":
        every = await every_division(uow)
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


@dataclass(frozen=True)
class HistoricCase:
    """A case that is about to be kept, under ids that its row knows."""

    case: Case
    key: str
    report_id: str = field(default_factory=new_id)
    incident_id: str = field(default_factory=new_id)


async def take_batch(uow: UnitOfWork, taking: Taking, limit: int) -> int:
    """Take in the next rows that are ready, at most `limit`; returns how many there were.

    What becomes of a row and the case that it makes are kept in this one unit of work, so a batch that is cut off has
    left nothing and comes again.
    """
    rows = await ImportRepository(uow.session).ready(taking.job.id, limit)
    await take_rows(uow, taking, rows)
    return len(rows)


async def take_rows(uow: UnitOfWork, taking: Taking, rows: Sequence[KeptRow]) -> list[KeptRow]:
    """Take rows in and keep what became of each; gives them back as they are then."""
    repository, job = ImportRepository(uow.session), taking.job
    read = [(kept, taking.understood(kept, taking.cells(kept))) for kept in rows]
    keys = [key_of(job.digest, job.channel, row) for _, row in read if isinstance(row, ReportRow)]
    known = await repository.taken(keys)
    cases: list[HistoricCase] = []
    settled: list[KeptRow] = []
    for kept, row in read:
        after = await _take(uow, taking, kept, row, known, cases)
        if after.state is RowState.ACCEPTED and after.key is not None:
            known[after.key] = after
        settled.append(after)
    if cases:
        await import_cases(uow, taking, cases)
    if settled:
        await repository.settle(settled)
    return settled


async def _take(
    uow: UnitOfWork,
    taking: Taking,
    kept: KeptRow,
    row: Row,
    known: Mapping[str, KeptRow],
    cases: list[HistoricCase],
) -> KeptRow:
    """The row after it was taken in, where that can be; a historic case is only added to `cases`."""
    if isinstance(row, BadRow):
        return replace(kept, state=RowState.REJECTED, errors=masked_errors(row))
    key = key_of(taking.job.digest, taking.job.channel, row)
    if (before := known.get(key)) is not None:
        return _taken(kept, RowState.KNOWN, row, key, before.report_id, before.incident_id)
    try:
        understood = await _understand(uow, taking, row)
        told, job = understood.division_code, taking.job
        row, division = placed(row, taking.divisions, told, job.default_division, job.division_code)
        if job.historic:
            case = HistoricCase(_case(uow, taking, row, division, understood), key)
            cases.append(case)
            return _taken(kept, RowState.ACCEPTED, row, key, case.report_id, case.incident_id)
        # A row that fails must not take the others of the batch along.
        async with uow.session.begin_nested():
            taken = await _take_report(uow, taking, row, division)
    except ChengnaoError as error:
        return replace(kept, state=RowState.REJECTED, errors=[row_error(row.spot, error).to_dict()])
    return _taken(kept, RowState.ACCEPTED, row, key, taken.report.id, taken.incident.id)


def _taken(
    kept: KeptRow, state: RowState, row: ReportRow, key: str, report_id: str | None, incident_id: str | None
) -> KeptRow:
    odd = [str(each) for each in row.odd]
    return replace(kept, state=state, key=key, errors=[], odd=odd, report_id=report_id, incident_id=incident_id)


def row_error(spot: Spot, error: ChengnaoError) -> RowError:
    """What kept a row from being taken in, as an error of the row."""
    return RowError(spot, error.code, params=error.params)


async def _understand(uow: UnitOfWork, taking: Taking, row: ReportRow) -> Understood:
    """What the words tell, where the row's own columns do not; files say the same words again and again."""
    index = taking.divisions
    known = row.division_code or index.named(row.district, row.street) or index.in_text(row.address)
    # A new report is understood when it is taken in.
    if known is not None and (row.category is not None or not taking.job.historic):
        return Understood()
    text = row.content if known is not None else f"{row.address} {row.content}".strip()
    if (text, row.category) not in taking.heard:
        at = row.created_at or uow.clock.now()
        taking.heard[text, row.category] = await taking.desk.understand(uow, text, at, row.category)
    return taking.heard[text, row.category]


async def _take_report(uow: UnitOfWork, taking: Taking, row: ReportRow, division: str) -> Taken:
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
    return await take_report(uow, taking.desk, taking.actor, given)


def _channel(job: Job, row: ReportRow) -> Channel:
    """What the row says, unless the importer said it of the whole file."""
    return Channel(row.channel) if row.channel and job.channel is Channel.IMPORT else job.channel


def _case(uow: UnitOfWork, taking: Taking, row: ReportRow, division: str, understood: Understood) -> Case:
    now = uow.clock.now()
    chosen = row.category or understood.category or UNKNOWN
    grade = category(chosen).grade
    return Case(
        row,
        category=chosen,
        division_code=division,
        channel=_channel(taking.job, row),
        now=now,
        dispatch_by=taking.rulebook.due(chosen, grade, "dispatch", now),
        close_by=taking.rulebook.due(chosen, grade, "whole", row.created_at or now),
    )


async def import_cases(uow: UnitOfWork, taking: Taking, cases: Sequence[HistoricCase]) -> None:
    """Keep cases of an earlier system with their own times; those still open, the desk has to dispatch."""
    incidents, reports = IncidentRepository(uow.session), ReportRepository(uow.session)
    days = [each.case.opened_at.astimezone(CST).date() for each in cases]
    # In the order in which a report of now takes its numbers: who waits for whom is clear.
    report_numbers = await _numbers(incidents, "SB", days)
    incident_numbers = await _numbers(incidents, "CQ", days)
    made: dict[str, Incident] = {}
    for each, number in zip(cases, incident_numbers, strict=True):
        made[f"import:{each.key}"] = incident_of_case(each.case, each.incident_id, number)
    await incidents.add_all(made)
    actor, vault = actor_of(taking.actor), taking.desk.vault
    pairs = list(zip(cases, made.values(), strict=True))
    await incidents.add_entries(
        [entry for each, incident in pairs for entry in timeline_of_case(each.case, incident, actor)]
    )
    numbered = zip(pairs, report_numbers, strict=True)
    await reports.add_all(
        [report_of_case(each.case, incident, each.report_id, number) for (each, incident), number in numbered]
    )
    contacts = {
        each.report_id: Contact(each.case.row.name or None, each.case.row.phone or None, each.case.row.content)
        for each in cases
    }
    await reports.add_contacts({key: vault.seal(key, json.dumps(asdict(each))) for key, each in contacts.items()})
    for incident in made.values():
        if incident.state is State.NEW:
            uow.publish(told_opening(incident))


async def _numbers(incidents: IncidentRepository, series: str, days: Sequence[date]) -> list[str]:
    """A number of the series for each of the days, which are days of the cases."""
    counts = Counter(days)
    nexts = {day: await incidents.next_number(series, day, counts[day]) - counts[day] for day in sorted(counts)}
    found = []
    for day in days:
        nexts[day] += 1
        found.append(f"{series}-{day:%Y%m%d}-{nexts[day]:06d}")
    return found
