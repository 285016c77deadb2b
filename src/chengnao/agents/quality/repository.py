"""SQL over what runs and evaluations left: figures alone, no texts, so they need no scope."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, and_, any_, case, cast, extract, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from chengnao.agents.evals.model import EvalState, Mode
from chengnao.agents.evals.tables import EvalRunRow
from chengnao.agents.quality.model import Quality, Usage
from chengnao.agents.runtime.model import By, RunState
from chengnao.agents.runtime.tables import RunRow
from chengnao.kernel.repository import Repository


class QualityRepository(Repository):
    async def usage(self, agent_ids: Collection[str], since: datetime, speed: float) -> dict[str, Usage]:
        """By agent, from then on; `speed` is that of the clock the runs were timed by."""
        lasted = cast(extract("epoch", RunRow.ended_at - RunRow.started_at), Float) / speed
        useful = RunRow.feedback["useful"].astext
        columns: dict[str, ColumnElement[Any]] = {
            "runs": func.count(),
            "by_model": _count(RunRow.by == By.MODEL.value),
            "by_rule": _count(RunRow.by == By.RULE.value),
            "by_human": _count(RunRow.by == By.HUMAN.value),
            "failed": _count(RunRow.state == RunState.FAILED.value),
            "useful": _count(useful == "true"),
            "useless": _count(useful == "false"),
            "tokens": cast(func.coalesce(func.sum(RunRow.tokens), 0), Integer),
            "money": func.coalesce(func.sum(RunRow.money), 0.0),
            "p50_seconds": func.percentile_cont(0.5).within_group(lasted),
            "p95_seconds": func.percentile_cont(0.95).within_group(lasted),
        }
        query = (
            select(RunRow.agent_id, *(each.label(name) for name, each in columns.items()))
            .where(RunRow.agent_id.in_(agent_ids), RunRow.created_at >= since, ~RunRow.trial)
            .group_by(RunRow.agent_id)
        )
        rows = (await self.session.execute(query)).all()
        found = {row.agent_id: Usage(**{name: getattr(row, name) for name in columns}) for row in rows}
        return {agent_id: found.get(agent_id, Usage()) for agent_id in agent_ids}

    async def latest(self, agents: Mapping[str, int]) -> dict[str, Quality]:
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


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


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
