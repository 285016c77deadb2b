"""Answers that come in events: passed on as they come, metered whatever happens."""

import asyncio
import time
from typing import Any

import pytest

from chengnao.models.gateway.model import Target
from tests.integration.models.gateway.conftest import TARGET, Served
from tests.support.gateway import chat, events
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines

LONG = "解放碑步行街路灯不亮，请尽快派人维修。" * 4


def said(found: list[dict[str, Any]]) -> str:
    return "".join(each["choices"][0]["delta"].get("content", "") for each in found if each["choices"])


async def test_each_event_arrives_when_the_vendor_sends_it(served: Served, vendor: Vendor) -> None:
    vendor.say(Said(LONG[:20], drip=0.1))
    arrivals, text = [], ""
    async with served.client.stream("POST", "/chat/completions", json=chat(stream=True)) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        async for part in answer.aiter_text():
            arrivals.append(time.monotonic())
            text += part
    assert text.endswith("data: [DONE]\n\n")
    assert said(events(text)) == LONG[:20]
    assert arrivals[-1] - arrivals[0] > 0.8, "nothing was gathered first"
    found = await served.rows("SELECT tokens_in, tokens_out, money, outcome, estimated FROM model_calls")
    assert found == [(10, 5, 20, "done", False)]


async def test_the_usage_is_asked_for_always_and_shown_to_those_who_want_it(served: Served, vendor: Vendor) -> None:
    without = events((await served.chat(stream=True)).text)
    assert [each for each in without if "usage" in each] == []
    wanted = events((await served.chat(stream=True, stream_options={"include_usage": True})).text)
    assert wanted[-1]["usage"]["completion_tokens"] == 5


async def test_the_next_target_is_asked_as_long_as_nothing_has_come(
    served: Served, vendor: Vendor, other: Vendor
) -> None:
    await served.route(TARGET, Target("provider:two", "m-two", rank=2))
    vendor.say(
        Said(status=500),
        Said(raw=b'{"choices": []}', content_type="application/json"),
        Said(raw=b'data: {"error": {"message": "overloaded"}}\n\n', content_type="text/event-stream"),
        Said(cut_after=0),
    )
    for _ in range(4):
        answer = await served.chat(stream=True)
        assert answer.headers["x-chengnao-target"] == "provider:two/m-two"
        assert said(events(answer.text)) == "好的"


async def test_a_stream_that_breaks_off_says_so_and_counts_what_can_have_been_used(
    served: Served, vendor: Vendor, other: Vendor
) -> None:
    await served.route(TARGET, Target("provider:two", "m-two", rank=2))
    vendor.say(Said(LONG, cut_after=700))
    answer = await served.chat(stream=True, max_tokens=200)
    assert "[DONE]" not in answer.text
    *heard, error = events(answer.text)
    assert error["error"]["code"] == "model_answer_cut"
    assert LONG.startswith(said(heard))
    assert other.asked == [], "half an answer is not begun anew by another model"
    ((outcome, tokens_out, estimated),) = await served.rows("SELECT outcome, tokens_out, estimated FROM model_calls")
    assert (outcome, estimated) == ("cut", True)
    assert tokens_out == len(said(heard).encode())


async def test_a_stream_that_falls_silent_ends_after_its_time(served: Served, vendor: Vendor) -> None:
    await served.route(Target("provider:one", "m-one", seconds=0.4))
    vendor.say(Said(LONG, drip=0.9))
    began = time.monotonic()
    answer = await served.chat(stream=True)
    assert time.monotonic() - began < 2.0
    assert events(answer.text)[-1]["error"]["code"] == "model_target_too_slow"
    assert await served.rows("SELECT outcome FROM model_calls") == [("too_slow",)]


async def test_a_vendor_is_cut_off_when_the_caller_goes_away(served: Served, vendor: Vendor) -> None:
    vendor.say(Said(LONG, drip=0.05))
    async with served.client.stream("POST", "/chat/completions", json=chat(stream=True, max_tokens=999)) as answer:
        async for _ in answer.aiter_raw():
            break
    for _ in range(100):
        if found := await served.rows("SELECT outcome, tokens_out, estimated FROM model_calls"):
            break
        await asyncio.sleep(0.02)
    ((outcome, tokens_out, estimated),) = found
    assert (outcome, estimated) == ("cancelled", True)
    assert 0 < tokens_out < len(LONG.encode()), "what was heard, not all that might have come"
    await asyncio.sleep(0.2)
    assert vendor.cut_off == 1
    assert await served.rows("SELECT id FROM model_holds") == []


async def test_a_streamed_answer_is_held_against_its_schema_at_its_end(served: Served, vendor: Vendor) -> None:
    schema = {"type": "object", "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    vendor.say({"a": 1}, {"b": 1})
    assert (await served.chat(stream=True, response_format=form)).text.endswith("[DONE]\n\n")
    answer = await served.chat(stream=True, response_format=form)
    assert "[DONE]" not in answer.text
    assert events(answer.text)[-1]["error"]["code"] == "model_answer_invalid"
    found = await served.rows("SELECT outcome FROM model_calls ORDER BY at")
    assert [each[0] for each in found] == ["done", "invalid"]
