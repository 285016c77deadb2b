"""SQL over what runs left: figures alone, no texts, so they need no scope."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, case, cast, extract, func, select

from chengnao.agents.runtime.model import By, RunState
from chengnao.agents.runtime.tables import RunRow
from chengnao.agents.runtime.usage import Usage
from chengnao.kernel.repository import Repository


class UsageRepository(Repository):
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


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
