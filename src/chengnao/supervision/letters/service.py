"""Writes the weekly letter from the record. Reads only."""

from collections import defaultdict
from collections.abc import Iterable

from chengnao.incident.duty_measures import LetterCase, Part, Urge
from chengnao.incident.letter_repository import LetterRepository, Week
from chengnao.incident.names import Names
from chengnao.kernel.access.model import Scope
from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.calendar_days.service import load_calendar
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.service import require_unit
from chengnao.supervision.duty.model import duty_rules
from chengnao.supervision.letters.model import PARTS, Letter, read_week

NOBODY = "未分拨"


async def write(uow: UnitOfWork, scope: Scope, week: str | None, unit_id: str | None) -> Letter:
    """The letter of a week for a unit, or for the whole of the scope's division.

    It can be written for any week again and tells the same, but for work that was taken back since. Raises Invalid
    for a week that is none, NotFound for a unit that is none.
    """
    if unit_id is not None:
        await require_unit(uow, unit_id)
    now = uow.clock.now()
    name, since, until = read_week(week, now)
    looked = Week(since, min(until, now))
    repository, names, calendar = LetterRepository(uow.session), await Names.load(uow), await load_calendar(uow)
    parts = await repository.tasks(scope, looked, unit_id) | await repository.sent_back(scope, looked, unit_id)
    urges = await repository.urges(scope, looked, unit_id)
    parts[Part.URGED] = [_urged(each) for each in urges]
    parts[Part.UNANSWERED] = [_urged(each) for each in urges if _owed(each, calendar, looked)]
    return Letter(
        week=name,
        since=since,
        until=looked.until,
        over=until <= now,
        division=names.division(scope.division_code),
        unit=names.unit(unit_id),
        units=tuple(_by_unit(parts.items(), names)),
        answer_by=calendar.after(now, duty_rules().letter_answer),
        issued=now,
    )


def _urged(urge: Urge) -> LetterCase:
    incident, entry = urge.incident, urge.entry
    answered = None if urge.answer is None else urge.answer.at
    remark = entry.reason + (f"（{urge.said}）" if urge.said else "")
    unit = entry.data.get("unit_id", "")
    return LetterCase(
        unit, incident.id, incident.number, incident.title, incident.grade, entry.at, None, answered, remark
    )


def _owed(urge: Urge, calendar: WorkingCalendar, week: Week) -> bool:
    """Whether no answer came within its time, as far as that is over at the end of the week."""
    answer_by = calendar.after(urge.entry.at, duty_rules().answer_within[urge.incident.grade])
    return answer_by < week.until and (urge.answer is None or urge.answer.at > answer_by)


def _by_unit(
    parts: Iterable[tuple[Part, list[LetterCase]]], names: Names
) -> list[tuple[str, dict[Part, tuple[LetterCase, ...]]]]:
    """The cases by unit, the unit with most left undone first."""
    units: defaultdict[str, defaultdict[Part, list[LetterCase]]] = defaultdict(lambda: defaultdict(list))
    for part, cases in parts:
        for case in cases:
            units[case.unit_id][part].append(case)
    faults = (Part.OVERDUE, Part.HANDLE_LATE, Part.ACCEPT_LATE, Part.UNANSWERED)
    ordered = sorted(units.items(), key=lambda item: (-sum(len(item[1][part]) for part in faults), item[0]))
    return [
        (names.unit(unit_id) or NOBODY if unit_id else NOBODY, {part: tuple(cases[part]) for part in PARTS})
        for unit_id, cases in ordered
    ]
