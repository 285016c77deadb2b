"""All SQL over evaluation sets, runs and results."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import and_, any_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from chengnao.agents.evals.model import EvalRun, EvalSet, EvalState, Item, Mode, Quality, Result
from chengnao.agents.evals.tables import EvalItemRow, EvalResultRow, EvalRunRow, EvalSetRow
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository

_OPEN = (EvalState.QUEUED.value, EvalState.RUNNING.value)


class EvalRepository(Repository):
    async def add_set(self, made: EvalSet) -> bool:
        """Keep a new set; False where the id is taken."""
        statement = insert(EvalSetRow).values(**asdict(made)).on_conflict_do_nothing().returning(EvalSetRow.id)
        return await self.session.scalar(statement) is not None

    async def change_set(self, set_id: str, **values: Any) -> None:
        await self.session.execute(update(EvalSetRow).where(EvalSetRow.id == set_id).values(**values))

    async def get_set(self, set_id: str, *, lock: bool = False) -> EvalSet | None:
        query = select(EvalSetRow).where(EvalSetRow.id == set_id).execution_options(populate_existing=True)
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _set(row)

    async def sets_for(self, agent_id: str, named: str | None, request: PageRequest) -> Page[tuple[EvalSet, int]]:
        """The sets of an agent and the one that it names, with their numbers of items."""
        count = select(func.count()).where(EvalItemRow.set_id == EvalSetRow.id).scalar_subquery()
        belongs = or_(EvalSetRow.agent_id == agent_id, and_(EvalSetRow.agent_id.is_(None), EvalSetRow.id == named))
        query = select(EvalSetRow, count).where(belongs).order_by(EvalSetRow.id)
        total = await self.session.scalar(select(func.count()).select_from(EvalSetRow).where(belongs))
        rows = (await self.session.execute(query.limit(request.size).offset(request.offset))).all()
        return Page([(_set(row[0]), row[1]) for row in rows], total or 0, request.page, request.size)

    async def put_items(self, set_id: str, items: Sequence[Item]) -> None:
        """Add the items, or bring those of the same id to the new state."""
        last = await self.session.scalar(select(func.max(EvalItemRow.position)).where(EvalItemRow.set_id == set_id))
        for position, item in enumerate(items, start=(last or 0) + 1):
            plain = item.model_dump(mode="json")
            statement = insert(EvalItemRow).values(set_id=set_id, id=item.id, position=position, item=plain)
            await self.session.execute(
                statement.on_conflict_do_update(index_elements=["set_id", "id"], set_={"item": plain})
            )

    async def drop_items(self, set_id: str, item_id: str | None = None) -> int:
        """Drop one item, or all; gives how many there were."""
        statement = delete(EvalItemRow).where(EvalItemRow.set_id == set_id)
        if item_id is not None:
            statement = statement.where(EvalItemRow.id == item_id)
        return int(getattr(await self.session.execute(statement), "rowcount", 0))

    async def items(self, set_id: str, request: PageRequest) -> Page[Item]:
        query = select(EvalItemRow).where(EvalItemRow.set_id == set_id).order_by(EvalItemRow.position)
        return (await self.page(query, request)).map(lambda row: Item.model_validate(row.item))

    async def every_item(self, set_id: str, split: str) -> list[Item]:
        """The items of a split, or of `all`, in their order."""
        query = select(EvalItemRow.item).where(EvalItemRow.set_id == set_id).order_by(EvalItemRow.position)
        items = [Item.model_validate(each) for each in await self.session.scalars(query)]
        return [each for each in items if split in ("all", each.split)]

    async def add_run(self, run: EvalRun, results: Sequence[Result]) -> None:
        values = {each.name: getattr(run, each.name) for each in fields(EvalRun)}
        plain = asdict(run.principal) | {"roles": sorted(run.principal.roles)}
        values |= {"mode": run.mode.value, "state": run.state.value, "principal": plain}
        values |= {"versions": list(run.versions), "digests": list(run.digests)}
        await self.session.execute(insert(EvalRunRow).values(**values, leased_until=None))
        for position, each in enumerate(results):
            row = {"position": position, "item_id": each.item.id, "item": each.item.model_dump(mode="json")}
            self.session.add(EvalResultRow(eval_run_id=run.id, version=each.version, **row, **_measures(each)))
        await self.session.flush()

    async def change_run(self, run_id: str, **values: Any) -> None:
        await self.session.execute(update(EvalRunRow).where(EvalRunRow.id == run_id).values(**values))

    async def get_run(self, run_id: str) -> EvalRun | None:
        """Whoever asks: the service asks whether the agent may be seen."""
        row = await self.session.get(EvalRunRow, run_id, populate_existing=True)
        return None if row is None else _run(row)

    async def runs_of(self, agent_id: str, request: PageRequest) -> Page[EvalRun]:
        """The newest first."""
        query = select(EvalRunRow).where(EvalRunRow.agent_id == agent_id).order_by(EvalRunRow.id.desc())
        return (await self.page(query, request)).map(_run)

    async def results(self, run_id: str, request: PageRequest) -> Page[Result]:
        return (await self.page(_results(run_id), request)).map(_result)

    async def every_result(self, run_id: str) -> list[Result]:
        return [_result(row) for row in await self.session.scalars(_results(run_id))]

    async def claim(self, now: datetime, until: datetime) -> EvalRun | None:
        """A run that nobody works on, which is the caller's until then; times are real times."""
        free = (
            select(EvalRunRow.id)
            .where(EvalRunRow.state.in_(_OPEN))
            .where(or_(EvalRunRow.leased_until.is_(None), EvalRunRow.leased_until < now))
            .order_by(EvalRunRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        run_id = await self.session.scalar(free)
        if run_id is None:
            return None
        await self.change_run(run_id, leased_until=until, state=EvalState.RUNNING.value)
        return await self.get_run(run_id)

    async def pending(self, run_id: str, limit: int) -> list[Result]:
        """Results that are still wanted, in order."""
        query = _results(run_id).where(EvalResultRow.score.is_(None)).limit(limit)
        return [_result(row) for row in await self.session.scalars(query.execution_options(populate_existing=True))]

    async def save_result(self, result: Result) -> None:
        key = (EvalResultRow.version == result.version, EvalResultRow.item_id == result.item.id)
        await self.session.execute(
            update(EvalResultRow)
            .where(EvalResultRow.eval_run_id == result.eval_run_id, *key)
            .values(**_measures(result))
        )

    async def count_done(self, run_id: str) -> int:
        query = select(func.count()).where(EvalResultRow.eval_run_id == run_id, EvalResultRow.score.is_not(None))
        return await self.session.scalar(query) or 0

    async def latest_done(self, agent_id: str, set_id: str, digest: str) -> EvalRun | None:
        """The latest finished evaluation of a definition on a set, with the model and over the items for figures."""
        query = (
            select(EvalRunRow)
            .where(EvalRunRow.agent_id == agent_id, EvalRunRow.set_id == set_id)
            .where(EvalRunRow.state == EvalState.DONE.value, literal(digest) == any_(EvalRunRow.digests))
            .where(EvalRunRow.mode == Mode.MODEL.value, EvalRunRow.split != "dev")
            .order_by(EvalRunRow.ended_at.desc(), EvalRunRow.id.desc())
        )
        row = await self.session.scalar(query.limit(1))
        return None if row is None else _run(row)

    async def scores(self, agents: Mapping[str, int]) -> dict[str, Quality]:
        """The latest score of each agent, in the version given; those that were never evaluated are missing."""
        if not agents:
            return {}
        of_version = (
            and_(EvalRunRow.agent_id == agent_id, literal(version) == any_(EvalRunRow.versions))
            for agent_id, version in agents.items()
        )
        newest = (
            select(EvalRunRow)
            .ext(distinct_on(EvalRunRow.agent_id))
            .where(or_(*of_version), EvalRunRow.state == EvalState.DONE.value)
            .where(EvalRunRow.mode == Mode.MODEL.value, EvalRunRow.split != "dev")
            .order_by(EvalRunRow.agent_id, EvalRunRow.ended_at.desc())
        )
        rows = await self.session.scalars(newest)
        return {row.agent_id: _quality(row, agents[row.agent_id]) for row in rows}


def _results(run_id: str) -> Any:
    order = (EvalResultRow.position,)
    return select(EvalResultRow).where(EvalResultRow.eval_run_id == run_id).order_by(*order)


def _measures(result: Result) -> dict[str, Any]:
    names = ("run_id", "score", "passed", "reasons", "answer", "by", "tokens", "money", "milliseconds")
    return {name: getattr(result, name) for name in names}


def _set(row: EvalSetRow) -> EvalSet:
    return EvalSet(**{each.name: getattr(row, each.name) for each in fields(EvalSet)})


def _run(row: EvalRunRow) -> EvalRun:
    values = {each.name: getattr(row, each.name) for each in fields(EvalRun)}
    kept = row.principal
    principal = Principal(**{**kept, "roles": frozenset(Role(each) for each in kept["roles"])})
    words = {"mode": Mode(row.mode), "state": EvalState(row.state), "principal": principal}
    return EvalRun(**values | words | {"versions": tuple(row.versions), "digests": tuple(row.digests)})


def _result(row: EvalResultRow) -> Result:
    names = [each.name for each in fields(Result) if each.name != "item"]
    return Result(**{name: getattr(row, name) for name in names}, item=Item.model_validate(row.item))


def _quality(row: EvalRunRow, version: int) -> Quality:
    assert row.summary is not None
    assert row.ended_at is not None
    figures = next(each for each in row.summary["versions"] if each["version"] == version)
    return Quality(
        eval_run_id=row.id,
        set_id=row.set_id,
        version=version,
        items=figures["items"],
        score=figures["score"],
        low=figures["low"],
        high=figures["high"],
        at=row.ended_at,
    )
