"""Training over HTTP, from a file with personal details to a result in use."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from chengnao.incident.classification.cases import SOURCE
from chengnao.kernel.access.model import Role
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.sources import sources
from tests.integration.models.training.jobs import running
from tests.support.training import OWN, offered
from tests.support.world import World

pytestmark = pytest.mark.engines

PHONE = "13812345678"


@pytest.fixture(autouse=True)
def _offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = OWN | {"test-counter": "tests.support.training:RECIPE"}
    monkeypatch.setitem(sources(), SOURCE.name, SOURCE)
    with offered(tmp_path / "offered", **points):
        yield


def body(kind: str = "test-counter", content: bytes | None = None, **config: Any) -> dict[str, Any]:
    rows = [{"text": f"第{number}条，电话{PHONE}，路灯不亮", "label": "ab"[number % 2]} for number in range(10)]
    raw = b"\n".join(map(orjson.dumps, rows)) if content is None else content
    data = {"source": "upload", "name": "rows.jsonl", "content": b64encode(raw).decode()}
    return {"kind": kind, "data": data, "config": config, "limits": {"memory_mb": 2048}}


async def ask(client: httpx.AsyncClient, method: str, path: str, wanted: int = 200, **options: Any) -> Any:
    answer = await client.request(method, f"/api/models/training{path}", **options)
    assert answer.status_code == wanted, answer.text
    return answer.json()


async def detail(client: httpx.AsyncClient, job_id: str, *states: str) -> Any:
    for _ in range(600):
        found = await ask(client, "GET", f"/{job_id}")
        if found["state"] in states:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def counting(client: httpx.AsyncClient, job_id: str) -> None:
    """Return once the job's process is at work."""
    for _ in range(600):
        if (await ask(client, "GET", f"/{job_id}"))["progress"]["percent"] > 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never began")


async def test_from_a_file_to_a_result(app: FastAPI, world: World, database: Database, settings: Settings) -> None:
    async with world.client(app, Role.DEVELOPER) as client, running(database, settings.home):
        made = await ask(client, "POST", "", 201, json=body(steps=60, seconds=0.03))
        assert (made["state"], made["rows"], made["actions"]) == ("queued", 10, ["cancel"])
        middle = await detail(client, made["id"], "running")
        assert middle["data"]["masked"] == 10
        done = await detail(client, made["id"], "done")
        assert done["progress"]["percent"] == 100.0
        assert done["curves"]["loss"]["steps"] == list(range(1, 61))
        assert len(done["curves"]["loss"]["values"]) == 60
        assert "step 60 of 60" in done["log"]
        assert done["candidate"] is True
        tail = await ask(client, "GET", f"/{made['id']}", params={"log_limit": 50})
        assert len(tail["log"].encode()) <= 50 < tail["log_bytes"]
        listed = await ask(client, "GET", "", params={"state": "done", "kind": "test-counter"})
        assert made["id"] in [each["id"] for each in listed["items"]]
        await ask(client, "POST", f"/{made['id']}/cancel", 409)
        await ask(client, "POST", f"/{made['id']}/promote", 403)
    assert _holding(JobFolder.of(settings.home, made["id"]).path, PHONE) == []


async def test_cancel_and_resume(app: FastAPI, world: World, database: Database, settings: Settings) -> None:
    async with world.client(app, Role.OPERATOR) as client, running(database, settings.home):
        made = await ask(client, "POST", "", 201, json=body(steps=400, seconds=0.03))
        await counting(client, made["id"])
        assert (await ask(client, "POST", f"/{made['id']}/cancel"))["state"] == "stopping"
        cancelled = await detail(client, made["id"], "cancelled")
        assert cancelled["actions"] == ["resume"]
        assert "step" in cancelled["checkpoints"]
        assert (await ask(client, "POST", f"/{made['id']}/resume", json={"fresh": True}))["state"] == "queued"
        await detail(client, made["id"], "running")
        await ask(client, "POST", f"/{made['id']}/cancel")
        await detail(client, made["id"], "cancelled")


async def test_what_is_wrong_with_data_is_said_before_a_job_is_made(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.OPERATOR) as client:
        wrong = {
            "training_data_column": body("incident-classifier", b'{"text": "a", "category": "b"}\n' * 3),
            "training_data_one_label": body("incident-classifier", b'{"text": "a", "label": "b"}\n' * 3),
            "training_data_empty": body("incident-classifier", b""),
            "training_kind_unknown": body("no-such-kind"),
            "training_config_invalid": body(steps="many"),
        }
        for code, asked in wrong.items():
            answer = await ask(client, "POST", "", 422 if "data" in code else 400, json=asked)
            assert answer["error"]["code"] == code
        rows = b"\n".join([b'{"text": "a", "label": "b"}', b'{"text": "c", "label": "d"}', *[b"broken"] * 10])
        made = await ask(client, "POST", "", 201, json=body("incident-classifier", rows))
        found = await ask(client, "GET", f"/{made['id']}")
        assert found["data"]["refused"] == 10
        assert [each["row"] for each in found["data"]["refusals"]] == list(range(3, 13))
        assert found["ahead"] >= 1


async def test_a_request_that_is_sent_again_makes_one_job(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.OPERATOR) as client:
        headers = {"Idempotency-Key": "training-once"}
        first = await ask(client, "POST", "", 201, json=body(), headers=headers)
        again = await ask(client, "POST", "", 201, json=body(), headers=headers)
    assert first["id"] == again["id"]


async def test_what_can_be_trained_is_listed_with_its_settings(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DEVELOPER) as client:
        found = await ask(client, "GET", "/recipes")
    kinds = {each["kind"]: each for each in found["recipes"]}
    assert kinds["incident-classifier"]["installable"] is True
    assert "precision" in kinds["incident-classifier"]["config"]["properties"]
    assert "closed-cases" in [each["name"] for each in found["sources"]]


async def test_closed_cases_are_learnt_from_and_open_ones_are_not(
    app: FastAPI, world: World, database: Database, settings: Settings
) -> None:
    now = database.clock.now()
    period = {"since": (now - timedelta(days=30)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    async with world.client(app, Role.OPERATOR) as client:
        asked = body("incident-classifier") | {"data": {"source": "closed-cases", **period}}
        assert (await ask(client, "POST", "", 422, json=asked))["error"]["code"] == "training_data_empty"
    async with world.client(app, Role.DUTY_OFFICER) as client:
        for category in ("noise", "water_leak"):
            await _closed_report(client, world, category)
    async with world.client(app, Role.OPERATOR) as client:
        made = await ask(client, "POST", "", 201, json=asked)
    rows = [orjson.loads(line) for line in JobFolder.of(settings.home, made["id"]).data.read_bytes().splitlines()]
    assert {row["label"] for row in rows} == {"noise", "water_leak"}
    assert len({row["group"] for row in rows}) == 2
    assert all(PHONE not in row["text"] for row in rows)


async def _closed_report(client: httpx.AsyncClient, world: World, category: str) -> None:
    report = {
        "content": f"{category} 事情，我的电话{PHONE}",
        "category": category,
        "division_code": world.own.division,
    }
    made = (await client.post("/api/reports", json=report)).json()
    incident = made["incident_id"]
    version = (await client.get(f"/api/incidents/{incident}")).json()["version"]
    answered = {"version": version, "result": "已答复"}
    answer = await client.post(f"/api/incidents/{incident}/actions/answer", json=answered)
    assert answer.is_success, answer.text


def _holding(folder: Path, words: str) -> list[str]:
    """Files below the folder that hold the words."""
    paths = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    return [str(path) for path in paths if words.encode() in path.read_bytes()]
