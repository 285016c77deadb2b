"""Use cases of runs and approvals. None of them commits."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import Effect
from chengnao.agents.runtime.events import ApprovalDecided, ApprovalOpened, RunEnded
from chengnao.agents.runtime.model import APPROVAL_LASTS, Approval, ApprovalState, Run, RunState
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.schema import first_fault
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Role, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault

INPUT_LIMIT = 200_000
"""Characters of an input as JSON."""

DRAFT = 0
"""The version number of a definition that stands in no catalogue."""


def real_now() -> datetime:
    """Approvals are security: they live in real time, also in an accelerated city."""
    return datetime.now(UTC)


async def start_run(
    uow: UnitOfWork,
    principal: Principal,
    version: AgentVersion,
    input: dict[str, Any],
    *,
    trial: bool = False,
    key: str | None = None,
    about: Resource | None = None,
) -> Run:
    """Queue a run; the `agents` process takes it up once this is committed.

    The agent works with the rights of `principal`, and the run belongs to the principal's division and unit, or to
    those of `about`. A run that the principal's `key` named before is given back and none is started. A `version` of
    number 0 is a draft, whose definition is kept with the run. Raises Invalid where the input does not fit the
    agent's schema.
    """
    definition = version.definition
    if fault := first_fault(input, definition.input, INPUT_LIMIT):
        raise Invalid("agent_input_invalid", field=fault.path, agent=version.agent_id, reason=fault.text)
    owner = about or Resource(principal.division_code, principal.unit_id)
    run = Run(
        id=new_id(),
        agent_id=version.agent_id,
        version=version.version,
        digest=version.digest,
        definition=definition.model_dump(mode="json", by_alias=True) if version.version == DRAFT else None,
        state=RunState.QUEUED,
        trial=trial,
        data=definition.model.data,
        input=input,
        asked_by=principal.id,
        asked_by_name=principal.name,
        principal=principal,
        division_code=owner.division_code,
        unit_id=owner.unit_id,
        created_at=uow.clock.now(),
    )
    repository = RunRepository(uow.session)
    kept = await repository.add(run, key)
    if kept == run.id:
        return run
    return await run_of(uow, Scope(), kept)


async def run_of(uow: UnitOfWork, scope: Scope, run_id: str, vault: Vault | None = None) -> Run:
    """The run; raises NotFound outside the scope. Without a vault, what is sealed is not shown."""
    run = await RunRepository(uow.session, vault).get(scope, run_id)
    if run is None:
        raise NotFound("not_found", kind="运行 run", id=run_id)
    return run


def may_read(principal: Principal, run: Run) -> bool:
    """Whether the principal may see what a run of sensitive data was given and gave: who asked, and auditors."""
    return principal.kind == "system" or principal.id == run.asked_by or Role.AUDITOR in principal.roles


async def finished(database: Database, run_id: str, seconds: float, vault: Vault | None = None) -> Run:
    """The run once it has ended, or as it is after so many seconds."""
    ends = asyncio.get_running_loop().time() + seconds
    pause = 0.05
    while True:
        async with database.unit_of_work() as uow:
            run = await run_of(uow, Scope(), run_id, vault)
        if run.state.ended or asyncio.get_running_loop().time() >= ends:
            return run
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)


async def cancel(uow: UnitOfWork, principal: Principal, run: Run) -> Run:
    """End a queued run at once, and a running one at its present step; raises Conflict where it has ended."""
    repository = RunRepository(uow.session)
    present = await repository.get(Scope(), run.id, lock=True)
    if present is None or present.state.ended:
        state = run.state if present is None else present.state
        raise Conflict("agent_run_ended", id=run.id, state=state.zh, state_en=state.en)
    await repository.ask_to_cancel(run.id)
    if present.state is RunState.QUEUED:
        await end_run(uow, replace(present, state=RunState.CANCELLED, ended_at=uow.clock.now()), repository)
    await record_act(uow, principal, "agent.run", run=run.id, cancelled=True)
    return await run_of(uow, Scope(), run.id)


async def set_waiting(uow: UnitOfWork, run_id: str, *, waiting: bool) -> None:
    """Say whether the run waits for a person."""
    await RunRepository(uow.session).set_state(run_id, RunState.WAITING if waiting else RunState.RUNNING)


async def end_run(uow: UnitOfWork, run: Run, repository: RunRepository) -> None:
    """Keep how the run ended, and tell; nothing where it had ended already."""
    if await repository.end(run):
        for approval in await ApprovalRepository(uow.session).close(run.id):
            _tell(uow, approval)
        uow.publish(
            RunEnded(
                subject=run.id,
                division_code=run.division_code,
                unit_id=run.unit_id,
                agent_id=run.agent_id,
                state=run.state.value,
                by=None if run.by is None else run.by.value,
                role=run.role,
            )
        )


async def give_feedback(uow: UnitOfWork, principal: Principal, run: Run, *, useful: bool, comment: str) -> Run:
    """Keep what a person thinks of the answer; a later word replaces an earlier one."""
    feedback = {
        "useful": useful,
        "comment": comment.strip(),
        "by": principal.id,
        "by_name": principal.name,
        "at": uow.clock.now().isoformat(),
    }
    await RunRepository(uow.session).set_feedback(run.id, feedback)
    return replace(run, feedback=feedback)


async def open_approval(
    uow: UnitOfWork,
    run: Run,
    call_id: str,
    tool: str,
    effect: Effect,
    arguments: dict[str, Any],
    digest: str,
    vault: Vault | None = None,
) -> Approval:
    """Ask a person for leave for this very call; asking again gives the same approval.

    The vault seals the arguments of a run with sensitive data.
    """
    repository = ApprovalRepository(uow.session, vault)
    now = real_now()
    approval = Approval(
        id=new_id(),
        run_id=run.id,
        call_id=call_id,
        agent_id=run.agent_id,
        version=run.version,
        tool=tool,
        effect=effect,
        arguments=arguments,
        digest=digest,
        state=ApprovalState.OPEN,
        asked_by=run.asked_by,
        asked_by_name=run.asked_by_name,
        asked_at=now,
        expires_at=now + APPROVAL_LASTS,
        division_code=run.division_code,
        unit_id=run.unit_id,
    )
    if not await repository.add(approval, run.data):
        found = await repository.of_call(run.id, call_id)
        assert found is not None
        return found
    uow.publish(
        ApprovalOpened(
            subject=approval.id,
            division_code=approval.division_code,
            unit_id=approval.unit_id,
            run_id=run.id,
            agent_id=run.agent_id,
            tool=tool,
            effect=effect.value,
            expires_at=approval.expires_at.isoformat(),
        )
    )
    return approval


async def decide(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    approval_id: str,
    *,
    grant: bool,
    reason: str,
    vault: Vault | None = None,
) -> Approval:
    """Grant or refuse a call; raises Forbidden for whoever asked, Conflict where it is decided or expired."""
    repository = ApprovalRepository(uow.session, vault)
    approval = await repository.get(Scope.of(actor), approval_id)
    if approval is None:
        raise NotFound("not_found", kind="审批 approval", id=approval_id)
    authority.require(actor, "approval.decide", Resource(approval.division_code, approval.unit_id))
    decided = approval.decided(actor, real_now(), grant=grant, reason=reason.strip())
    await repository.save(decided)
    await uow.session.execute(text("NOTIFY agent_runs"))
    _tell(uow, decided)
    await record_act(
        uow, actor, "approval.decide", approval=decided.id, tool=decided.tool, digest=decided.digest, granted=grant
    )
    return decided


async def use_approval(uow: UnitOfWork, run_id: str, call_id: str, digest: str) -> Approval:
    """Use the approval up for the call of this digest, in the transaction of the call; raises Conflict."""
    repository = ApprovalRepository(uow.session)
    approval = await repository.of_call(run_id, call_id)
    if approval is None:
        raise Conflict("approval_missing", call=call_id)
    used = approval.used(digest, real_now())
    await repository.save(used)
    _tell(uow, used)
    return used


async def settle(uow: UnitOfWork, run_id: str, call_id: str) -> Approval:
    """The approval of a call as it stands now; what is expired is kept as such, and told."""
    repository = ApprovalRepository(uow.session)
    approval = await repository.of_call(run_id, call_id)
    if approval is None:
        raise Conflict("approval_missing", call=call_id)
    present = approval.at(real_now())
    if present != approval:
        await repository.save(present)
        _tell(uow, present)
    return present


def _tell(uow: UnitOfWork, approval: Approval) -> None:
    uow.publish(
        ApprovalDecided(
            subject=approval.id,
            division_code=approval.division_code,
            unit_id=approval.unit_id,
            run_id=approval.run_id,
            state=approval.state.value,
        )
    )
