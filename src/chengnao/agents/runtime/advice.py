"""What is not wrong in a definition but will disappoint, and the name that was probably meant. Pure."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from chengnao.agents.catalogue.model import Problem
from chengnao.agents.model import Agent, Effect

_SMALL_TOKENS = 1_000


def meant(name: str, known: Collection[str]) -> str | None:
    """The known name that this one is most like."""
    near = get_close_matches(name, known, 1, 0.5)
    return near[0] if near else None


def warnings(definition: Agent, effects: dict[str, Effect], routes: Collection[str]) -> list[Problem]:
    """Places that are worth a second look; `effects` are those of the tools that are known."""
    return list(_warnings(definition, effects, routes))


def _warnings(definition: Agent, effects: dict[str, Effect], routes: Collection[str]) -> Iterator[Problem]:
    reading = [name for name in definition.tools if effects.get(name, Effect.READ) is Effect.READ]
    if definition.evidence == "required" and not reading and not definition.context:
        yield Problem(
            "evidence",
            "要求证据，却没有只读工具也没有 context：模型永远无依据可引，总由备用规则或人答复。",
            "Evidence is required, but there is neither a reading tool nor context: a model will never have anything "
            "to cite, and the fallback always answers.",
        )
    if definition.fallback.human is not None:
        yield Problem(
            "fallback.human",
            "备用方式是转人工：模型停用时这个智能体给不出任何结果。如有可用规则，请改用 fallback.rule。",
            "The fallback is a person: with the models off this agent gives no result by itself. Name a rule "
            "(fallback.rule) if there is one.",
        )
    if definition.model.route not in routes:
        near = meant(definition.model.route, routes)
        yield Problem(
            "model.route",
            f"新装的平台没有通道 {definition.model.route}"
            + (f"，是否指 {near}？" if near else "：请确认网关中已配置。"),
            f"A new installation has no route {definition.model.route}"
            + (f"; did you mean {near}?" if near else ": see that the gateway has it."),
        )
    if definition.limits.tokens < _SMALL_TOKENS:
        yield Problem(
            "limits.tokens",
            f"词元上限 {definition.limits.tokens} 过小：提示词本身通常就要数百个，多半会直接转备用方式。",
            f"{definition.limits.tokens} tokens are few: a prompt alone takes hundreds, so the fallback will mostly "
            "answer.",
        )
    if definition.tools and definition.limits.steps < 2:
        yield Problem(
            "limits.steps",
            "只允许 1 步却有工具：调用工具后就没有作答的机会。请至少设为 2。",
            "One step, but there are tools: after a call there is none left to answer. Allow at least 2.",
        )
    if definition.evals is None:
        yield Problem(
            "evals",
            "没有测评集：发布时无法说明质量。请从实际案例建立一个。",
            "There is no evaluation set: nothing tells of its quality when it is published. Make one from cases.",
        )
