"""Agents, tools and people for tests of the agent catalogue and what runs on it."""

from typing import Any

from pydantic import BaseModel

from chengnao.agents.model import Agent, Effect
from chengnao.agents.offered import Offered
from chengnao.agents.tools import Answer, Call, Rule, Tool
from chengnao.kernel.access.model import Principal, Role

DISTRICT, OTHER = "500103", "500108"


class Nothing(BaseModel):
    pass


class Asked(BaseModel):
    text: str = ""


class Said(BaseModel):
    text: str


async def _echo(call: Call, asked: Asked) -> Said:
    return Said(text=asked.text)


async def _rule(call: Call, values: dict[str, Any]) -> Answer:
    return Answer(result={"text": str(values.get("text", ""))}, confidence=0.9)


READS = Tool("test.read", "读", "Reads.", Effect.READ, "incident.read", Asked, Said, _echo)
WRITES = Tool("test.write", "写", "Writes.", Effect.WRITE, "incident.note", Asked, Said, _echo)
SENDS = Tool("test.send", "发", "Sends.", Effect.OUTWARD, "incident.note", Asked, Said, _echo)
OFFERED = Offered({each.name: each for each in (READS, WRITES, SENDS)}, {"test.rule": Rule("test.rule", "规则", _rule)})


def definition(agent_id: str = "drain-inspection", **changes: Any) -> Agent:
    """A small agent that answers with the text it is given."""
    values: dict[str, Any] = {
        "id": agent_id,
        "name": {"zh": "排水巡查助手", "en": "Drain inspection"},
        "purpose": "按巡查记录提出清淤建议",
        "kind": "scenario",
        "capability": "judgement",
        "instructions": "阅读巡查记录，\n给出建议。",
        "input": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "output": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "tools": ["test.read"],
        "evidence": "optional",
        "fallback": {"rule": "test.rule"},
    }
    return Agent.model_validate(values | changes)


def person(
    role: Role = Role.DEVELOPER, unit: str | None = "unit-a", division: str = DISTRICT, name: str = ""
) -> Principal:
    """Somebody of the role in the unit."""
    known = name or f"{role}-{unit or division}"
    return Principal(known, known, "user", frozenset({role}), division, unit)
