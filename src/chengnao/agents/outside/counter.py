"""What clients across the border can do, whatever protocol they speak: use agents, call tools, fetch what was waiting.

A client has the rights of whom it speaks for, and no more. A call with an effect is written down and waits for a
person; the client asks for it again until it is decided.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from chengnao.agents.catalogue.model import AgentVersion, Wanted
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.catalogue.service import usable
from chengnao.agents.model import Effect
from chengnao.agents.offered import offered
from chengnao.agents.outside.waiting import OUTSIDE_CALL, carry_out, write_down
from chengnao.agents.runtime.model import Approval, Run, RunState
from chengnao.agents.runtime.prompt import masked
from chengnao.agents.runtime.repository import ApprovalRepository
from chengnao.agents.runtime.service import cancel, real_now, run_of, start_run
from chengnao.agents.tools import Call, Tool
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings

AGENTS_AT_MOST = 200
WAIT_SECONDS = 45.0
"""How long an answer is waited for before the client is told to come back: clients give up after a minute."""

_TOOL_SECONDS = 30.0


def shown_name(tool: Tool[Any, Any]) -> str:
    """The name of a tool for clients, some of which take no dots in names."""
    return tool.name.replace(".", "_")


@dataclass(frozen=True)
class Told:
    """A run as its client is told of it."""

    run: Run
    approvals: list[Approval]

    def to_dict(self) -> dict[str, Any]:
        """`state` waiting: a person decides on the approvals; ask again by `id`."""
        run = self.run
        return {
            "id": run.id,
            "state": run.state.value,
            "result": run.result,
            "evidence": run.evidence,
            "confidence": run.confidence,
            "by": None if run.by is None else run.by.value,
            "handed_to": run.role,
            "ai_label": run.ai_label,
            "trace_id": run.trace_id,
            "error": run.error,
            "approvals": [
                {
                    "id": each.id,
                    "tool": each.tool,
                    "effect": each.effect.value,
                    "arguments": each.arguments,
                    "state": each.state.value,
                    "expires_at": each.expires_at.isoformat(),
                }
                for each in self.approvals
            ],
        }


class Counter:
    """Serves clients of one installation."""

    def __init__(self, database: Database, settings: Settings, authority: Authority) -> None:
        self._database = database
        self._settings = settings
        self._authority = authority
        self._vault = Vault.of(settings.home)

    def may(self, principal: Principal, action: str) -> bool:
        own = Resource(principal.division_code, principal.unit_id)
        return self._authority.allows(principal, action, own)

    async def agents(self, principal: Principal) -> list[AgentVersion]:
        """The versions in use of the agents that the principal may use."""
        if not self.may(principal, "agent.run"):
            return []
        async with self._database.unit_of_work() as uow:
            page = PageRequest(1, AGENTS_AT_MOST)
            found = await CatalogueRepository(uow.session).agents(principal, Wanted(published_only=True), page)
        return [each.version for each in found.items]

    async def agent(self, principal: Principal, agent_id: str) -> AgentVersion:
        """The version in use of one agent; raises NotFound where the principal may not use it."""
        self._authority.require(principal, "agent.run", Resource(principal.division_code, principal.unit_id))
        async with self._database.unit_of_work() as uow:
            return await usable(uow, principal, agent_id)

    async def tools(self, principal: Principal) -> dict[str, Tool[Any, Any]]:
        """The platform's own tools that the principal may use, by name; those of outside servers are not passed on."""
        async with self._database.unit_of_work() as uow:
            found = (await offered(uow)).tools
        own = {name: tool for name, tool in sorted(found.items()) if not name.startswith("mcp.")}
        allowed = {action for action in {tool.action for tool in own.values()} if self.may(principal, action)}
        return {name: tool for name, tool in own.items() if tool.action in allowed}

    async def tool(self, principal: Principal, shown: str) -> Tool[Any, Any]:
        """The tool that clients know by this name; raises NotFound where the principal may not use it."""
        async with self._database.unit_of_work() as uow:
            found = (await offered(uow)).tools
        tool = next((each for each in found.values() if shown_name(each) == shown), None)
        if tool is None or tool.name.startswith("mcp.") or not self.may(principal, tool.action):
            raise NotFound("outside_unknown", name=shown[:100])
        return tool

    async def ask(
        self,
        principal: Principal,
        agent_id: str,
        given: dict[str, Any],
        *,
        key: str | None = None,
        seconds: float = WAIT_SECONDS,
    ) -> Told:
        """Run an agent; what is told after so many seconds may still be under way. A `key` that came before gives the
        run that it started. Raises NotFound, Invalid."""
        version = await self.agent(principal, agent_id)
        async with self._database.unit_of_work() as uow:
            run = await start_run(uow, principal, version, given, key=key)
            if (run.agent_id, run.input) != (agent_id, given):
                raise Conflict("idempotency_key_reused", key=key)
            await uow.commit()
        return await self.wait(principal, run.id, seconds)

    async def wait(self, principal: Principal, run_id: str, seconds: float) -> Told:
        """The run once it has ended or waits for a person, or as it is after so many seconds; raises NotFound."""
        ends = asyncio.get_running_loop().time() + seconds
        pause = 0.05
        while True:
            told = await self.told(principal, run_id)
            settled = told.run.state.ended or told.run.state is RunState.WAITING
            if settled or asyncio.get_running_loop().time() >= ends:
                return told
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def told(self, principal: Principal, run_id: str) -> Told:
        """A run that the principal asked for; a call that was waiting is carried out now where leave was given.

        Raises NotFound for a run of anybody else.
        """
        async with self._database.unit_of_work() as uow:
            run = await run_of(uow, Scope(), run_id, self._vault)
            if run.asked_by != principal.id:
                raise NotFound("not_found", kind="运行 run", id=run_id)
            asked = await ApprovalRepository(uow.session).of_run(run_id)
            now = real_now()
            if run.agent_id != OUTSIDE_CALL:
                return Told(run, [each.at(now) for each in asked])
            tools = (await offered(uow)).tools
            run, asked = await carry_out(uow, self._settings, self._authority, run, tools)
            await uow.commit()
        return Told(run, asked)

    async def cancel(self, principal: Principal, run_id: str) -> Told:
        """End a run of one's own; raises NotFound, Conflict."""
        async with self._database.unit_of_work() as uow:
            run = await run_of(uow, Scope(), run_id, self._vault)
            if run.asked_by != principal.id:
                raise NotFound("not_found", kind="运行 run", id=run_id)
            await cancel(uow, principal, run)
            await uow.commit()
        return await self.wait(principal, run_id, 5.0)

    async def call(
        self, principal: Principal, tool: Tool[Any, Any], arguments: Mapping[str, Any], *, key: str | None = None
    ) -> dict[str, Any]:
        """What a tool answers; of a call with an effect, that it waits for a person.

        Raises Invalid for arguments that do not fit.
        """
        self._authority.require(principal, tool.action, Resource(principal.division_code, principal.unit_id))
        try:
            given: BaseModel = tool.input.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(each) for each in first["loc"]) or "arguments"
            raise Invalid("invalid_request", field=field, reason=first["msg"]) from error
        if tool.effect is not Effect.READ:
            async with self._database.unit_of_work() as uow:
                run_id = await write_down(uow, principal, tool, given.model_dump(mode="json"), key)
                await uow.commit()
            return (await self.told(principal, run_id)).to_dict()
        return await self._read(principal, tool, given)

    async def _read(self, principal: Principal, tool: Tool[Any, Any], given: BaseModel) -> dict[str, Any]:
        call_id = f"outside-{new_id()}"
        try:
            async with asyncio.timeout(_TOOL_SECONDS), self._database.unit_of_work() as uow:
                call = Call(uow, principal, self._settings, OUTSIDE_CALL, call_id, call_id)
                answer = (await tool.run(call, given)).model_dump(mode="json")
                await uow.commit()
        except TimeoutError as error:
            raise Unavailable("outside_slow", name=tool.name) from error
        shown: dict[str, Any] = masked(answer) if tool.personal else answer
        return shown
