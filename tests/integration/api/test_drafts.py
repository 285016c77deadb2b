"""Letters and recordings on their way to becoming reports."""

from datetime import timedelta
from importlib.util import find_spec

import httpx
import pytest
from fastapi import FastAPI

from chengnao.incident.drafts import service
from chengnao.incident.drafts.queue import ReadingQueue
from chengnao.kernel.access.model import Role
from chengnao.kernel.settings import Settings
from tests.support.letters import page, saved, text_pdf
from tests.support.world import OWN, World

pytestmark = pytest.mark.engines

WORDS = b"My telephone is 13800138000. There is a hole in the road."


async def hand_in(client: httpx.AsyncClient, data: bytes, channel: str = "letter", **headers: str) -> httpx.Response:
    return await client.post(
        "/api/drafts", data={"channel": channel}, files={"file": ("scan", data)}, headers=headers or None
    )


async def settled(app: FastAPI) -> None:
    queue: ReadingQueue = app.state.reading_queue
    await queue.settled()


async def test_a_letter_becomes_a_report_only_when_a_person_has_checked_it(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, text_pdf(WORDS))).json()
        assert (made["state"], made["report_id"]) == ("reading", None)
        await settled(app)
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert (draft["state"], draft["engine"], draft["pages"]) == ("ready", "text", 1)
        assert draft["text"] == WORDS.decode()
        marked = [draft["text"][each["start"] : each["end"]] for each in draft["personal"]]
        assert marked == ["13800138000"]
        assert (await client.get("/api/reports?channel=letter")).json()["total"] == 0

        early = await client.post(f"/api/drafts/{made['id']}/confirm", json={"version": draft["version"] - 1})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "draft_changed")
        text = draft["text"] + " It is near the school."
        put = await client.put(f"/api/drafts/{made['id']}", json={"version": draft["version"], "text": text})
        body = {"version": put.json()["version"], "category": "road_damage", "reporter_phone": "13800138000"}
        done = await client.post(f"/api/drafts/{made['id']}/confirm", json=body)
        assert done.status_code == 200, done.text

        report = (await client.get(f"/api/reports/{done.json()['report_id']}")).json()
        assert report["channel"] == "letter"
        assert report["content"] == text.replace("13800138000", "138****8000")
        contact = await client.post(f"/api/reports/{report['id']}/contact", json={"purpose": "回访核实"})
        assert (contact.json()["content"], contact.json()["phone"]) == (text, "13800138000")
        ended = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert (ended["state"], ended["text"], ended["report_id"]) == ("confirmed", "", report["id"])
        again = await client.post(f"/api/drafts/{made['id']}/confirm", json={"version": ended["version"]})
        assert again.json()["error"]["code"] == "draft_state"


async def test_the_file_is_kept_sealed_and_shown_as_it_came(app: FastAPI, world: World, settings: Settings) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, text_pdf(WORDS))).json()
        await settled(app)
        file = await client.get(f"/api/drafts/{made['id']}/file")
        assert (file.content, file.headers["content-type"]) == (text_pdf(WORDS), "application/pdf")
    kept = [path.read_bytes() for path in (settings.home / "letters").rglob("*") if path.is_file()]
    assert kept
    assert all(b"13800138000" not in content and b"%PDF" not in content for content in kept)
    async with world.client(app, Role.AUDITOR) as client:
        acts = [entry["action"] for entry in (await client.get("/api/audit?size=100")).json()["items"]]
    assert "draft.file" in acts


async def test_a_scan_is_read_with_its_confidence_line_by_line(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, saved(page(), "PNG"))).json()
        await settled(app)
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
    assert (draft["state"], draft["engine"]) == ("ready", "ocr")
    assert draft["confidence"] > 0.9
    assert any("路面塌陷" in line["text"] and line["confidence"] > 0.9 for line in draft["lines"])
    assert {each["kind"] for each in draft["personal"]} >= {"mobile", "name"}


async def test_what_cannot_be_read_says_why_and_is_typed_in(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, b"%PDF-1.4 and nothing")).json()
        await settled(app)
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert (draft["state"], draft["problem"]["code"]) == ("failed", "letter_damaged")
        assert "手工录入" in draft["problem"]["message"]
        empty = await client.post(f"/api/drafts/{made['id']}/confirm", json={"version": draft["version"]})
        assert empty.json()["error"]["code"] == "draft_empty"
        again = (await client.post(f"/api/drafts/{made['id']}/reading")).json()
        assert again["state"] == "reading"
        put = await client.put(f"/api/drafts/{made['id']}", json={"version": again["version"], "text": "路灯坏了"})
        await settled(app)
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert (draft["state"], draft["text"], draft["version"]) == ("ready", "路灯坏了", put.json()["version"])


@pytest.mark.skipif(find_spec("faster_whisper") is not None, reason="the extra `speech` is installed")
async def test_without_the_speech_extra_a_recording_is_kept_and_the_remedy_named(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, b"OggS" + bytes(200), "call")).json()
        await settled(app)
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert draft["problem"]["code"] == "recording_not_heard"
        assert (await client.get(f"/api/drafts/{made['id']}/file")).content == b"OggS" + bytes(200)


async def test_a_reading_that_was_lost_shows_as_interrupted(
    app: FastAPI, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadingQueue, "add", lambda self, draft_id: None)  # as if the process had ended there
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await hand_in(client, text_pdf(WORDS))).json()
        assert (await client.get(f"/api/drafts/{made['id']}")).json()["state"] == "reading"
        early = await client.post(f"/api/drafts/{made['id']}/reading")
        assert early.json()["error"]["code"] == "draft_state"
        monkeypatch.setattr(service, "QUEUE", timedelta(seconds=-1))
        made = (await hand_in(client, text_pdf(WORDS))).json()
        draft = (await client.get(f"/api/drafts/{made['id']}")).json()
        assert (draft["state"], draft["problem"]["code"]) == ("failed", "reading_interrupted")
        assert (await client.post(f"/api/drafts/{made['id']}/reading")).status_code == 200


async def test_only_letters_and_recordings_are_taken_once_for_one_key(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        for data, channel, code in (
            (b"<html>", "letter", "letter_form_unknown"),
            (b"%PDF-1.4", "call", "recording_form_unknown"),
            (b"", "letter", "draft_file_empty"),
            (b"%PDF-" + bytes(15 * 2**20), "letter", "draft_file_too_large"),
        ):
            answer = await hand_in(client, data, channel)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        key = {"Idempotency-Key": "a-letter-of-monday"}
        first, second = (await hand_in(client, text_pdf(WORDS), **key)), (await hand_in(client, text_pdf(WORDS), **key))
        assert first.json()["id"] == second.json()["id"]
        await settled(app)


async def test_a_letter_can_be_put_away_and_a_machine_hands_in_but_does_not_read(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.REPORTER) as scanner:
        made = (await hand_in(scanner, text_pdf(WORDS))).json()
        await settled(app)
        assert (await scanner.get(f"/api/drafts/{made['id']}")).status_code == 403
        assert (await scanner.get("/api/drafts")).status_code == 403
    async with world.client(app, Role.DISPATCHER) as client:
        listed = (await client.get("/api/drafts?state=ready")).json()
        assert [(each["id"], each["division_code"]) for each in listed["items"]] == [(made["id"], OWN)]
        assert "13800138000" not in str(listed)
        version = listed["items"][0]["version"]
        gone = (await client.post(f"/api/drafts/{made['id']}/discard", json={"version": version})).json()
        assert gone["state"] == "discarded"
        assert (await client.get(f"/api/drafts/{made['id']}")).json()["text"] == ""
