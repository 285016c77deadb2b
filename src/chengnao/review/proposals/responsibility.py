"""Proposals that say which unit answers: replayed on where past incidents went, came back and were handled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from chengnao.incident.case_repository import CaseRepository, Dispatched
from chengnao.incident.catalogue import category, category_name
from chengnao.incident.dispatch import service as dispatch
from chengnao.incident.dispatch.model import ANY, Responsibility, Standing, check_bounds, choose, return_reasons
from chengnao.incident.dispatch.repository import DispatchRepository
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import require_division, require_unit
from chengnao.kernel.paging import PageRequest
from chengnao.review.proposals.changes import ResponsibilityChange
from chengnao.review.proposals.kinds import MOST_CASES, Outcome, Tools, case_of
from chengnao.review.proposals.model import Measure, Span, Target, Thing

WRONG_UNIT = frozenset(reason.code for reason in return_reasons().values() if reason.wrong_unit)

_ALL_ROWS = PageRequest(1, 200_000)


@dataclass(frozen=True)
class Trip:
    """The way of one past case between units."""

    first: str
    """The unit that it was dispatched to first."""
    handled_by: str | None
    """The unit that handled it in the end."""
    returned_by: tuple[str, ...] = ()


def trip_of(case: Dispatched) -> Trip:
    handled = [task.unit_id for task in case.leads if task.handled_at is not None]
    returned = tuple(task.unit_id for task in case.leads if task.returned_at is not None)
    return Trip(case.leads[0].unit_id, handled[-1] if handled else None, returned)


def judge(trip: Trip, was: str | None, would: str | None) -> str:
    """What the change would have meant for a past case, which the rows now in force would send to `was`.

    `untouched`: the change does not concern it. `same`: it would go where it went. `straight`: it went elsewhere first,
    and would go straight to the unit that handled it. `wrong`: it went right, and would now go wrong. `still_wrong`:
    it went wrong and would go wrong again, elsewhere. `unknown`: nobody has handled it yet. `by_hand`: no row would be
    in force, so a person dispatches it.
    """
    if was == would:
        return "untouched"
    if would is None:
        return "by_hand"
    if trip.handled_by is None:
        return "unknown"
    if would == trip.first:
        return "same"
    if would == trip.handled_by:
        return "straight"
    return "wrong" if trip.first == trip.handled_by else "still_wrong"


def unit_by(rows: Sequence[Responsibility], division_code: str, category_code: str, at: datetime) -> str | None:
    """The unit that the rows choose, were nobody full or absent; None where none is in force."""
    chain = ancestors(division_code)
    fitting = [row for row in rows if row.division_code in chain and row.category in (category_code, ANY)]
    fitting.sort(key=lambda row: (row.category == ANY, chain.index(row.division_code), row.hours, row.months))
    standing = {unit: Standing(unit) for row in fitting for unit in (row.unit_id, row.deputy_unit_id) if unit}
    chosen = choose(fitting, standing, at, "")
    return chosen.unit_id if chosen else None


def with_change(rows: Sequence[Responsibility], change: ResponsibilityChange) -> list[Responsibility]:
    """The rows as they would be."""
    key = (change.division_code, change.category, change.hours, change.months)
    kept = [row for row in rows if (row.division_code, row.category, row.hours, row.months) != key]
    return kept if change.unit_id is None else [*kept, _row(change, change.unit_id)]


def _row(change: ResponsibilityChange, unit_id: str) -> Responsibility:
    return Responsibility(
        change.division_code, change.category, unit_id, change.deputy_unit_id, change.hours, change.months
    )


class ResponsibilityKind:
    """Puts or drops a row of the responsibilities."""

    action = "responsibility.write"

    async def target(self, uow: UnitOfWork, change: ResponsibilityChange) -> Target:
        if change.category != ANY:
            category(change.category)
        check_bounds(change.hours, change.months)
        await require_division(uow, change.division_code)
        for unit in (change.unit_id, change.deputy_unit_id):
            if unit is not None:
                await require_unit(uow, unit)
        now = await self.current(uow, change)
        wanted = None if change.unit_id is None else asdict(_row(change, change.unit_id))
        if now == wanted:
            raise Invalid("proposal_changes_nothing", field="change")
        return Target(
            f"responsibility:{change.division_code}:{change.category}:{change.hours}:{change.months}",
            change.division_code,
            await self._about(uow, change),
        )

    async def _about(self, uow: UnitOfWork, change: ResponsibilityChange) -> str:
        names = await OrganisationRepository(uow.session).division_names()
        units = await OrganisationRepository(uow.session).unit_names()
        kind = "其余类别" if change.category == ANY else category_name(change.category)
        bounds = "、".join(part for part in (change.hours, change.months and f"{change.months} 月") if part)
        where = f"{names.get(change.division_code, change.division_code)}“{kind}”{f'（{bounds}）' if bounds else ''}"
        return (
            f"{where}{'不再单列' if change.unit_id is None else f'由{units.get(change.unit_id, change.unit_id)}负责'}"
        )

    async def current(self, uow: UnitOfWork, change: ResponsibilityChange) -> Thing:
        found = await DispatchRepository(uow.session).get(
            change.division_code, change.category, change.hours, change.months
        )
        return None if found is None else asdict(found)

    async def replay(self, uow: UnitOfWork, change: ResponsibilityChange, span: Span, tools: Tools) -> Outcome:
        rows = await self._rows(uow, change.category)
        changed = with_change(rows, change)
        wanted = None if change.category == ANY else change.category
        past, total = await CaseRepository(uow.session).dispatched(
            change.division_code, wanted, span.since, span.until, MOST_CASES
        )
        cases, returned, handled = [], Counter[str](), Counter[str]()
        for each in past:
            trip, incident = trip_of(each), each.incident
            was = unit_by(rows, incident.division_code, incident.category, incident.opened_at)
            would = unit_by(changed, incident.division_code, incident.category, incident.opened_at)
            outcome = judge(trip, was, would)
            if outcome == "untouched":
                continue
            returned.update(trip.returned_by)
            handled.update([trip.handled_by] if trip.handled_by else [])
            detail = asdict(trip) | {"returned_by": list(trip.returned_by), "would": would}
            cases.append(case_of(incident, outcome, incident.opened_at, detail))
        avoided = sum(len(each.detail["returned_by"]) for each in cases if each.outcome == "straight")
        counts = Counter(each.outcome for each in cases) | Counter(
            {"returned_cases": sum(bool(each.detail["returned_by"]) for each in cases), "returns_avoided": avoided}
        )
        return Outcome(
            cases,
            dict(counts),
            total,
            len(past),
            {"returned_by": dict(returned), "handled_by": dict(handled)},
            ("回放不含当时各单位的在办量和值班情况",),
        )

    async def _rows(self, uow: UnitOfWork, category_code: str) -> list[Responsibility]:
        """The rows that may have a say; all of them where the change is about every category."""
        repository = DispatchRepository(uow.session)
        if category_code == ANY:
            return (await repository.responsibilities(Scope(), _ALL_ROWS, None, None)).items
        named = await repository.responsibilities(Scope(), _ALL_ROWS, category_code, None)
        rest = await repository.responsibilities(Scope(), _ALL_ROWS, ANY, None)
        return [*named.items, *rest.items]

    async def apply(self, uow: UnitOfWork, actor: Principal, change: ResponsibilityChange) -> None:
        if change.unit_id is None:
            await dispatch.delete_responsibility(
                uow, change.division_code, change.category, change.hours, change.months
            )
        else:
            await dispatch.put_responsibility(uow, _row(change, change.unit_id))
        await record_act(uow, actor, self.action, **change.model_dump(exclude={"kind"}))

    async def restore(self, uow: UnitOfWork, actor: Principal, change: ResponsibilityChange, before: Thing) -> None:
        units = before or {"unit_id": None, "deputy_unit_id": None}
        back = change.model_copy(update={key: units[key] for key in ("unit_id", "deputy_unit_id")})
        await self.apply(uow, actor, back)

    async def measures(self, uow: UnitOfWork, change: ResponsibilityChange, span: Span) -> list[Measure]:
        wanted = None if change.category == ANY else change.category
        found = await CaseRepository(uow.session).returns(
            change.division_code, wanted, WRONG_UNIT, span.since, span.until
        )
        return [
            Measure("returned", "退单率", "share returned", found.returned, found.dispatched),
            Measure("misdispatched", "错派退单率", "share returned by a wrong unit", found.wrong, found.dispatched),
        ]


def handled_instead(row: Responsibility, unit_id: str) -> ResponsibilityChange:
    """The change that gives the row to another unit; a deputy that is now in charge is no deputy any more."""
    deputy = None if row.deputy_unit_id == unit_id else row.deputy_unit_id
    values = asdict(replace(row, unit_id=unit_id, deputy_unit_id=deputy))
    return ResponsibilityChange(**values)
