"""Calls of tools: what an agent may call, checked when it calls, and not in the model."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import Effect
from chengnao.agents.runtime import service
from chengnao.agents.runtime.evidence import Sources, evidence_in
from chengnao.agents.runtime.journal import Journal, Outcome
from chengnao.agents.runtime.model import ApprovalState, Run, Step, StepKind, digest_of
from chengnao.agents.runtime.prompt import flags_in, masked
from chengnao.agents.tools import Call, Evidence, Tool
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Forbidden
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings

WaitFor = Callable[[str], Awaitable[None]]
"""Returns once the approval of this id is decided or expired."""


class InputWrong(Exception):
    """The arguments do not fit the tool's input; the text says where."""


class Caller:
    """Calls tools for one run."""

    def __init__(
        self,
        journal: Journal,
        run: Run,
        version: AgentVersion,
        settings: Settings,
        authority: Authority,
        offered: Mapping[str, Tool[Any, Any]],
        wait_for: WaitFor,
    ) -> None:
        self._journal = journal
        self._run = run
        self._agent = version.definition
        self._settings = settings
        self._authority = authority
        self._offered = offered
        self._wait_for = wait_for
        self.sources = Sources()

    @property
    def allowed(self) -> dict[str, Tool[Any, Any]]:
        """What the agent may call: named in its definition, within its autonomy, and allowed to who asked."""
        return {name: self._offered[name] for name in self._agent.tools if self._may(self._offered.get(name))}

    def _may(self, tool: Tool[Any, Any] | None) -> bool:
        if tool is None or tool.effect not in self._agent.effects_allowed():
            return False
        principal = self._run.principal
        return self._authority.allows(principal, tool.action, Resource(principal.division_code, principal.unit_id))

    async def read(self, name: str, arguments: dict[str, Any], seconds: float) -> Step | None:
        """Call a reading tool of the definition's `context`; None where the input lacks what it needs."""
        tool = self._offered.get(name)
        if tool is None or tool.effect is not Effect.READ:
            return None
        try:
            return await self._act(tool, tool.input.model_validate(arguments), seconds, approved=False)
        except ValidationError:
            return None

    async def call(self, name: str, arguments: dict[str, Any], seconds: float) -> Step:
        """Call a tool that the model wants; raises InputWrong.

        Where the agent's autonomy asks for it, a person is asked first and waited for. In a trial nothing is done
        that has an effect.
        """
        tool = self.allowed.get(name)
        if tool is None:
            raise InputWrong(f"工具 {name} 不可用")
        try:
            given = tool.input.model_validate(arguments)
        except ValidationError as error:
            raise InputWrong(_first_faults(error)) from error
        if tool.effect is Effect.READ:
            return await self._act(tool, given, seconds, approved=False)
        if self._run.trial:
            return await self._shown(tool, given)
        if not self._agent.needs_approval(tool.effect):
            return await self._act(tool, given, seconds, approved=False)
        refusal = await self._approve(tool, given)
        return refusal or await self._act(tool, given, seconds, approved=True)

    def _digest(self, tool: Tool[Any, Any], given: BaseModel, call_id: str) -> str:
        run = self._run
        return digest_of(run.id, call_id, run.agent_id, run.version, run.digest, tool.name, _json(given))

    async def _act(self, tool: Tool[Any, Any], given: BaseModel, seconds: float, *, approved: bool) -> Step:
        call_id = self._journal.next_call
        # The approval belongs to the step before, whose call it names.
        approval_call = f"c{int(call_id[1:]) - 1}" if approved else call_id
        digest = self._digest(tool, given, approval_call)

        async def work(uow: UnitOfWork) -> Outcome:
            principal = await current(uow, self._run.principal)
            self._authority.require(principal, tool.action, Resource(principal.division_code, principal.unit_id))
            if approved:
                await service.use_approval(uow, self._run.id, approval_call, digest)
            key = f"{self._run.id}:{call_id}"
            call = Call(uow, principal, self._settings, self._run.agent_id, self._run.id, key)
            answer = _json(await tool.run(call, given))
            if tool.personal:
                answer = masked(answer)
            evidence = evidence_in(tool.name, tool.zh, call_id, answer)
            kept = {"answer": answer, "evidence": [each.model_dump() for each in evidence]}
            return Outcome(output=kept, flags=flags_in(tool.name, answer))

        step = await self._journal.act(StepKind.TOOL, tool.name, _json(given), digest, seconds, work)
        if step.output is not None:
            self.sources.add(Evidence.model_validate(each) for each in step.output.get("evidence", ()))
        return step

    async def _shown(self, tool: Tool[Any, Any], given: BaseModel) -> Step:
        call_id = self._journal.next_call

        async def work(uow: UnitOfWork) -> Outcome:
            return Outcome(output={"answer": {"trial": True, "note": "试运行：没有执行"}, "evidence": []})

        digest = self._digest(tool, given, call_id)
        return await self._journal.act(StepKind.TOOL, tool.name, _json(given), digest, 10.0, work)

    async def _approve(self, tool: Tool[Any, Any], given: BaseModel) -> Step | None:
        """Ask for leave and wait for it; the refusal where there is none."""
        call_id = self._journal.next_call
        digest = self._digest(tool, given, call_id)

        async def work() -> Outcome:
            database = self._journal.database
            async with database.unit_of_work() as uow:
                vault = Vault.of(self._settings.home)
                approval = await service.open_approval(
                    uow, self._run, call_id, tool.name, tool.effect, _json(given), digest, vault
                )
                await service.set_waiting(uow, self._run.id, waiting=True)
                await uow.commit()
            await self._wait_for(approval.id)
            async with database.unit_of_work() as uow:
                settled = await service.settle(uow, self._run.id, call_id)
                await service.set_waiting(uow, self._run.id, waiting=False)
                await uow.commit()
            decision = {
                "approval_id": settled.id,
                "state": settled.state.value,
                "decided_by_name": settled.decided_by_name,
                "reason": settled.reason,
            }
            return Outcome(output={"answer": decision, "evidence": []})

        step = await self._journal.wait(tool.name, work)
        return None if step.output["answer"]["state"] == ApprovalState.GRANTED else step


async def current(uow: UnitOfWork, principal: Principal) -> Principal:
    """The principal with the rights it has now; raises Forbidden where it has lost its account or token meanwhile."""
    repository = AccessRepository(uow.session)
    if principal.kind == "user":
        user = await repository.user(Scope(), principal.id)
        if user is not None and not user.active:
            raise Forbidden("agent_principal_gone", name=principal.name)
        return principal if user is None else user.principal
    if principal.kind == "machine":
        token = await repository.token(Scope(), principal.id)
        if token is not None and token.revoked_at is not None:
            raise Forbidden("agent_principal_gone", name=principal.name)
    return principal


def _json(value: BaseModel) -> Any:
    return value.model_dump(mode="json")


def _first_faults(error: ValidationError) -> str:
    faults = [f"{'.'.join(str(part) for part in each['loc']) or '参数'}：{each['msg']}" for each in error.errors()[:3]]
    return "；".join(faults)[:400]
