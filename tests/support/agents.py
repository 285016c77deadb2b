"""Agents for tests: a definition that is easily varied, tools that leave traces to count, something that runs them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import text

from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import Agent, Effect
from chengnao.agents.offered import Offered
from chengnao.agents.runtime.executor import Runs
from chengnao.agents.runtime.loop import Loop
from chengnao.agents.runtime.model import Run
from chengnao.agents.runtime.service import finished, start_run
from chengnao.agents.tools import Answer, Call, Evidence, Rule, Tool
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Conflict
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.models.client import ModelClient

EFFECTS = "CREATE TABLE IF NOT EXISTS effects (key text, run_id text, words text)"


class Question(BaseModel):
    words: str = Field(min_length=1, max_length=100)


class Paper(BaseModel):
    id: str
    title: str
    text: str


class Papers(BaseModel):
    items: list[Paper]


class Noted(BaseModel):
    number: int


PAPERS = [
    Paper(id="doc-1", title="城市供水条例", text="水压低于 0.14 兆帕的，供水企业应当在两小时内到场处置。"),
    Paper(id="doc-2", title="市容管理办法", text="井盖缺失应当立即设置警示标志。联系人张伟，电话13812345678。"),
]


async def _search(call: Call, given: Question) -> Papers:
    return Papers(items=[each for each in PAPERS if given.words in each.text] or PAPERS[:1])


async def pause() -> None:
    """Comes before and after the effect of a tool; a test may make it longer."""


async def _note(call: Call, given: Question) -> Noted:
    await pause()
    await call.uow.session.execute(
        text("INSERT INTO effects VALUES (:key, :run, :words)"),
        {"key": call.key, "run": call.run_id, "words": given.words},
    )
    count = await call.uow.session.scalar(text("SELECT count(*) FROM effects"))
    await pause()
    return Noted(number=count)


async def _fails(call: Call, given: Question) -> Noted:
    await _note(call, given)
    raise Conflict("agent_run_ended", id="x", state="已完成", state_en="done")


async def _breaks(call: Call, given: Question) -> Noted:
    await _note(call, given)
    raise RuntimeError("a fault of the tool")


async def _by_rule(call: Call, given: dict[str, Any]) -> Answer:
    return Answer(result={"advice": f"按规则处理：{given['text'][:20]}"}, confidence=0.5)


async def _wrong_rule(call: Call, given: dict[str, Any]) -> Answer:
    return Answer(result={"nothing": 1}, evidence=[Evidence(kind="rule", id="x", title="x")])


def _tool(name: str, effect: Effect, action: str, output: type[BaseModel], run: Any, **options: Any) -> Tool[Any, Any]:
    return Tool(name, f"测试{name}", f"测试用：{name}", effect, action, Question, output, run, **options)


TOOLS: dict[str, Tool[Any, Any]] = {
    each.name: each
    for each in (
        _tool("papers.search", Effect.READ, "incident.read", Papers, _search, personal=True),
        _tool("papers.audit", Effect.READ, "audit.read", Papers, _search),
        _tool("desk.note", Effect.WRITE, "incident.note", Noted, _note),
        _tool("desk.fails", Effect.WRITE, "incident.note", Noted, _fails),
        _tool("desk.breaks", Effect.WRITE, "incident.note", Noted, _breaks),
        _tool("citizen.answer", Effect.OUTWARD, "incident.note", Noted, _note),
    )
}
RULES = {
    each.name: each for each in (Rule("advice.rule", "测试规则", _by_rule), Rule("advice.wrong", "坏", _wrong_rule))
}


def definition(**changes: Any) -> Agent:
    """An agent that gives advice on a text; `changes` replace what it is made of."""
    value: dict[str, Any] = {
        "id": "test-advice",
        "name": {"zh": "建议", "en": "Advice"},
        "purpose": {"zh": "给出处置建议", "en": "Advise"},
        "kind": "general",
        "capability": "judgement",
        "instructions": "阅读诉求，给出处置建议。",
        "input": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "output": {
            "type": "object",
            "properties": {"advice": {"type": "string", "minLength": 1}},
            "required": ["advice"],
            "additionalProperties": False,
        },
        "tools": ["papers.search", "desk.note"],
        "autonomy": "act",
        "limits": {"tokens": 20_000, "seconds": 30, "money": 1, "steps": 6},
        "fallback": {"rule": "advice.rule"},
    }
    return Agent.model_validate(value | changes)


def draft(agent: Agent) -> AgentVersion:
    """The definition as a draft, which needs no catalogue."""
    now = datetime(2026, 11, 25, tzinfo=UTC)
    return AgentVersion(agent.id, 0, digest(agent), agent, "500000", None, "tests", "测试", now, "")


def calls(tool: str, **arguments: Any) -> dict[str, Any]:
    """What a scripted model says to call a tool."""
    return {"next": tool, "arguments": arguments}


def answers(advice: str, *evidence: str, confidence: float = 0.8) -> dict[str, Any]:
    """What a scripted model says to answer."""
    return {"next": "answer", "answer": {"advice": advice}, "evidence": list(evidence), "confidence": confidence}


class Bureau:
    """Runs agents within the test's own process."""

    def __init__(self, database: Database, settings: Settings, runs: Runs) -> None:
        self.database = database
        self.settings = settings
        self.runs = runs

    async def start(self, agent: Agent, who: Principal, words: str = "水压很低", **options: Any) -> Run:
        async with self.database.unit_of_work() as uow:
            run = await start_run(uow, who, draft(agent), {"text": words}, **options)
            await uow.commit()
        return run

    async def ended(self, run: Run, seconds: float = 20.0) -> Run:
        return await finished(self.database, run.id, seconds, Vault.of(self.settings.home))

    async def ask(self, agent: Agent, who: Principal, words: str = "水压很低", **options: Any) -> Run:
        return await self.ended(await self.start(agent, who, words, **options))

    async def effects(self) -> list[str]:
        async with self.database.unit_of_work() as uow:
            return list((await uow.session.scalars(text("SELECT words FROM effects"))).all())


@asynccontextmanager
async def bureau(
    database: Database,
    settings: Settings,
    tools: Mapping[str, Tool[Any, Any]] = TOOLS,
    rules: Mapping[str, Rule] = RULES,
) -> AsyncIterator[Bureau]:
    """A process that runs agents, without being one of its own."""
    async with database.unit_of_work() as uow:
        await uow.session.execute(text(EFFECTS))
        await uow.commit()

    async def offer(uow: UnitOfWork) -> Offered:
        return Offered(tools, rules)

    async with ModelClient(settings) as client:
        runs = Runs(database, Loop(database, settings, Authority.load(), client, offer))
        await runs.launch()
        working = asyncio.create_task(runs.run())
        try:
            yield Bureau(database, settings, runs)
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            await runs.close()
