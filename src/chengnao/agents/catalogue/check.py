"""Whether a definition fits what the platform offers: its tools, rules, roles and schemas."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from chengnao.agents.catalogue.model import Problem
from chengnao.agents.model import Agent, Effect
from chengnao.agents.tools import Rule, Tool
from chengnao.kernel.access.model import PERSON_ROLES

RESERVED = frozenset({"check", "runs", "evals", "tools", "rules", "approvals", "servers", "usage"})
"""Words that stand where an agent's id stands in addresses."""


def problems(definition: Agent, tools: Mapping[str, Tool[Any, Any]], rules: Mapping[str, Rule]) -> list[Problem]:
    """Everything that would keep the definition from running."""
    found = list(_names(definition))
    found += _tools(definition, tools)
    found += _context(definition, tools)
    found += _fallback(definition, rules)
    for field in ("input", "output"):
        found += _schema(field, getattr(definition, field))
    return found


def _names(definition: Agent) -> Iterator[Problem]:
    if definition.id in RESERVED:
        yield Problem("id", "这个词是系统地址，请换一个编号。", "This word is part of an address; choose another id.")


def _tools(definition: Agent, tools: Mapping[str, Tool[Any, Any]]) -> Iterator[Problem]:
    for number, name in enumerate(definition.tools):
        tool = tools.get(name)
        if tool is None:
            yield _unknown_tool(f"tools.{number}", name)
        elif tool.effect not in definition.effects_allowed():
            yield Problem(
                f"tools.{number}",
                f"工具 {name} 会产生影响（{tool.effect}），自主程度为 {definition.autonomy} 时不可用：请去掉它，"
                "或改为 act_with_approval。",
                f"Tool {name} has an effect ({tool.effect}), which autonomy {definition.autonomy} does not allow: "
                "leave it out, or choose act_with_approval.",
            )


def _context(definition: Agent, tools: Mapping[str, Tool[Any, Any]]) -> Iterator[Problem]:
    known = definition.input["properties"]
    for number, call in enumerate(definition.context):
        path = f"context.{number}"
        tool = tools.get(call.tool)
        if tool is None:
            yield _unknown_tool(f"{path}.tool", call.tool)
        elif tool.effect is not Effect.READ:
            zh = f"工具 {call.tool} 会产生影响，不能放在 context 中。"
            yield Problem(f"{path}.tool", zh, f"Tool {call.tool} has an effect and cannot stand in context.")
        for name, value in call.arguments.items():
            asked = value[7:-1] if isinstance(value, str) and value.startswith("{input.") and value[-1] == "}" else None
            if asked is not None and asked not in known:
                zh = f"输入中没有 {asked}：请改正，或加入 input.properties。"
                en = f"The input has no {asked}: correct it, or add it to input.properties."
                yield Problem(f"{path}.with.{name}", zh, en)


def _unknown_tool(path: str, name: str) -> Problem:
    zh = f"没有工具 {name}：请从工具清单中选择。"
    return Problem(path, zh, f"There is no tool {name}: choose from the list of tools.")


def _fallback(definition: Agent, rules: Mapping[str, Rule]) -> Iterator[Problem]:
    rule, human = definition.fallback.rule, definition.fallback.human
    if rule is not None and rule not in rules:
        zh = f"没有规则 {rule}：请从规则清单中选择，或改为由人处理（human）。"
        en = f"There is no rule {rule}: choose from the list of rules, or name a role of people (human)."
        yield Problem("fallback.rule", zh, en)
    if human is not None and human not in PERSON_ROLES:
        known = sorted(PERSON_ROLES)
        yield Problem(
            "fallback.human",
            f"没有角色 {human}：可选 {'、'.join(known)}。",
            f"There is no role {human}: choose from {', '.join(known)}.",
        )


def _schema(field: str, schema: dict[str, Any]) -> Iterator[Problem]:
    # Imported here: it takes a tenth of a second that no other part of the platform needs.
    jsonschema = import_module("jsonschema")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except (jsonschema.SchemaError, RecursionError) as error:
        text = str(getattr(error, "message", error))[:200]
        path = ".".join([field, *(str(each) for each in getattr(error, "path", ()))])
        yield Problem(path, f"不是有效的 JSON Schema：{text}", f"It is no valid JSON schema: {text}")
        return
    for path, target in _references(field, schema):
        if not target.startswith("#"):
            zh = f"不能引用外部的 Schema（{target}）：请写在本文件内。"
            yield Problem(path, zh, f"A schema outside ({target}) cannot be referred to: write it in this file.")


def _references(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                yield f"{path}.$ref", each
            yield from _references(f"{path}.{key}", each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _references(f"{path}.{number}", each)
