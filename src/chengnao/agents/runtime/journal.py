"""The steps of a run, each done once and kept with its answer, which a repetition after a crash gives again.

What a workflow has to remember stands here and not in the workflow engine's own tables: so texts are sealed and
purged in one place.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chengnao.agents.runtime.model import Run, Spent, Step, StepKind
from chengnao.agents.runtime.repository import RunRepository
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault

log = logging.getLogger(__name__)

T = TypeVar("T")

Durable = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Does a piece of work under a name as one step of a workflow: once, or again where it was cut off in the middle."""

_PATIENCE = 3
"""Tries of a statement that fails though the database is there: a deadlock may have been broken by it."""


class RunCancelled(Exception):
    """Somebody wants the run to end."""


class RunChanged(Exception):
    """The steps that were kept are not those that this release takes: the run cannot go on."""


@dataclass(frozen=True)
class Outcome:
    """What a step gave."""

    output: Any = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0
    model: str | None = None
    error: dict[str, Any] | None = None
    flags: list[dict[str, Any]] = field(default_factory=list)


class Journal:
    """Keeps the steps of one run, and gives again those that were kept before."""

    def __init__(
        self, database: Database, vault: Vault, run: Run, durable: Durable, cancelled: asyncio.Event | None = None
    ) -> None:
        self.database = database
        self._vault = vault
        self._run = run
        self._durable = durable
        self._cancelled = cancelled or asyncio.Event()
        self._seq = 0
        self._last: Step | None = None
        self.spent = Spent()
        self.steps: list[Step] = []

    @property
    def next_call(self) -> str:
        """Names the next step's call; the same after a crash."""
        return f"c{self._seq + 1}"

    async def think(self, name: str, input: Any, seconds: float, work: Callable[[], Awaitable[Outcome]]) -> Step:
        """Ask a model, outside of any transaction."""

        async def once(seq: int) -> Step:
            began = time.monotonic()
            try:
                outcome = await _bounded(work, seconds)
            except Exception as error:
                outcome = Outcome(error=error_of(error, name))
            step = self._made(seq, StepKind.MODEL, name, input, outcome, began)
            return await self.patient(lambda: self._keep(step))

        return await self._step(StepKind.MODEL, name, once)

    async def act(
        self,
        kind: StepKind,
        name: str,
        input: Any,
        digest: str,
        seconds: float,
        work: Callable[[UnitOfWork], Awaitable[Outcome]],
    ) -> Step:
        """Do something in one transaction with the note that it was done: it is done once, or not at all.

        What it raises is the step's error, and nothing of it stays.
        """
        call_id = self.next_call

        async def once(seq: int) -> Step:
            began = time.monotonic()

            async def try_it() -> Step:
                async with self.database.unit_of_work() as uow:
                    outcome = await _bounded(lambda: self._once(uow, call_id, digest, work), seconds)
                    step = self._made(seq, kind, name, input, outcome, began)
                    if not await RunRepository(uow.session, self._vault).add_step(step, self._run.data):
                        return await self._known(seq) or step
                    await uow.commit()
                    return step

            try:
                return await self.patient(try_it)
            except Exception as error:
                failed = self._made(seq, kind, name, input, Outcome(error=error_of(error, name)), began)
            return await self.patient(lambda: self._keep(failed))

        return await self._step(kind, name, once)

    async def wait(self, name: str, work: Callable[[], Awaitable[Outcome]]) -> Step:
        """Wait for a person, as long as it takes."""

        async def once(seq: int) -> Step:
            began = time.monotonic()
            outcome = await self.patient(work)
            step = self._made(seq, StepKind.APPROVAL, name, None, outcome, began)
            return await self.patient(lambda: self._keep(step))

        return await self._step(StepKind.APPROVAL, name, once)

    async def _step(self, kind: StepKind, name: str, once: Callable[[int], Awaitable[Step]]) -> Step:
        self._seq += 1
        seq = self._seq
        self._last = None

        async def body() -> None:
            self._last = await self.patient(lambda: self._known(seq))
            if self._last is None:
                self._last = await self._unless_cancelled(once(seq))

        await self._durable(f"{kind.value} {name}", body)
        step: Step | None = self._last or await self.patient(lambda: self._known(seq))
        if step is None:
            raise RunCancelled
        if (step.kind, step.name) != (kind, name):
            raise RunChanged(f"step {seq} of run {self._run.id} was {step.kind} {step.name}, is {kind} {name}")
        self.spent.add(step)
        self.steps.append(step)
        return step

    async def _unless_cancelled(self, work: Awaitable[Step]) -> Step | None:
        """What the work gives; None where the run is to end first, and then the work is given up."""
        doing = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._cancelled.wait())
        try:
            await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            return None
        finally:
            waiting.cancel()
            if not doing.done():
                doing.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await doing

    async def _once(
        self, uow: UnitOfWork, call_id: str, digest: str, work: Callable[[UnitOfWork], Awaitable[Outcome]]
    ) -> Outcome:
        repository = RunRepository(uow.session, self._vault)
        if await repository.claim(self._run.id, call_id, digest, uow.clock.now()):
            outcome = await work(uow)
            await repository.answered(self._run.id, call_id, {"answer": outcome.output}, self._run.data)
            return outcome
        act = await repository.act(self._run.id, call_id)
        if act is None or act[0] != digest:
            raise Conflict("agent_call_changed", call=call_id)
        return Outcome(output=act[1].get("answer"))

    async def _keep(self, step: Step) -> Step:
        async with self.database.unit_of_work() as uow:
            if await RunRepository(uow.session, self._vault).add_step(step, self._run.data):
                await uow.commit()
                return step
        return await self._known(step.seq) or step

    async def _known(self, seq: int) -> Step | None:
        async with self.database.unit_of_work() as uow:
            return await RunRepository(uow.session, self._vault).step(self._run.id, seq)

    def _made(self, seq: int, kind: StepKind, name: str, input: Any, outcome: Outcome, began: float) -> Step:
        return Step(
            run_id=self._run.id,
            seq=seq,
            kind=kind,
            name=name,
            at=self.database.clock.now(),
            milliseconds=round((time.monotonic() - began) * 1000),
            input=input,
            output=outcome.output,
            prompt_tokens=outcome.prompt_tokens,
            completion_tokens=outcome.completion_tokens,
            money=outcome.money,
            model=outcome.model,
            error=outcome.error,
            flags=outcome.flags,
        )

    async def patient(self, work: Callable[[], Awaitable[T]]) -> T:
        return await patient(self._run.id, work)


async def patient(run_id: str, work: Callable[[], Awaitable[T]]) -> T:
    """What the work gives, however long the database is away; raises what fails though it is there."""
    tries = 0
    while True:
        try:
            return await work()
        except (DBAPIError, PoolTimeout) as error:
            tries += 1
            if tries >= _PATIENCE and _is_there(error):
                raise
            log.warning("run %s waits for the database: %s", run_id, error)
            await asyncio.sleep(min(2.0, 0.2 * 2**tries))


def _is_there(error: Exception) -> bool:
    """Whether the database answered, and the statement itself is at fault."""
    if not isinstance(error, OperationalError) or error.connection_invalidated:
        return isinstance(error, DBAPIError) and not error.connection_invalidated
    # No state: there was no connection. Else: connection lost, too many of them, or a server that stops or starts.
    state = getattr(error.orig, "sqlstate", None)
    return state is not None and not state.startswith(("08", "57P")) and state != "53300"


async def _bounded(work: Callable[[], Awaitable[Outcome]], seconds: float) -> Outcome:
    """What the work gives; the limit as its error where it takes longer."""
    try:
        async with asyncio.timeout(max(0.01, seconds)) as limit:
            return await work()
    except TimeoutError:
        if not limit.expired():
            raise
        raise Conflict("agent_limit", limit="seconds", limit_zh="时间") from None


def error_of(error: BaseException, name: str) -> dict[str, Any]:
    """The error as a trace shows it; what nobody foresaw gets a number that stands in the log."""
    if isinstance(error, ChengnaoError):
        return error.to_dict()
    trace = new_id()
    log.error("step %s failed, number %s", name, trace, exc_info=error)
    return ChengnaoError("agent_step_failed", name=name, trace=trace).to_dict()
