"""Bad input and bad answers: each is contained, and says what is wrong."""

import asyncio
import json
import time
from contextlib import suppress

import httpx
import pytest

from chengnao.models.gateway import http
from tests.integration.models.gateway.conftest import Served
from tests.support.gateway import chat
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines


async def test_a_prompt_and_an_answer_of_100_kb_pass(served: Served, vendor: Vendor) -> None:
    vendor.say("答" * 100_000)
    answer = await served.chat("问" * 100_000)
    assert answer.status_code == 200
    assert len(answer.json()["choices"][0]["message"]["content"]) == 100_000
    assert vendor.asked[0].body is not None
    assert vendor.asked[0].body["messages"][0]["content"] == "问" * 100_000


async def test_a_prompt_of_10_mb_is_refused_before_it_is_read(served: Served, vendor: Vendor) -> None:
    answer = await served.chat("x" * 10 * 2**20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert answer.json()["error"]["params"]["limit"] == http.BODY_LIMIT

    async def endless() -> object:
        for _ in range(200):
            yield b"x" * 2**16

    headers = {"Content-Type": "application/json"}
    with suppress(httpx.WriteError, httpx.ReadError):  # it may be cut off while it still sends
        answer = await served.client.post("/chat/completions", content=endless(), headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 413
    assert vendor.asked == []
    assert (await served.chat()).status_code == 200


async def test_large_prompts_of_all_callers_together_are_bounded_and_given_back(
    served: Served, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODIES_LIMIT", 2 * 2**20)
    vendor.otherwise = Said(delay=0.5)
    answers = await asyncio.gather(*[served.chat("x" * 900_000) for _ in range(4)])
    assert sorted(each.status_code for each in answers) == [200, 200, 503, 503]
    assert {each.json()["error"]["code"] for each in answers if each.is_error} == {"model_gateway_busy"}
    assert (await served.chat("x" * 900_000)).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"model": "chat", "messages": [{"role": "us', "application/json", 400, "model_body_unreadable"),
        (b"hello", "application/json", 400, "model_body_unreadable"),
        (json.dumps(chat(), ensure_ascii=False).encode("gbk"), "application/json", 400, "model_body_unreadable"),
        (json.dumps(chat()).encode(), "text/plain", 415, "model_content_type"),
        (json.dumps(chat()).encode(), "multipart/form-data; boundary=x", 415, "model_content_type"),
        (b"[]", "application/json; charset=utf-8", 400, "model_body_unfit"),
        (json.dumps(chat(model="gpt-9")).encode(), "application/json", 404, "model_route_unknown"),
        (json.dumps(chat(model="a\0b")).encode(), "application/json", 404, "model_route_unknown"),
    ],
)
async def test_a_request_that_does_not_do_says_why_in_both_languages(
    served: Served, vendor: Vendor, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await served.client.post("/chat/completions", content=content, headers={"Content-Type": content_type})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message_zh"] in error["message"]
    assert error["message_en"] in error["message"]
    assert error["type"]
    assert vendor.asked == []


async def test_a_body_that_drips_in_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_BODY_SECONDS", 0.3)

    async def dripping() -> object:
        for _ in range(50):
            yield b"{"
            await asyncio.sleep(0.1)

    began = time.monotonic()
    headers = {"Content-Type": "application/json"}
    with suppress(httpx.WriteError, httpx.ReadError):
        answer = await served.client.post("/chat/completions", content=dripping(), headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 408
    assert time.monotonic() - began < 3.0


async def test_what_is_no_recording_is_refused(served: Served, vendor: Vendor) -> None:
    answer = await served.client.post("/audio/transcriptions", json={"model": "transcription"})
    assert answer.status_code == 415
    answer = await served.client.post("/audio/transcriptions", data={"model": "chat"}, files={"other": b"x"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await served.client.post("/audio/transcriptions", content=b"--y\r\nnothing", headers=headers)
    assert answer.status_code == 400
    answer = await served.client.post("/audio/transcriptions", data={"model": "chat"}, files={"file": b"x"})
    assert answer.status_code == 404, "a route of another kind"
    assert vendor.asked == []


async def test_what_a_vendor_tells_of_itself_cannot_break_the_record(served: Served, vendor: Vendor) -> None:
    """A name with a NUL, usage that cannot be: the call is metered all the same, by what is known."""
    body = {"choices": [{"message": {"content": "好"}}], "model": "a\0b\r\nX-Evil: 1"}
    vendor.say(
        Said(raw=json.dumps(body | {"usage": {"prompt_tokens": 10**30}}).encode()),
        Said(raw=json.dumps(body | {"usage": {"prompt_tokens": -5, "completion_tokens": 1}}).encode()),
    )
    for _ in range(2):
        answer = await served.chat(max_tokens=50)
        assert answer.status_code == 200
        assert "x-evil" not in answer.headers
    found = await served.rows("SELECT model, tokens_in > 50, tokens_out, estimated FROM model_calls")
    assert found == [("m-one", True, 3, True)] * 2


async def test_headers_in_chinese_are_kept_and_long_ones_cut(served: Served) -> None:
    headers = {"X-Chengnao-Unit": "城管局".encode(), "X-Chengnao-Purpose": b"p" * 5_000}
    answer = await served.client.post("/chat/completions", json=chat(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert await served.rows("SELECT unit_id, length(purpose) FROM model_calls") == [("城管局", 500)]
    answer = await served.chat(headers={"X-Chengnao-Division": "nowhere"})
    assert answer.status_code == 400


async def test_unknown_paths_and_methods_are_not_found(served: Served) -> None:
    for method, path in (("GET", "/chat/completions"), ("POST", "/images"), ("DELETE", "/models")):
        answer = await served.client.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "http_404")
