"""The YAML of an agent: problems by path and line, and a text that gives the same definition back."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import digest, read_object, read_yaml, write_yaml
from chengnao.agents.catalogue.model import Problem
from chengnao.agents.model import Agent
from tests.support.workshop import OFFERED, definition

GOOD = """\
id: drain-inspection
name: {zh: 排水巡查助手, en: Drain inspection}
purpose: 按巡查记录提出清淤建议
kind: scenario
capability: judgement
instructions: |
  阅读巡查记录，
  给出建议。
input:
  type: object
  properties:
    text: {type: string}
    day: {type: string}
  required: [text]
output:
  type: object
  properties:
    text: {type: string, enum: ["12:30", "no", "2026-01-01"]}
tools: [test.read]
context:
  - tool: test.read
    with: {text: "{input.text}"}
limits: {tokens: 500, seconds: 20}
evals: {set: drain-cases, pass_mark: 0.8}
fallback: {rule: test.rule}
"""


def found(text: str) -> list[Problem]:
    return read_yaml(text, lambda each: problems(each, OFFERED.tools, OFFERED.rules)).problems


def test_a_good_text_is_an_agent_without_problems() -> None:
    checked = read_yaml(GOOD, lambda each: problems(each, OFFERED.tools, OFFERED.rules))
    assert checked.ok
    assert checked.definition is not None
    assert checked.definition.limits.tokens == 500
    assert checked.definition.output["properties"]["text"]["enum"] == ["12:30", "no", "2026-01-01"]


@pytest.mark.parametrize(
    ("old", "new", "path", "line"),
    [
        ("kind: scenario", "kind: sceanrio", "kind", 4),
        ("kind: scenario\n", "", "kind", 1),
        ("id: drain-inspection", "id: Drain_Inspection", "id", 1),
        ("id: drain-inspection", "id: runs", "id", 1),
        ("name: {zh: 排水巡查助手, en: Drain inspection}", "name:\n  zh: 排水\n  en: ''", "name.en", 4),
        ("capability: judgement", "capability: gpt-4", "capability", 5),
        ("tools: [test.read]", "tools: [test.read, test.fly]", "tools.1", 19),
        ("tools: [test.read]", "tools: [test.read, test.write]", "tools.1", 19),
        ('"{input.text}"', '"{input.txet}"', "context.0.with.text", 22),
        ("tokens: 500", "tokens: 5", "limits.tokens", 23),
        ("tokens: 500", "token: 500", "limits.token", 23),
        ("fallback: {rule: test.rule}", "fallback: {rule: no.rule}", "fallback.rule", 25),
        ("fallback: {rule: test.rule}", "fallback: {human: mayor}", "fallback.human", 25),
        ("fallback: {rule: test.rule}", "fallback: {human: reporter}", "fallback.human", 25),
        ("fallback: {rule: test.rule}", "fallback: {rule: test.rule, human: verifier}", "fallback", 25),
        ("    text: {type: string}\n", "    text: {type: strnig}\n", "input.properties.text.type", 12),
        ("    day: {type: string}", "    day: {$ref: 'http://example.org/day'}", "input.properties.day.$ref", 13),
        ("kind: scenario", "kind: scenario\nkind: general", "kind", 5),
        ("purpose: 按巡查记录提出清淤建议", "purpose: [1, 2]", "purpose", 3),
    ],
)
def test_a_problem_names_its_path_its_line_and_what_to_do(old: str, new: str, path: str, line: int) -> None:
    first = found(GOOD.replace(old, new, 1))[0]
    assert (first.path, first.line) == (path, line), first
    assert first.zh.endswith(("。", "（human）。")) or "JSON Schema" in first.zh
    assert any("一" <= each <= "鿿" for each in first.zh)
    assert first.en


def test_all_problems_are_told_at_once() -> None:
    text = (
        GOOD.replace("kind: scenario", "kind: x").replace("tokens: 500", "tokens: 5").replace("id: drain", "id: Drain")
    )
    assert {each.path for each in found(text)} == {"kind", "limits.tokens", "id"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "- a\n- b",
        "just text",
        "id: [",
        "id: a\n\tname: b",
        "id: !!python/object/apply:os.system ['true']",
        "a: &x [1]\nb: *x",
        "\x00\x01",
        "id: \ud800",
        "[" * 50_000,
        "a: " + "x" * 300_000,
        "? [a, b]\n: c",
        "{}: x",
        "id: 1\n---\nid: 2",
        ".nan: 1",
    ],
)
def test_what_is_no_definition_is_refused_with_a_text_and_soon(text: str) -> None:
    began = time.monotonic()
    checked = read_yaml(text)
    assert checked.definition is None
    assert checked.problems
    assert checked.problems[0].zh
    assert time.monotonic() - began < 3


def test_a_bomb_of_references_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    began = time.monotonic()
    assert "锚点" in read_yaml("\n".join(lines)).problems[0].zh
    assert time.monotonic() - began < 1


def test_an_object_is_read_like_a_text() -> None:
    assert read_object(yaml.safe_load(GOOD)).ok
    assert read_object([1]).problems
    assert {each.path for each in read_object({"id": "abc"}).problems} >= {"name", "kind", "fallback"}


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), min_size=1, max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(
    instructions=TEXTS,
    purpose=TEXTS,
    examples=VALUES,
    words=st.lists(
        st.sampled_from(
            ["no", "yes", "on", "null", "~", "1e5", "0x1F", "010", "12:30:45", "2026-01-01", "1_000", "=", "<<"]
        )
    ),
)
def test_writing_and_reading_gives_the_same_definition(
    instructions: str, purpose: str, examples: Any, words: list[str]
) -> None:
    made = definition(
        instructions=instructions,
        purpose=purpose,
        input={"type": "object", "properties": {"text": {"enum": words, "examples": [examples]}}},
        context=[{"tool": "test.read", "with": {"text": "{input.text}"}}],
        limits={"tokens": 900},
    )
    again = read_yaml(write_yaml(made))
    assert again.problems == []
    assert again.definition == made
    assert digest(again.definition) == digest(made)


def test_the_digest_knows_the_order_of_properties_and_not_the_looks_of_the_text() -> None:
    plain = read_yaml(GOOD).definition
    spaced = read_yaml(
        GOOD.replace("tools: [test.read]", "tools:\n  # 只读\n  - test.read\nautonomy: suggest")
    ).definition
    assert plain is not None
    assert spaced is not None
    assert digest(plain) == digest(spaced)
    turned = read_yaml(
        GOOD.replace(
            "    text: {type: string}\n    day: {type: string}", "    day: {type: string}\n    text: {type: string}"
        )
    )
    assert isinstance(turned.definition, Agent)
    assert digest(turned.definition) != digest(plain)
