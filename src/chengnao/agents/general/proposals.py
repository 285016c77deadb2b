"""A rule as a tool: what code found and reckoned stands before the model, which confirms it, mends it, and words it."""

from typing import Any

from pydantic import BaseModel

from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, Evidence, Rule, Tool


class Proposal(BaseModel):
    """What the rule answers, and what it rests on."""

    result: dict[str, Any]
    evidence: list[Evidence]


def proposing(
    name: str, zh: str, description: str, action: str, input: type[BaseModel], rule: Rule, *, personal: bool = False
) -> Tool[Any, Any]:
    """A reading tool that gives what the rule answers; what the input leaves out, the rule does not see."""

    async def run(call: Call, given: BaseModel) -> Proposal:
        answer = await rule.run(call, given.model_dump(exclude_none=True))
        return Proposal(result=answer.result, evidence=answer.evidence)

    return Tool(name, zh, description, Effect.READ, action, input, Proposal, run, personal)
