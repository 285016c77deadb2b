import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.models.gateway.answers import BadAnswer, EventReader, understand, usage_of
from chengnao.models.gateway.model import Kind, ModelRoute, Target
from chengnao.models.gateway.protocol import Asked, read_chat, read_embeddings

ROUTE = ModelRoute("chat", Kind.CHAT, "对话")
TARGET = Target("provider:a", "vendor-model", image_tokens=500)
SCHEMA = {"type": "object", "properties": {"category": {"enum": ["noise", "road"]}}, "required": ["category"]}


def body(**values: Any) -> bytes:
    return json.dumps({"model": "chat", "messages": [{"role": "user", "content": "路灯不亮"}]} | values).encode()


def asked(**values: Any) -> Asked:
    return read_chat(body(**values))


def with_schema(schema: Any = SCHEMA) -> Asked:
    return asked(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})


def answer(text: str | None, **values: Any) -> bytes:
    message = {"role": "assistant", "content": text} | values
    return json.dumps({"model": "m", "choices": [{"message": message}], "usage": {"prompt_tokens": 7}}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"model": "chat", "messages": [{"role"',
        '{"model": "chat", "messages": [{"content": "路灯"}]}'.encode("gbk"),
        b"[1]",
        b'"chat"',
        body(model=7),
        body(model=""),
        body(messages=[]),
        body(messages="hello"),
        body(messages=["hello"]),
        body(stream="yes"),
        body(max_tokens=0),
        body(max_tokens=-5),
        body(max_tokens=True),
        body(max_tokens=10**9),
        body(n=100),
        body(response_format={"type": "json_schema"}),
        body(response_format={"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}}),
    ],
)
def test_a_request_that_cannot_be_understood_says_why(raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_chat(raw)
    assert caught.value.code in ("model_body_unreadable", "model_body_unfit")
    assert caught.value.params["field"]


def test_a_vendor_gets_its_own_models_name_and_a_bound_on_the_answer() -> None:
    sent, content_type = asked(temperature=0.2).for_target(TARGET, ROUTE)
    assert content_type == "application/json"
    assert orjson.loads(sent) == json.loads(body(temperature=0.2)) | {"model": "vendor-model", "max_tokens": 2048}
    streamed = orjson.loads(asked(stream=True, max_tokens=9).for_target(TARGET, ROUTE)[0])
    assert streamed["max_tokens"] == 9
    assert streamed["stream_options"] == {"include_usage": True}


@given(st.text(min_size=1))
def test_the_bound_on_tokens_is_never_below_the_bytes_of_the_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    found = asked(messages=[{"role": "user", "content": text}])
    assert found.most_in(TARGET) >= len(text.encode())


def test_images_count_by_their_number_not_by_their_bytes() -> None:
    url = {"url": "data:image/png;base64," + "A" * 100_000}
    parts = [{"type": "text", "text": "有人吗"}, {"type": "image_url", "image_url": url}]
    found = asked(messages=[{"role": "user", "content": parts}])
    assert 500 < found.most_in(TARGET) < 1_000
    assert found.kept()["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64, 100022 bytes"


def test_the_bound_on_the_answer_counts_each_choice() -> None:
    assert asked(n=3, max_tokens=10).most_out(ROUTE) == 30
    assert asked(n=2).most_out(ROUTE) == 2 * 2_048
    assert read_embeddings(b'{"model": "e", "input": ["a"]}').most_out(ROUTE) == 0


def test_an_answer_must_fit_the_schema() -> None:
    assert understand(with_schema(), answer('{"category": "noise"}')).text == '{"category": "noise"}'
    for text in (
        '{"category": "sea"}',
        "{}",
        "noise",
        '{"category": "noise"',
        '```json\n{"category": "noise"}\n```',
        "",
    ):
        with pytest.raises(BadAnswer) as caught:
            understand(with_schema(), answer(text))
        assert caught.value.tokens == (7, 0), "an answer that cannot be used has cost all the same"


def test_a_reference_to_another_host_is_not_followed() -> None:
    schema = {"$ref": "http://127.0.0.1:1/schema.json"}
    with pytest.raises(BadAnswer, match="schema cannot be applied"):
        understand(with_schema(schema), answer("{}"))


def test_a_call_of_a_tool_needs_no_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert understand(with_schema(), answer(None, tool_calls=[call])).text == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>welcome</html>",
        b'{"choices": [{"message": {"content": "half',
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": ["text"]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        '{"choices": [{"message": {"content": "好"}}]}'.encode("gbk"),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        understand(asked(), raw)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4)),
        ({"prompt_tokens": 3}, (3, 0)),
        ({"input_tokens": 3, "output_tokens": 4, "type": "tokens"}, (3, 4)),
        ({"prompt_tokens": -3, "completion_tokens": 4}, None),
        ({"prompt_tokens": 2**70, "completion_tokens": 4}, None),
        ({"prompt_tokens": "3", "completion_tokens": 4}, None),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"type": "duration", "seconds": 7}, None),
        ({}, None),
        (None, None),
        ("many", None),
    ],
)
def test_usage_is_taken_where_it_can_be_true(usage: Any, expected: tuple[int, int] | None) -> None:
    assert usage_of({"usage": usage}) == expected


def test_an_embedding_has_one_vector_for_each_text() -> None:
    two = read_embeddings(b'{"model": "e", "input": ["a", "b"]}')
    assert understand(two, b'{"data": [{}, {}], "usage": {"prompt_tokens": 2}}').tokens == (2, 0)
    with pytest.raises(BadAnswer):
        understand(two, b'{"data": [{}]}')


@given(st.lists(st.text(alphabet="a路\n:{}", min_size=1, max_size=8), max_size=5), st.data())
def test_events_come_out_whole_however_the_network_cuts_them(texts: list[str], data: st.DataObject) -> None:
    events = [json.dumps({"t": text}).encode() for text in texts]
    between = data.draw(st.sampled_from([b"\n\n", b"\r\n\r\n"]))
    whole = b"".join(b"data: " + each + between for each in events)
    reader, found, left = EventReader(), [], whole
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += list(reader.feed(left[:size]))
        left = left[size:]
    assert found == events


def test_an_event_without_an_end_is_refused() -> None:
    reader = EventReader(b"x" * 2**20)
    with pytest.raises(BadAnswer):
        list(reader.feed(b"x"))
