"""SQL over runs, their steps, approvals and acts. Texts of sensitive data are sealed here, and opened here."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chengnao.agents.model import Effect
from chengnao.agents.runtime.model import (
    KEEP,
    Approval,
    ApprovalState,
    By,
    Run,
    RunState,
    Step,
    StepKind,
    principal_from_json,
    principal_to_json,
)
from chengnao.agents.runtime.tables import ActRow, ApprovalRow, RunRow, StepRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.repository import Repository
from chengnao.kernel.vocabulary import DataClass

ENDED = tuple(state.value for state in RunState if state.ended)
_CONTENT = ("input", "result", "evidence")


class RunRepository(Repository):
    def __init__(self, session: AsyncSession, vault: Vault | None = None) -> None:
        """Without a vault, sealed texts are not shown: the run looks as if they were purged."""
        super().__init__(session)
        self._vault = vault

    async def add(self, run: Run, key: str | None) -> str:
        """Queue the run; gives the id of the one that the asker's key named before, where there is one."""
        values = {each.name: getattr(run, each.name) for each in fields(Run) if each.name not in (*_CONTENT, "purged")}
        values |= {
            "state": run.state.value,
            "data": run.data.value,
            "content": {name: getattr(run, name) for name in _CONTENT},
            "principal": principal_to_json(run.principal),
            "key": key,
        }
        statement = insert(RunRow).values(**values).on_conflict_do_nothing(index_elements=["asked_by", "key"])
        if await self.session.scalar(statement.returning(RunRow.id)) is not None:
            await self.session.execute(text("NOTIFY agent_runs"))
            return run.id
        return str(await self.session.scalar(select(RunRow.id).filter_by(asked_by=run.asked_by, key=key)))

    async def get(self, scope: Scope, run_id: str, *, lock: bool = False) -> Run | None:
        query = select(RunRow).where(RunRow.id == run_id, scope.where(RunRow))
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else self._run(row)

    async def runs(
        self, scope: Scope, request: PageRequest, *, agent_id: str | None, state: RunState | None, asked_by: str | None
    ) -> Page[Run]:
        """The newest first."""
        query = select(RunRow).where(scope.where(RunRow))
        if agent_id is not None:
            query = query.where(RunRow.agent_id == agent_id)
        if state is not None:
            query = query.where(RunRow.state == state.value)
        if asked_by is not None:
            query = query.where(RunRow.asked_by == asked_by)
        return (await self.page(query.order_by(RunRow.id.desc()), request)).map(self._run)

    async def take(self, limit: int, now: datetime) -> list[str]:
        """Up to `limit` queued runs, which are the caller's to run from now on."""
        queued = (
            select(RunRow.id)
            .where(RunRow.state == RunState.QUEUED.value)
            .order_by(RunRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        values = {"state": RunState.RUNNING.value, "started_at": now}
        taken = update(RunRow).where(RunRow.id.in_(queued)).values(**values).returning(RunRow.id)
        return sorted(await self.session.scalars(taken.execution_options(synchronize_session=False)))

    async def begun(self, limit: int = 10_000) -> list[str]:
        """Runs that have begun and not ended."""
        states = (RunState.RUNNING.value, RunState.WAITING.value)
        return list(await self.session.scalars(select(RunRow.id).where(RunRow.state.in_(states)).limit(limit)))

    async def try_again(self, run_id: str) -> int:
        """Count a beginning; gives how many there were since the last step."""
        statement = update(RunRow).where(RunRow.id == run_id).values(tries=RunRow.tries + 1).returning(RunRow.tries)
        return await self.session.scalar(statement.execution_options(synchronize_session=False)) or 0

    async def seal(self, run: Run) -> None:
        """Seal what the run was given, where its data is sensitive."""
        if run.data is DataClass.SENSITIVE:
            await self._write(run.id, self._content(run.id, run.data, {n: getattr(run, n) for n in _CONTENT}))

    async def set_state(self, run_id: str, state: RunState) -> None:
        """Running or waiting; what has ended stays ended."""
        await self._write(run_id, {"state": state.value}, RunRow.state.not_in(ENDED))

    async def end(self, run: Run) -> bool:
        """Keep how the run ended; False where it had ended before."""
        assert run.ended_at is not None
        content = self._content(run.id, run.data, {name: getattr(run, name) for name in _CONTENT})
        names = ("role", "confidence", "error", "reason", "model", "tokens", "money", "ended_at")
        values = {name: getattr(run, name) for name in names}
        values |= {"state": run.state.value, "by": None if run.by is None else run.by.value}
        values["purge_at"] = run.ended_at + func.make_interval(0, 0, 0, KEEP[run.data])
        return await self._write(run.id, values | content, RunRow.state.not_in(ENDED)) == 1

    async def ask_to_cancel(self, run_id: str) -> None:
        await self._write(run_id, {"cancel": True}, RunRow.state.not_in(ENDED))
        await self.session.execute(text("NOTIFY agent_runs"))

    async def to_cancel(self, run_ids: Collection[str]) -> set[str]:
        """Those of the runs that somebody wants cancelled."""
        query = select(RunRow.id).where(RunRow.id.in_(run_ids), RunRow.cancel)
        return set(await self.session.scalars(query))

    async def set_feedback(self, run_id: str, feedback: dict[str, Any]) -> None:
        await self._write(run_id, {"feedback": feedback})

    async def steps(self, run_id: str) -> list[Step]:
        query = select(StepRow).where(StepRow.run_id == run_id).order_by(StepRow.seq)
        return [self._step(row) for row in await self.session.scalars(query)]

    async def step(self, run_id: str, seq: int) -> Step | None:
        row = await self.session.get(StepRow, (run_id, seq), populate_existing=True)
        return None if row is None else self._step(row)

    async def add_step(self, step: Step, data: DataClass) -> bool:
        """Keep the step; False where another process has kept it already."""
        values = {each.name: getattr(step, each.name) for each in fields(Step) if each.name not in ("input", "output")}
        values |= {"kind": step.kind.value}
        content = {"input": step.input, "output": step.output}
        values |= self._content(f"{step.run_id}:{step.seq}", data, content)
        kept = await self.session.scalar(
            insert(StepRow).values(**values).on_conflict_do_nothing().returning(StepRow.seq)
        )
        if kept is not None:
            await self._write(step.run_id, {"tries": 0})
        return kept is not None

    async def claim(self, run_id: str, call_id: str, digest: str, now: datetime) -> bool:
        """Whether the call is to be made now; a parallel one of the same id is waited for first."""
        values = {"run_id": run_id, "call_id": call_id, "digest": digest, "at": now}
        statement = insert(ActRow).values(**values).on_conflict_do_nothing().returning(ActRow.call_id)
        return await self.session.scalar(statement) is not None

    async def answered(self, run_id: str, call_id: str, answer: dict[str, Any], data: DataClass) -> None:
        content = self._content(f"{run_id}:{call_id}", data, answer)
        values = {"answer": content["content"], "sealed": content["sealed"]}
        await self.session.execute(
            update(ActRow).where(ActRow.run_id == run_id, ActRow.call_id == call_id).values(**values)
        )

    async def act(self, run_id: str, call_id: str) -> tuple[str, dict[str, Any]] | None:
        """The digest and the answer of a call that was made."""
        row = await self.session.get(ActRow, (run_id, call_id), populate_existing=True)
        return None if row is None else (row.digest, self._open(f"{run_id}:{call_id}", row.answer, row.sealed) or {})

    async def purge(self, now: datetime, at_most: int = 500) -> int:
        """Drop the texts of runs whose time is up; gives how many runs there were."""
        due = select(RunRow.id).where(RunRow.purge_at <= now).limit(at_most).with_for_update(skip_locked=True)
        ids = list(await self.session.scalars(due))
        if ids:
            empty = {"content": None, "sealed": None}
            await self.session.execute(
                update(RunRow).where(RunRow.id.in_(ids)).values(**empty, purge_at=None, definition=None)
            )
            await self.session.execute(update(StepRow).where(StepRow.run_id.in_(ids)).values(**empty, flags=[]))
            await self.session.execute(
                update(ApprovalRow).where(ApprovalRow.run_id.in_(ids)).values(arguments=None, sealed=None)
            )
            await self.session.execute(delete(ActRow).where(ActRow.run_id.in_(ids)))
        return len(ids)

    async def purge_acts(self, before: datetime) -> None:
        """Drop acts that belong to no run, such as calls from outside, made before this moment."""
        lone = and_(ActRow.at < before, ~select(RunRow.id).where(RunRow.id == ActRow.run_id).exists())
        await self.session.execute(delete(ActRow).where(lone))

    async def _write(self, run_id: str, values: Mapping[str, Any], *conditions: Any) -> int:
        statement = update(RunRow).where(RunRow.id == run_id, *conditions).values(**values)
        done = await self.session.execute(statement.execution_options(synchronize_session=False))
        return int(getattr(done, "rowcount", 0))

    def _content(self, record: str, data: DataClass, content: dict[str, Any]) -> dict[str, Any]:
        if data is not DataClass.SENSITIVE or self._vault is None:
            return {"content": content, "sealed": None}
        return {"content": None, "sealed": self._vault.seal(record, json.dumps(content, ensure_ascii=False))}

    def _open(self, record: str, content: dict[str, Any] | None, sealed: bytes | None) -> dict[str, Any] | None:
        if sealed is None:
            return content
        return None if self._vault is None else json.loads(self._vault.open(record, sealed))

    def _run(self, row: RunRow) -> Run:
        content = self._open(row.id, row.content, row.sealed)
        values = {each.name: getattr(row, each.name) for each in fields(Run) if each.name not in (*_CONTENT, "purged")}
        values |= {name: (content or {}).get(name) for name in _CONTENT}
        return Run(
            **values
            | {
                "input": (content or {}).get("input") or {},
                "evidence": (content or {}).get("evidence") or [],
                "state": RunState(row.state),
                "data": DataClass(row.data),
                "by": None if row.by is None else By(row.by),
                "principal": principal_from_json(row.principal),
                "purged": content is None,
            }
        )

    def _step(self, row: StepRow) -> Step:
        content = self._open(f"{row.run_id}:{row.seq}", row.content, row.sealed) or {}
        values = {each.name: getattr(row, each.name) for each in fields(Step) if each.name not in ("input", "output")}
        kind = {"kind": StepKind(row.kind), "input": content.get("input"), "output": content.get("output")}
        return Step(**values | kind)


class ApprovalRepository(Repository):
    def __init__(self, session: AsyncSession, vault: Vault | None = None) -> None:
        """Without a vault, sealed arguments are not shown."""
        super().__init__(session)
        self._vault = vault

    async def add(self, approval: Approval, data: DataClass) -> bool:
        """Open it, its arguments sealed where the data is sensitive; False where the call has one already."""
        values = _plain(approval) | {"arguments": approval.arguments}
        if data is DataClass.SENSITIVE and self._vault is not None:
            text_of_them = json.dumps(approval.arguments, ensure_ascii=False)
            values |= {"arguments": None, "sealed": self._vault.seal(approval.id, text_of_them)}
        statement = insert(ApprovalRow).values(**values).on_conflict_do_nothing().returning(ApprovalRow.id)
        return await self.session.scalar(statement) is not None

    async def save(self, approval: Approval) -> None:
        statement = update(ApprovalRow).where(ApprovalRow.id == approval.id).values(**_plain(approval))
        await self.session.execute(statement.execution_options(synchronize_session=False))

    async def get(self, scope: Scope, approval_id: str) -> Approval | None:
        """Locked for this transaction."""
        query = select(ApprovalRow).where(ApprovalRow.id == approval_id, scope.where(ApprovalRow)).with_for_update()
        row = await self.session.scalar(query.execution_options(populate_existing=True))
        return None if row is None else self._approval(row)

    async def of_call(self, run_id: str, call_id: str) -> Approval | None:
        """Locked for this transaction."""
        query = select(ApprovalRow).filter_by(run_id=run_id, call_id=call_id).with_for_update()
        row = await self.session.scalar(query.execution_options(populate_existing=True))
        return None if row is None else self._approval(row)

    async def of_run(self, run_id: str) -> list[Approval]:
        query = select(ApprovalRow).where(ApprovalRow.run_id == run_id).order_by(ApprovalRow.asked_at)
        return [self._approval(row) for row in await self.session.scalars(query)]

    async def close(self, run_id: str) -> list[Approval]:
        """Let what the run asked for and has not used expire with it; gives what did."""
        alive = (ApprovalState.OPEN.value, ApprovalState.GRANTED.value)
        statement = update(ApprovalRow).where(ApprovalRow.run_id == run_id, ApprovalRow.state.in_(alive))
        closed = statement.values(state=ApprovalState.EXPIRED.value).returning(ApprovalRow)
        rows = await self.session.scalars(closed.execution_options(synchronize_session=False, populate_existing=True))
        return [self._approval(row) for row in rows]

    async def settled(self, ids: Collection[str], now: datetime) -> set[str]:
        """Those that are decided or expired."""
        over = or_(ApprovalRow.state != ApprovalState.OPEN.value, ApprovalRow.expires_at <= now)
        return set(await self.session.scalars(select(ApprovalRow.id).where(ApprovalRow.id.in_(ids), over)))

    async def approvals(
        self, scope: Scope, state: ApprovalState | None, now: datetime, request: PageRequest
    ) -> Page[Approval]:
        """Those that wait longest first."""
        alive = (ApprovalState.OPEN.value, ApprovalState.GRANTED.value)
        expired = and_(ApprovalRow.state.in_(alive), ApprovalRow.expires_at <= now)
        present = case((expired, ApprovalState.EXPIRED.value), else_=ApprovalRow.state)
        query = select(ApprovalRow).where(scope.where(ApprovalRow))
        if state is not None:
            query = query.where(present == state.value)
        order = ApprovalRow.id if state is ApprovalState.OPEN else ApprovalRow.id.desc()
        return (await self.page(query.order_by(order), request)).map(lambda row: self._approval(row).at(now))

    def _approval(self, row: ApprovalRow) -> Approval:
        values = {each.name: getattr(row, each.name) for each in fields(Approval)}
        if row.sealed is not None and self._vault is not None:
            values["arguments"] = json.loads(self._vault.open(row.id, row.sealed))
        return Approval(**values | {"effect": Effect(row.effect), "state": ApprovalState(row.state)})


def _plain(approval: Approval) -> dict[str, Any]:
    """What may change, and what does not; the arguments never do."""
    values = asdict(approval) | {"effect": approval.effect.value, "state": approval.state.value}
    del values["arguments"]
    return values
