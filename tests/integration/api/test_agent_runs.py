"""A run over HTTP: started, followed, decided on by another person, judged."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.catalogue.definition import write_yaml
from chengnao.agents.offered import Offered
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from tests.support.agents import RULES, TOOLS, answers, bureau, calls, definition
from tests.support.vendor import Vendor
from tests.support.world import AUTHORITY, World

pytestmark = pytest.mark.engines


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    for _ in range(200):
        run: dict[str, Any] = (await client.get(f"/api/agents/runs/{run_id}")).json()
        if run["state"] in ("done", "failed", "cancelled"):
            return run
        await asyncio.sleep(0.1)
    raise AssertionError(run)


async def test_a_run_from_start_to_judgement(
    app: FastAPI, world: World, database: Database, settings: Settings
) -> None:
    agent = "http-advice"
    maker = Principal("maker", "开发", "user", frozenset({Role.DEVELOPER}), world.own.division)
    async with database.unit_of_work() as uow:
        offer = Offered(TOOLS, RULES)
        await catalogue.create(uow, AUTHORITY, maker, definition(id=agent), offer)
        await publishing.publish(uow, AUTHORITY, maker, agent, 1, offer)
        await uow.commit()
    async with bureau(database, settings), world.client(app, Role.DISPATCHER) as dispatcher:
        with Vendor(settings.port("models")) as vendor:
            vendor.say(calls("papers.search", words="水压"), answers("两小时内到场", "e1"))
            body = {"input": {"text": "水压很低"}}
            key = {"Idempotency-Key": "a-run-of-mine"}
            started = await dispatcher.post(f"/api/agents/{agent}/runs", json=body, headers=key)
            assert started.status_code == 202, started.text
            again = await dispatcher.post(f"/api/agents/{agent}/runs", json=body, headers=key)
            assert again.json()["id"] == started.json()["id"]
            run = await ended(dispatcher, started.json()["id"])
            assert (run["by"], run["result"], run["ai_label"]) == (
                "model",
                {"advice": "两小时内到场"},
                "由 AI 生成，供参考",
            )
            assert [step["kind"] for step in run["steps"]] == ["model", "tool", "model"]
            assert run["steps"][1]["output"]["answer"]["items"][0]["id"] == "doc-1"
            told = await dispatcher.post(f"/api/agents/runs/{run['id']}/feedback", json={"useful": True})
            assert told.json()["feedback"]["useful"] is True
            listed = (await dispatcher.get("/api/agents/runs", params={"mine": True})).json()
            assert [each["id"] for each in listed["items"]] == [run["id"]]


async def test_a_draft_is_tried_by_its_maker_alone_and_wrong_ones_are_told(app: FastAPI, world: World) -> None:
    agent = world.own.ids["agent"]
    good = write_yaml(definition(id=agent, tools=[], fallback={"human": "duty_officer"}))
    wrong = write_yaml(definition(id=agent, tools=["no.tool"], fallback={"human": "duty_officer"}))
    async with world.client(app, Role.DISPATCHER) as client:
        body = {"input": {"text": "水"}, "draft": good}
        assert (await client.post(f"/api/agents/{agent}/runs", json=body)).status_code == 403
    async with world.client(app, Role.DEVELOPER) as client:
        answer = await client.post(f"/api/agents/{agent}/runs", json=body)
        assert (answer.status_code, answer.json()["trial"]) == (202, True), answer.text
        answer = await client.post(f"/api/agents/{agent}/runs", json=body | {"draft": wrong})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "agent_invalid")
        answer = await client.post(f"/api/agents/{agent}-x/runs", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "agent_draft_other")
        answer = await client.post(f"/api/agents/{agent}/runs", json={"input": {"words": "水"}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "agent_input_invalid")


async def test_an_approval_over_http(app: FastAPI, world: World) -> None:
    approval = world.own.ids["approval"]
    async with world.client(app, Role.DUTY_OFFICER) as client:
        listed = (await client.get("/api/approvals", params={"state": "open"})).json()
        assert [(each["id"], each["state"], each["own"]) for each in listed["items"]] == [(approval, "open", False)]
        done = await client.post(f"/api/approvals/{approval}/decision", json={"approve": False, "reason": "不必"})
        assert (done.json()["state"], done.json()["reason"]) == ("refused", "不必")
        again = await client.post(f"/api/approvals/{approval}/decision", json={"approve": True})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_decided")
        assert (await client.get("/api/approvals", params={"state": "open"})).json()["total"] == 0
