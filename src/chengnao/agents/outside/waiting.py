"""Calls of tools with an effect that came from outside: written down, decided by a person, carried out once.

Such a call is a run like another, so that it is seen, kept and purged as runs are; no agent has part in it, so it
counts as handed to a person from its first moment.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chengnao.agents.runtime.calls import current
from chengnao.agents.runtime.journal import error_of
from chengnao.agents.runtime.model import (
    Approval,
    ApprovalState,
    By,
    Run,
    RunState,
    Step,
    StepKind,
    digest_of,
)
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.service import DRAFT, open_approval, settle, use_approval
from chengnao.agents.tools import Call, Tool
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.kernel.vocabulary import DataClass

OUTSIDE_CALL = "outside-call"
"""Stands where a run names its agent."""

_CALL = "c1"


async def write_down(
    uow: UnitOfWork, principal: Principal, tool: Tool[Any, Any], arguments: dict[str, Any], key: str | None
) -> str:
    """Keep the call and ask a person for leave; gives its id. A `key` that came before gives the call it named.

    Raises Conflict where the key named another call.
    """
    run_id, now = new_id(), uow.clock.now()
    digest = digest_of(OUTSIDE_CALL, tool.name, arguments)
    run = Run(
        id=run_id,
        agent_id=OUTSIDE_CALL,
        version=DRAFT,
        digest=digest,
        state=RunState.RUNNING,
        data=DataClass.INTERNAL,
        input={"tool": tool.name, "arguments": arguments},
        asked_by=principal.id,
        asked_by_name=principal.name,
        principal=principal,
        division_code=principal.division_code,
        unit_id=principal.unit_id,
        created_at=now,
        started_at=now,
    )
    repository = RunRepository(uow.session)
    kept = await repository.add(run, key)
    if kept != run_id:
        known = await repository.get(Scope(), kept)
        if known is None or known.digest != digest:
            raise Conflict("idempotency_key_reused", key=key)
        return kept
    await repository.end(replace(run, state=RunState.DONE, by=By.HUMAN, ended_at=now))
    await open_approval(uow, run, _CALL, tool.name, tool.effect, arguments, digest)
    await record_act(uow, principal, "agent.run", tool=tool.name, run=run_id, waits=True)
    return run_id


async def carry_out(
    uow: UnitOfWork, settings: Settings, authority: Authority, run: Run, tools: Mapping[str, Tool[Any, Any]]
) -> tuple[Run, list[Approval]]:
    """The call as it stands: carried out now, once, where leave was given in time.

    What the tool raises is its answer, and nothing of it stays; the leave is used all the same.
    """
    repository = RunRepository(uow.session, Vault.of(settings.home))
    approval = await settle(uow, run.id, _CALL)  # locks it: of two that ask at once, one waits
    if approval.state is ApprovalState.GRANTED:
        step = await _do(uow, settings, authority, run, tools.get(approval.tool))
        await repository.add_step(step, run.data)
    found = await repository.steps(run.id)
    asked = await ApprovalRepository(uow.session).of_run(run.id)
    if not found:
        alive = approval.state in (ApprovalState.OPEN, ApprovalState.GRANTED)
        return replace(run, state=RunState.WAITING if alive else RunState.CANCELLED), asked
    done = found[-1]
    if done.error is not None:
        return replace(run, state=RunState.FAILED, error=done.error), asked
    return replace(run, state=RunState.DONE, result=done.output["answer"]), asked


async def _do(uow: UnitOfWork, settings: Settings, authority: Authority, run: Run, tool: Tool[Any, Any] | None) -> Step:
    began = time.monotonic()
    approval = await use_approval(uow, run.id, _CALL, run.digest)
    arguments = approval.arguments or {}
    output, error = None, None
    try:
        async with uow.session.begin_nested():
            if tool is None:
                raise Conflict("outside_tool_gone", name=approval.tool)
            principal = await current(uow, run.principal)
            authority.require(principal, tool.action, Resource(principal.division_code, principal.unit_id))
            call = Call(uow, principal, settings, OUTSIDE_CALL, run.id, f"{run.id}:{_CALL}")
            answer = await tool.run(call, tool.input.model_validate(arguments))
            output = {"answer": answer.model_dump(mode="json")}
    except ChengnaoError as refusal:
        error = refusal.to_dict()
    except Exception as fault:
        error = error_of(fault, approval.tool)
    return Step(
        run_id=run.id,
        seq=1,
        kind=StepKind.TOOL,
        name=approval.tool,
        at=uow.clock.now(),
        milliseconds=round((time.monotonic() - began) * 1000),
        input=arguments,
        output=output,
        error=error,
    )
