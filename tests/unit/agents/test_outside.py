"""Foreign text and foreign schemas, tamed before anybody reads them; messages of A2A as inputs."""

from typing import Any

import pytest
from a2a.types.a2a_pb2 import Message
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from chengnao.agents.outside.a2a_server import _input
from chengnao.agents.outside.mcp_client import takeable, tamed
from chengnao.agents.outside.model import DESCRIPTION_LIMIT, Described
from chengnao.kernel.errors import Invalid
from tests.support.workshop import definition


@given(st.text())
def test_foreign_text_is_one_paragraph_of_printable_characters(text: str) -> None:
    shown = tamed(text)
    assert shown.isprintable()
    assert len(shown) <= DESCRIPTION_LIMIT
    assert tamed(shown) == shown


@pytest.mark.parametrize(
    ("name", "schema", "fine"),
    [
        ("rain", {"type": "object"}, True),
        ("get_rain-now", {"type": "object", "$defs": {"a": {}}, "properties": {"x": {"$ref": "#/$defs/a"}}}, True),
        ("rain", {"properties": {"x": {"$ref": "http://inside/secrets"}}}, False),
        ("rain", {"properties": {"x": {"$ref": "file:///etc/passwd"}}}, False),
        ("rain", {"description": "x" * 20_000}, False),
        ("", {}, False),
        ("rain.now", {}, False),
        ("r" * 65, {}, False),
        ("雨", {}, False),
        ("rain\n", {}, False),
    ],
)
def test_which_tools_are_taken(name: str, schema: dict[str, Any], fine: bool) -> None:
    assert takeable(Described(name, "", schema)) is fine


def test_a_change_of_what_is_read_changes_the_digest_and_nothing_else_does() -> None:
    one = Described("rain", "降雨量", {"a": 1, "b": 2})
    assert one.digest == Described("rain", "降雨量", {"b": 2, "a": 1}).digest
    changed = (
        ("rain", "降雨量。", {"a": 1, "b": 2}),
        ("rain", "降雨量", {"a": 1, "b": 3}),
        ("snow", "降雨量", {"a": 1, "b": 2}),
    )
    assert len({one.digest, *(Described(*each).digest for each in changed)}) == 4


def message(*parts: dict[str, Any]) -> Message:
    made = Message()
    ParseDict({"messageId": "m", "role": "ROLE_USER", "parts": list(parts)}, made)
    return made


def test_a_message_gives_an_object_or_the_one_text() -> None:
    agent = definition()
    assert _input(agent, message({"data": {"text": "x", "n": 2, "r": 0.5}})) == {"text": "x", "n": 2, "r": 0.5}
    assert _input(agent, message({"text": "水"}, {"text": "压"})) == {"text": "水\n压"}
    two = definition(input={"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    number = definition(input={"type": "object", "properties": {"n": {"type": "integer"}}})
    for other, parts in (
        (two, [{"text": "x"}]),
        (number, [{"text": "7"}]),
        (agent, []),
        (agent, [{"data": "x"}]),
        (agent, [{"data": {"text": "x"}}, {"text": "y"}]),
        (agent, [{"data": {}}, {"data": {}}]),
    ):
        with pytest.raises(Invalid):
            _input(other, message(*parts))
