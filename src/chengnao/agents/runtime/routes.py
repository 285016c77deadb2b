"""Runs of agents, and approvals of what they want to do, over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import digest, read_yaml
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.catalogue.service import invalid_definition
from chengnao.agents.offered import offered
from chengnao.agents.runtime import service
from chengnao.agents.runtime.model import Approval, ApprovalState, Run, RunState
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.views import ApprovalOut, RunOut, RunWithSteps, StepOut, shown_to
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import Context, ContextDep, Id, PageDep, PageOf, RepeatableDep, ScopeDep, UowDep, require

router = APIRouter(tags=["agents"])

Reader = Annotated[Principal, Depends(require("agent.read"))]
Runner = Annotated[Principal, Depends(require("agent.run"))]


class RunIn(BaseModel):
    """What the agent is given. `version` other than the one in use, or a `draft` as YAML, is run as a trial."""

    input: dict[str, Any]
    version: Annotated[int | None, Field(ge=1)] = None
    draft: Annotated[str | None, Field(max_length=300_000)] = None
    trial: bool = False
    """Nothing is done that has an effect."""


@router.post("/agents/{agent_id}/runs", status_code=202)
async def run_agent(
    agent_id: Id, body: RunIn, principal: Runner, uow: UowDep, context: ContextDep, repeatable: RepeatableDep
) -> RunOut:
    """Start a run with the asker's own rights; follow it at `/agents/runs/{id}`."""
    if (known := await repeatable.known(RunOut)) is not None:
        return known
    version, tried = await _version(uow, context, principal, agent_id, body)
    run = await service.start_run(uow, principal, version, body.input, trial=tried or body.trial)
    answer = await repeatable.keep(RunOut.of(run, principal))
    await uow.commit()
    return answer


async def _version(
    uow: UnitOfWork, context: Context, principal: Principal, agent_id: str, body: RunIn
) -> tuple[AgentVersion, bool]:
    """The version to run, and whether it may only be tried."""
    if body.draft is not None:
        return await _draft(uow, context, principal, agent_id, body.draft), True
    if body.version is None:
        return await catalogue.usable(uow, principal, agent_id), False
    record = await catalogue.require_agent(uow, principal, agent_id)
    if body.version != record.published_version:
        await catalogue.require_own(uow, context.authority, principal, agent_id, "agent.write")
    return await catalogue.version_of(uow, agent_id, body.version), body.version != record.published_version


async def _draft(uow: UnitOfWork, context: Context, principal: Principal, agent_id: str, text: str) -> AgentVersion:
    context.authority.require(principal, "agent.write", Resource(principal.division_code, principal.unit_id))
    offer = await offered(uow)
    checked = read_yaml(text, lambda definition: problems(definition, offer.tools, offer.rules))
    if checked.definition is None or checked.problems:
        raise invalid_definition(checked.problems)
    definition = checked.definition
    if definition.id != agent_id:
        raise Invalid("agent_draft_other", field="id", value=definition.id, id=agent_id)
    return AgentVersion(
        agent_id=agent_id,
        version=service.DRAFT,
        digest=digest(definition),
        definition=definition,
        division_code=principal.division_code,
        unit_id=principal.unit_id,
        author=principal.id,
        author_name=principal.name,
        at=uow.clock.now(),
        note="",
    )


@router.get("/agents/runs")
async def list_runs(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    page: PageDep,
    agent_id: Id | None = None,
    state: RunState | None = None,
    mine: bool = False,
) -> PageOf[RunOut]:
    """Runs of the own divisions, the newest first; machines see their own."""
    asked_by = principal.id if mine or principal.kind == "machine" else None
    repository = RunRepository(uow.session, Vault.of(context.settings.home))
    found = await repository.runs(scope, page, agent_id=agent_id, state=state, asked_by=asked_by)
    return PageOf.of(found, [RunOut.of(run, principal) for run in found.items])


@router.get("/agents/runs/{run_id}")
async def read_run(run_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep, context: ContextDep) -> RunWithSteps:
    """A run with its trace."""
    vault = Vault.of(context.settings.home)
    run = await _run(uow, principal, scope, run_id, vault)
    steps = await RunRepository(uow.session, vault).steps(run.id)
    asked = await ApprovalRepository(uow.session, vault).of_run(run.id)
    return RunWithSteps.of(
        run,
        principal,
        steps=[StepOut.of(step, shown=shown_to(principal, run)) for step in steps],
        approvals=await _approvals(uow, principal, [each.at(service.real_now()) for each in asked], run),
    )


async def _run(uow: UnitOfWork, principal: Principal, scope: Scope, run_id: str, vault: Vault) -> Run:
    run = await service.run_of(uow, scope, run_id, vault)
    if principal.kind == "machine" and run.asked_by != principal.id:
        raise NotFound("not_found", kind="运行 run", id=run_id)
    return run


@router.post("/agents/runs/{run_id}/cancel")
async def cancel_run(run_id: Id, principal: Runner, scope: ScopeDep, uow: UowDep, context: ContextDep) -> RunOut:
    """End a run: the own, or any of the division for those who publish agents there."""
    run = await _run(uow, principal, scope, run_id, Vault.of(context.settings.home))
    if run.asked_by != principal.id:
        context.authority.require(principal, "agent.publish", Resource(run.division_code, run.unit_id))
    answer = RunOut.of(await service.cancel(uow, principal, run), principal)
    await uow.commit()
    return answer


class FeedbackIn(BaseModel):
    useful: bool
    comment: Annotated[str, Field(max_length=2000)] = ""


@router.post("/agents/runs/{run_id}/feedback")
async def give_feedback(
    run_id: Id, body: FeedbackIn, principal: Runner, scope: ScopeDep, uow: UowDep, context: ContextDep
) -> RunOut:
    """Say whether the answer was of use; it counts for the agent's quality."""
    run = await _run(uow, principal, scope, run_id, Vault.of(context.settings.home))
    told = await service.give_feedback(uow, principal, run, useful=body.useful, comment=body.comment)
    answer = RunOut.of(told, principal)
    await uow.commit()
    return answer


@router.get("/approvals")
async def list_approvals(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    page: PageDep,
    state: ApprovalState | None = None,
) -> PageOf[ApprovalOut]:
    """What agents of the own divisions ask leave for; open ones by how long they wait."""
    if principal.kind == "machine":
        return PageOf(items=[], total=0, page=page.page, size=page.size)
    deciding = context.authority.allows(
        principal, "approval.decide", Resource(principal.division_code, principal.unit_id)
    )
    vault = Vault.of(context.settings.home) if deciding else None  # who decides must see what on
    found = await ApprovalRepository(uow.session, vault).approvals(scope, state, service.real_now(), page)
    return PageOf.of(found, await _approvals(uow, principal, found.items))


async def _approvals(
    uow: UnitOfWork, principal: Principal, asked: list[Approval], run: Run | None = None
) -> list[ApprovalOut]:
    tools = (await offered(uow)).tools if asked else {}
    shown = [ApprovalOut.of(each, principal, tools.get(each.tool)) for each in asked]
    if run is not None and not shown_to(principal, run):
        shown = [each.model_copy(update={"arguments": None}) for each in shown]
    return shown


class DecisionIn(BaseModel):
    approve: bool
    reason: Annotated[str, Field(max_length=2000)] = ""


@router.post("/approvals/{approval_id}/decision")
async def decide_approval(
    approval_id: Id,
    body: DecisionIn,
    principal: Annotated[Principal, Depends(require("approval.decide"))],
    uow: UowDep,
    context: ContextDep,
) -> ApprovalOut:
    """Grant or refuse one call with exactly these arguments; nobody decides on what was asked for by themselves."""
    decided = await service.decide(
        uow,
        context.authority,
        principal,
        approval_id,
        grant=body.approve,
        reason=body.reason,
        vault=Vault.of(context.settings.home),
    )
    (answer,) = await _approvals(uow, principal, [decided])
    await uow.commit()
    return answer
