"""Citizens without an account, over HTTP."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import event, text

from chengnao.incident.public.model import Buckets
from chengnao.incident.public.service import PublicLimits
from chengnao.kernel.access.model import Role
from chengnao.kernel.clock import FixedClock, SystemClock
from chengnao.kernel.database import Database
from tests.support.letters import saved
from tests.support.world import OWN, PLACES, World

pytestmark = pytest.mark.engines

ME, ANOTHER = ("198.51.100.1", 1), ("198.51.100.2", 1)
HERE = {"lon": PLACES[OWN].lon, "lat": PLACES[OWN].lat}


@asynccontextmanager
async def citizen(app: FastAPI, address: tuple[str, int] = ME) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=address)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/public") as client:
        yield client


async def reported(client: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    body = {"content": "门口的路坏了一个大坑", "category": "road_damage", **HERE} | values
    answer = await client.post("/reports", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def seen(client: httpx.AsyncClient, made: dict[str, Any]) -> dict[str, Any]:
    answer = await client.get(f"/reports/{made['tracking_number']}", params={"code": made["code"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def acted(app: FastAPI, world: World, number: str, *steps: tuple[Role, str, dict[str, Any]]) -> None:
    """Take steps of the incident that the report belongs to."""
    for role, action, body in steps:
        async with world.client(app, role) as client:
            report = (await client.get("/api/reports", params={"q": number})).json()["items"][0]
            incident = (await client.get(f"/api/incidents/{report['incident_id']}")).json()
            path = f"/api/incidents/{incident['id']}/actions/{action}"
            answer = await client.post(path, json={"version": incident["version"], **body})
            assert answer.status_code == 200, (action, answer.text)


def to_the_end(role: Role = Role.HANDLER) -> tuple[tuple[Role, str, dict[str, Any]], ...]:
    return (
        (role, "accept", {}),
        (role, "handle", {"result": "已填补路面"}),
        (Role.VERIFIER, "verify", {"result": "现场核实已修好"}),
        (Role.DUTY_OFFICER, "close", {}),
    )


async def test_a_report_is_followed_to_its_answer_and_opened_again_once(app: FastAPI, world: World) -> None:
    async with citizen(app) as client:
        # Far from the report that the world holds already, which it would join.
        made = await reported(client, lon=HERE["lon"] + 0.006)
        number = made["tracking_number"]
        found = await seen(client, made)
        assert (found["standing"], found["unit_name"], found["others"]) == ("assigned", f"单位{OWN}", 0)
        assert [step["action"] for step in found["steps"]] == ["open", "dispatch"]
        assert (found["overdue"], found["can_rate"]) == (False, False)
        early = await client.post(f"/reports/{number}/answer", json={"code": made["code"], "solved": True})
        assert early.json()["error"]["code"] == "report_not_answered"

        await acted(app, world, number, *to_the_end())
        found = await seen(client, made)
        assert (found["standing"], found["can_rate"]) == ("answered", True)
        assert "已填补路面" in found["answer"] or found["answer"]

        body = {"code": made["code"], "solved": False, "satisfaction": 2, "comment": "没修好，打13800138000找我"}
        found = (await client.post(f"/reports/{number}/answer", json=body)).json()
        assert (found["standing"], found["reopened"], found["can_rate"]) == ("waiting", True, False)
        assert "尚未受理" in found["note"]

        unit = {"unit_id": world.own.unit}
        await acted(app, world, number, (Role.DISPATCHER, "dispatch", unit), *to_the_end())
        found = (await client.post(f"/reports/{number}/answer", json=body)).json()
        assert found["standing"] == "answered", "after the first time the desk decides"
        assert found["satisfaction"] == 2


async def test_a_wrong_code_and_an_unknown_number_cannot_be_told_apart(
    app: FastAPI, world: World, database: Database
) -> None:
    statements: list[str] = []
    event.listen(database.engine.sync_engine, "after_cursor_execute", lambda *given: statements.append(given[2]))
    async with citizen(app) as client:
        made = await reported(client)
        answers = []
        for number in (made["tracking_number"], "SB-20200101-000001"):
            statements.clear()
            answer = await client.get(f"/reports/{number}", params={"code": "AAAAAAAA"})
            rated = await client.post(f"/reports/{number}/answer", json={"code": "AAAAAAAA", "solved": True})
            answers.append((answer.status_code, answer.json(), rated.status_code, rated.json(), list(statements)))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert (await seen(client, {**made, "code": made["code"].lower()}))["tracking_number"]


async def test_guessing_a_code_ends_soon_and_hinders_nobody_else(app: FastAPI, world: World) -> None:
    async with citizen(app) as client, citizen(app, ANOTHER) as other:
        made = await reported(other)
        for number in (made["tracking_number"], "SB-20200101-000001"):
            tries = [await client.get(f"/reports/{number}", params={"code": f"AAAAAA{at}"}) for at in range(12)]
            assert [each.status_code for each in tries] == [404] * 10 + [429] * 2
            assert int(tries[-1].headers["retry-after"]) > 0
        right = await client.get(f"/reports/{made['tracking_number']}", params={"code": made["code"]})
        assert right.status_code == 429, "otherwise guessing would go on"
        assert (await seen(other, made))["tracking_number"] == made["tracking_number"]


async def test_each_address_may_do_so_much_in_its_time(app: FastAPI, world: World) -> None:
    clock = FixedClock(SystemClock().now())

    def bucket(burst: int, seconds: float) -> Buckets:
        return Buckets(burst, seconds, now=lambda: clock.now().timestamp())

    app.state.public_limits = PublicLimits(bucket(2, 3600), bucket(1, 3600), bucket(3, 60), bucket(10, 3600))
    async with citizen(app) as client, citizen(app, ANOTHER) as other:
        await reported(client)
        await reported(client)
        refused = await client.post("/reports", json={"content": "x", **HERE})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "public_too_many")
        assert refused.headers["retry-after"] == "1801"
        await reported(other)
        clock.advance(1801)
        await reported(client)
        files = {"file": ("a.png", saved(Image.new("RGB", (4, 4)), "PNG"))}
        assert [(await client.post("/photos", files=files)).status_code for _ in range(2)] == [201, 429]
        assert [(await client.get("/categories")).status_code for _ in range(4)] == [200, 200, 200, 429]


async def test_a_report_sent_again_is_one_and_its_code_is_kept_nowhere_open(
    app: FastAPI, world: World, database: Database
) -> None:
    async with citizen(app) as client:
        body = {"content": "路灯坏了", "category": "street_light", **HERE}
        key = {"Idempotency-Key": "0123456789abcdef-report"}
        first, second = [await client.post("/reports", json=body, headers=key) for _ in range(2)]
        assert first.json() == second.json()
        other = await client.post("/reports", json=body | {"content": "别的"}, headers=key)
        assert other.json()["error"]["code"] == "idempotency_key_reused"
    async with database.unit_of_work() as uow:
        kept = str((await uow.session.execute(text("SELECT answer FROM answers"))).all())
    assert first.json()["tracking_number"] in kept
    assert first.json()["code"] not in kept


async def test_no_cookie_and_no_csrf_token_play_a_part(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        client.headers.pop("X-CSRF-Token")
        answer = await client.post("/api/public/reports", json={"content": "路坏了", **HERE})
        assert answer.status_code == 201
        listed = (await client.get("/api/incidents?q=路坏了")).json()["items"]
        detail = (await client.get(f"/api/incidents/{listed[0]['id']}")).json()
        assert detail["timeline"][0]["actor_name"] == "市民"


async def test_what_is_missing_is_named(app: FastAPI, world: World) -> None:
    async with citizen(app) as client:
        for body, code in (
            ({"content": "  ", **HERE}, "public_nothing_said"),
            ({"content": "路坏了"}, "incident_place_division"),
            ({"content": "路坏了", "category": "nonsense", **HERE}, "category_unknown"),
            ({"content": "", "audio_id": "nonsense", **HERE}, "public_recording_unknown"),
            ({"content": "路坏了", "photo_ids": ["nonsense"], **HERE}, "photo_unknown"),
        ):
            answer = await client.post("/reports", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text


async def test_photos_come_without_the_place_they_were_taken_at(app: FastAPI, world: World) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (29.0, 33.0, 1.0)
    given = saved(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    async with citizen(app) as client:
        photo = (await client.post("/photos", files={"file": ("a.jpg", given)})).json()["id"]
        made = await reported(client, photo_ids=[photo])
    async with world.client(app, Role.DISPATCHER) as desk:
        kept = await desk.get(f"/api/photos/{photo}")
        assert kept.status_code == 200, made
        assert not Image.open(io.BytesIO(kept.content)).getexif()


async def test_a_voice_message_is_a_report_at_once_and_its_words_come_from_a_person(app: FastAPI, world: World) -> None:
    async with citizen(app) as client, world.client(app, Role.DISPATCHER) as desk:
        recording = {"file": ("voice.ogg", b"OggS" + bytes(500))}
        audio = (await client.post("/audio", files=recording)).json()["id"]
        assert (await desk.get("/api/drafts")).json()["total"] == 1, "a recording without a report is not shown"
        made = await reported(client, content="", audio_id=audio, category=None)
        await app.state.reading_queue.settled()
        twice = await client.post("/reports", json={"content": "", "audio_id": audio, **HERE})
        assert twice.json()["error"]["code"] == "public_recording_unknown"

        draft = (await desk.get(f"/api/drafts/{audio}")).json()
        assert draft["report_id"]
        assert draft["state"] == "failed", "without speech recognition, or with a recording that is none"
        text_ = "我叫王小二，长江路的井盖不见了，电话13800138000"
        put = (await desk.put(f"/api/drafts/{audio}", json={"version": draft["version"], "text": text_})).json()
        done = await desk.post(f"/api/drafts/{audio}/confirm", json={"version": put["version"]})
        assert (done.json()["tracking_number"], done.json()["code"]) == (made["tracking_number"], None), done.text
        report = (await desk.get(f"/api/reports/{draft['report_id']}")).json()
        assert report["content"] == "我叫王**，长江路的井盖不见了，电话138****8000"
        incident = (await desk.get(f"/api/incidents/{report['incident_id']}")).json()
        assert (incident["title"], incident["description"]) == (report["content"], report["content"])
        contact = await desk.post(f"/api/reports/{report['id']}/contact", json={"purpose": "回访"})
        assert contact.json()["content"] == text_


async def test_two_voice_messages_from_one_place_are_two_matters_until_somebody_has_listened(
    app: FastAPI, world: World
) -> None:
    async with citizen(app) as client, world.client(app, Role.DISPATCHER) as desk:
        incidents = set()
        for number in range(2):
            recording = {"file": ("voice.ogg", b"OggS" + bytes([number]) * 500)}
            audio = (await client.post("/audio", files=recording)).json()["id"]
            made = await reported(client, content="", audio_id=audio, category="road_damage")
            found = (await desk.get("/api/reports", params={"q": made["tracking_number"]})).json()["items"][0]
            incidents.add(found["incident_id"])
        await app.state.reading_queue.settled()
    assert len(incidents) == 2


async def test_what_can_be_chosen(app: FastAPI, world: World) -> None:
    async with citizen(app) as client:
        categories = (await client.get("/categories")).json()
        assert {"road_damage", "other"} <= {each["code"] for each in categories}
        places = (await client.get("/places", params={"q": "渝中"})).json()
        assert (places[0]["code"], places[0]["name"]) == (OWN, "渝中区")
