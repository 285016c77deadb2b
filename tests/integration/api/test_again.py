"""A request that is sent again is done once, also where both are under way at the same time."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chengnao.kernel.access.model import Role
from tests.support.world import OWN, PNG, World

pytestmark = pytest.mark.engines

REPORT = {"content": "路灯不亮", "category": "street_light", "division_code": OWN, "channel": "patrol"}
KEY = {"Idempotency-Key": "phone-1-report-7"}


async def total(client: httpx.AsyncClient, kind: str) -> int:
    found: int = (await client.get(f"/api/{kind}")).json()["total"]
    return found


async def test_five_times_at_once_makes_one_report(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.HANDLER) as client:
        desk = world.client(app, Role.DISPATCHER)
        async with desk as dispatcher:
            before = await total(dispatcher, "reports")
            answers = await asyncio.gather(*(client.post("/api/reports", json=REPORT, headers=KEY) for _ in range(5)))
            answers.append(await client.post("/api/reports", json=REPORT, headers=KEY))
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.text for answer in answers}) == 1
            assert await total(dispatcher, "reports") == before + 1
            # Another person's key is another key; without a key each is a report of its own.
            for headers in (KEY, None, None):
                assert (await dispatcher.post("/api/reports", json=REPORT, headers=headers)).status_code == 201
            assert await total(dispatcher, "reports") == before + 4


async def test_a_key_that_was_used_for_something_else_is_refused(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        await client.post("/api/reports", json=REPORT, headers=KEY)
        answer = await client.post("/api/reports", json=REPORT | {"content": "井盖丢了"}, headers=KEY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")


async def test_what_was_refused_can_be_sent_again(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        for _ in range(2):
            answer = await client.post("/api/reports", json=REPORT | {"category": "dragon"}, headers=KEY)
            assert answer.json()["error"]["code"] == "category_unknown"


async def test_a_step_and_its_photo_arrive_once(app: FastAPI, world: World) -> None:
    incident = world.own.ids["incident"]

    async def photo(client: httpx.AsyncClient) -> Any:
        sent = await client.post(
            f"/api/incidents/{incident}/photos",
            files={"file": ("a.png", PNG, "image/png")},
            headers={"Idempotency-Key": "photo-0001"},
        )
        return sent.json()

    async with world.client(app, Role.HANDLER) as client:
        seen = (await client.get(f"/api/incidents/{incident}")).json()
        assert await photo(client) == await photo(client)
        for _ in range(2):
            answer = await client.post(
                f"/api/incidents/{incident}/actions/accept",
                json={"version": seen["version"]},
                headers={"Idempotency-Key": "accept-0001"},
            )
            assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
        detail = (await client.get(f"/api/incidents/{incident}")).json()
        assert [entry["action"] for entry in detail["timeline"]].count("accept") == 1
        assert len(detail["photos"]) == len(seen["photos"]) + 1


async def test_what_is_answered_at_once_is_closed_and_dispatched_to_nobody(app: FastAPI, world: World) -> None:
    question = REPORT | {"content": "水费在哪里交？", "channel": "hotline", "answer": "可在营业厅或网上营业厅缴纳"}
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await client.post("/api/reports", json=question)).json()
        incident = (await client.get(f"/api/incidents/{made['incident_id']}")).json()
        assert (incident["state"], incident["closed_at_intake"], incident["tasks"]) == ("closed", True, [])
        assert incident["reports"][0]["answer"] == question["answer"]
    async with world.client(app, Role.HANDLER) as client:
        assert (await client.post("/api/reports", json=question)).status_code == 403
