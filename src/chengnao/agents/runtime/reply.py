"""What a model is asked to answer with, and what is made of it: a call, an answer, or the fault to name.

Small models call tools as text, never in the API's own way, so a schema offers either a call or the answer.
"""

import json
import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from chengnao.agents.runtime.schema import first_fault, plain
from chengnao.agents.tools import Tool

TEXT_LIMIT = 20_000
"""Characters; a longer answer is none."""

ANSWER = "answer"
_FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*\n?|\n?\s*```\s*$")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")


@dataclass(frozen=True)
class Wanted:
    """A tool that the model wants called."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Given:
    """The model's answer, before it is checked."""

    result: dict[str, Any]
    evidence: list[str]
    confidence: float


@dataclass(frozen=True)
class Wrong:
    """Why the answer cannot be used; `text` is told to the model."""

    code: str
    text: str


def answer_schema(output: dict[str, Any], evidence: list[str], *, required: bool) -> dict[str, Any]:
    """The schema of an answer: the agent's output first, as a model writes in the order of properties."""
    cited: dict[str, Any] = {"type": "array", "maxItems": min(8, len(evidence))}
    if evidence:
        cited |= {"items": {"type": "string", "enum": evidence}, "minItems": 1 if required else 0}
    properties = {
        ANSWER: plain(output),
        "evidence": cited,
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def reply_schema(
    output: dict[str, Any], tools: dict[str, Tool[Any, Any]], evidence: list[str], *, required: bool
) -> dict[str, Any]:
    """The schema of one reply: a call of one of the tools, or the answer."""
    answer = answer_schema(output, evidence, required=required)
    if not tools:
        return answer
    choices = []
    for name, tool in tools.items():
        properties = {"next": {"type": "string", "enum": [name]}, "arguments": plain(tool.input.model_json_schema())}
        choices.append(_object(properties))
    if evidence or not required:
        choices.append(_object({"next": {"type": "string", "enum": [ANSWER]}, **answer["properties"]}))
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def read_reply(text: str, tools: dict[str, Tool[Any, Any]]) -> Wanted | Given | Wrong:
    """What the model's text says."""
    if not text.strip():
        return Wrong("empty", "回答为空。请输出 JSON 对象。")
    if len(text) > TEXT_LIMIT:
        return Wrong("too_long", f"回答过长（{len(text)} 字）。请只输出简短的 JSON 对象。")
    value = _parsed(text)
    if isinstance(value, Wrong):
        return value
    step = value.get("next", ANSWER)
    if step != ANSWER:
        if not tools or step not in tools:
            near = get_close_matches(str(step), [*tools, ANSWER], 1, 0.4)
            hint = f"是否指 {near[0]}？" if near else f"只能选：{'、'.join([*tools, ANSWER])}。"
            return Wrong("unknown_tool", f"没有名为“{str(step)[:60]}”的工具。{hint}")
        arguments = value.get("arguments")
        return Wanted(step, arguments if isinstance(arguments, dict) else {})
    result = value.get(ANSWER, {key: each for key, each in value.items() if key not in ("evidence", "confidence")})
    if not isinstance(result, dict):
        return Wrong("not_object", "answer 应为 JSON 对象。")
    return Given(result, _strings(value.get("evidence")), _confidence(value.get("confidence")))


def _parsed(text: str) -> dict[str, Any] | Wrong:
    plain_text = _FENCE.sub("", text.strip())
    start = plain_text.find("{")
    if start < 0:
        return Wrong("not_json", "回答不是 JSON。请只输出一个 JSON 对象，不加解释。")
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(plain_text, start)
    except json.JSONDecodeError as error:
        if error.pos >= len(plain_text) - 1 or "Unterminated" in error.msg:
            return Wrong("half_json", "JSON 没有写完。请写得更短，并输出完整的 JSON 对象。")
        return Wrong("not_json", f"JSON 在第 {error.pos} 个字符处有误。请输出一个正确的 JSON 对象。")
    except RecursionError:
        return Wrong("not_json", "JSON 嵌套过深。请输出一个简单的 JSON 对象。")
    return value if isinstance(value, dict) else Wrong("not_object", "应输出 JSON 对象。")


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each)[:200] for each in value[:50] if isinstance(each, str | int)] if isinstance(value, list) else []


def _confidence(value: Any) -> float:
    sound = isinstance(value, int | float) and not math.isnan(value)
    return min(1.0, max(0.0, float(value))) if sound else 0.0


def wrong_result(result: dict[str, Any], output: dict[str, Any], *, chinese: bool) -> Wrong | None:
    """Why the result cannot be shown: it does not fit the agent's output, or is in another language."""
    if fault := first_fault(result, output, TEXT_LIMIT):
        return Wrong("does_not_fit", f"answer 的“{fault.path}”不符合要求：{fault.text}")
    if chinese and _foreign(result):
        return Wrong("other_language", "请用中文作答。")
    return None


def _foreign(result: Any) -> bool:
    """Whether the free text in it is clearly not Chinese."""
    text = "".join(_texts(result))
    letters = sum(each.isalpha() for each in text)
    return letters >= 24 and (len(_CHINESE.findall(text)) < letters / 5 or len(_KANA.findall(text)) > letters / 5)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if " " in value.strip() or _CHINESE.search(value) or len(value) > 40 else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each)]
