"""The YAML of an agent, in and out: read with the line of each problem, written so that reading gives the same back."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import yaml
from pydantic import ValidationError

from chengnao.agents.catalogue.model import Checked, Problem
from chengnao.agents.model import Agent

SIZE_LIMIT = 256 * 1024
"""Bytes of a YAML text; the longest allowed instructions take a quarter of it."""


class _Loader(yaml.SafeLoader):
    """YAML of plain values: no anchors, no dates, no yes and no, no numbers to the base of sixty."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchor", problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+0123456789."),
    ("null", r"~|null|", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    plain = "\n" in value and not any(line != line.rstrip() for line in value.split("\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if plain else None)


_Dumper.add_representer(str, _text)


def read_yaml(text: str, judge: Callable[[Agent], list[Problem]] = lambda definition: []) -> Checked:
    """The definition that the text holds, or every problem found in it, each with its line.

    `judge` adds what it finds wrong in a definition that could be read.
    """
    if len(text.encode(errors="replace")) > SIZE_LIMIT:
        return Checked(None, [_too_long()])
    try:
        node, value = _parsed(text)
        repeated = list(_repeated(node))
        checked = Checked(None, repeated) if repeated else read_object(value)
    except yaml.MarkedYAMLError as error:
        return Checked(None, [_unreadable(error)])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        zh, en = f"YAML 无法读取：{_short(error)}", f"The YAML cannot be read: {_short(error)}"
        return Checked(None, [Problem("", zh, en, 1)])
    found = checked.problems
    if checked.definition is not None:
        found = judge(checked.definition)
    placed = [replace(each, line=each.line or _line(node, each.path)) for each in found]
    return Checked(checked.definition, placed)


def _parsed(text: str) -> tuple[yaml.Node, Any]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ValueError("empty")
        return node, loader.construct_document(node)
    finally:
        loader.dispose()


def read_plain(text: str) -> Any:
    """The plain values of any YAML text that this platform ships; raises ValueError."""
    try:
        return _parsed(text)[1]
    except yaml.YAMLError as error:
        raise ValueError(_short(error)) from error


def read_object(value: Any) -> Checked:
    """The same for a definition that comes as plain values."""
    if not isinstance(value, dict):
        zh = "定义应为键值表，以 id、name、purpose 等开头。"
        return Checked(None, [Problem("", zh, "A definition is a mapping: id, name, purpose and so on.", 1)])
    try:
        if len(orjson.dumps(value)) > SIZE_LIMIT:
            return Checked(None, [_too_long()])
        return Checked(Agent.model_validate(value))
    except ValidationError as error:
        return Checked(None, _problems(error, value))
    except (orjson.JSONEncodeError, RecursionError) as error:
        return Checked(None, [Problem("", f"定义无法读取：{_short(error)}", f"It cannot be read: {_short(error)}")])


def canonical(definition: Agent) -> dict[str, Any]:
    """The whole definition as plain values, defaults written out, so that a later default does not change it."""
    return definition.model_dump(mode="json", by_alias=True)


def digest(definition: Agent) -> str:
    """What tells one definition from another, whatever its text looked like.

    The order of properties counts: a model writes its answer in that order.
    """
    return hashlib.sha256(orjson.dumps(canonical(definition))).hexdigest()


def write_yaml(definition: Agent) -> str:
    """The definition as its YAML text; what has its default is left out. `read_yaml` gives the same definition back."""
    value = definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)


def _too_long() -> Problem:
    kib = SIZE_LIMIT // 1024
    return Problem("", f"定义过长：不应超过 {kib} KiB。", f"The definition is too long: {kib} KiB are the limit.")


def _unreadable(error: yaml.MarkedYAMLError) -> Problem:
    line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
    if error.problem == "anchor":
        zh = "不支持锚点和引用（& 与 *）：请写出完整内容。"
        return Problem("", zh, "Anchors and references (& and *) are not taken: write it out.", line)
    what = error.problem or _short(error)
    return Problem("", f"YAML 语法错误：{what}。", f"The YAML does not parse: {what}.", line)


def _short(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _repeated(node: yaml.Node, path: str = "") -> Iterator[Problem]:
    """Keys that are given twice: YAML would silently take the last."""
    if isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _repeated(each, f"{path}.{number}".lstrip("."))
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = f"{path}.{key.value}".lstrip(".")
            if key.value in seen:
                line = key.start_mark.line + 1
                yield Problem(name, "这一项写了两次，请只保留一次。", "It is given twice; keep one.", line)
            seen.add(key.value)
            yield from _repeated(value, name)


def _line(node: yaml.Node, path: str) -> int:
    """The line of the node that the path leads to, or of the last one on the way that is there."""
    line = node.start_mark.line + 1
    for name in filter(None, path.split(".")):
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == name), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
            node = node.value[int(name)]
            line = node.start_mark.line + 1
        else:
            return line
    return line


_TEXTS: Mapping[str, tuple[str, str]] = {
    "missing": ("缺少这一项，请补上。", "It is missing; add it."),
    "extra_forbidden": ("没有这一项，请检查拼写。", "There is no such entry; check its spelling."),
    "string_too_short": ("不能为空，至少 {min_length} 个字符。", "It must have at least {min_length} characters."),
    "string_too_long": ("过长：至多 {max_length} 个字符。", "It is too long: {max_length} characters are the limit."),
    "string_type": ("应为文字；像数字的文字请加引号。", "It must be text; put what looks like a number in quotes."),
    "string_pattern_mismatch": ("写法不对，应符合 {pattern}。", "It must match {pattern}."),
    "enum": ("只能是 {expected} 之一。", "It must be one of {expected}."),
    "literal_error": ("只能是 {expected} 之一。", "It must be one of {expected}."),
    "greater_than": ("应大于 {gt}。", "It must be greater than {gt}."),
    "greater_than_equal": ("不应小于 {ge}。", "It must be at least {ge}."),
    "less_than_equal": ("不应大于 {le}。", "It must be at most {le}."),
    "int_type": ("应为整数。", "It must be a whole number."),
    "int_parsing": ("应为整数。", "It must be a whole number."),
    "int_from_float": ("应为整数。", "It must be a whole number."),
    "float_type": ("应为数字。", "It must be a number."),
    "float_parsing": ("应为数字。", "It must be a number."),
    "finite_number": ("应为有限的数字。", "It must be a finite number."),
    "dict_type": ("应为键值表。", "It must be a mapping."),
    "model_type": ("应为键值表。", "It must be a mapping."),
    "tuple_type": ("应为列表。", "It must be a list."),
}
_VALUE_TEXTS = {
    "give either rule or human": "rule 与 human 只填一个，且必须填一个。",
    "lower-case letters, digits and single hyphens, such as drain-inspection": (
        "只能用小写字母、数字和单个连字符，如 drain-inspection。"
    ),
    "a JSON schema with type: object and properties": "应为 JSON Schema，且含 type: object 和 properties。",
    "a tool is named twice": "同一个工具写了两次。",
}


def _problems(error: ValidationError, value: Any) -> list[Problem]:
    found: dict[str, Problem] = {}
    for each in error.errors():
        path = _path(each["loc"], value)
        known = _TEXTS.get(each["type"])
        if known is not None:
            zh, en = (text.format_map(each.get("ctx", {})) for text in known)
        else:
            en = each["msg"].removeprefix("Value error, ")
            zh = _VALUE_TEXTS.get(en, en)
        found.setdefault(path, Problem(path, zh, en))
    return list(found.values())


def _path(loc: tuple[int | str, ...], value: Any) -> str:
    """The names that stand in the text; those of the alternatives that were tried are left out."""
    names: list[str] = []
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(value, Mapping) and (part in value or (last and isinstance(part, str) and "[" not in part)):
            names.append(str(part))
            value = value.get(str(part))
        elif isinstance(value, list | tuple) and isinstance(part, int):
            names.append(str(part))
            value = value[part] if part < len(value) else None
    return ".".join(names)
