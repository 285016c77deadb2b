"""What those who run the gateway do over HTTP, and what they are shown."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.web import Context, _principal, install_error_handlers
from chengnao.models.gateway import routes
from chengnao.models.gateway.metering import routes as metering_routes
from tests.integration.models.gateway.conftest import Served
from tests.support.gateway import SECRET
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines

OPERATOR = Principal("op", "运维员", "user", frozenset({Role.OPERATOR}), "500000")


class Desk(httpx.AsyncClient):
    """The admin routes, as the person whom a test names."""

    actor = OPERATOR

    async def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = await self.request(method, f"/api/models{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
async def desk(served: Served) -> AsyncIterator[Desk]:
    async with served.database.unit_of_work() as uow:
        await seed_divisions(uow)
        await uow.commit()
    app = FastAPI()
    app.state.context = Context(served.settings, SystemClock(), served.database, cast(Bus, None), Authority.load())
    install_error_handlers(app)
    app.include_router(routes.router, prefix="/api")
    app.include_router(metering_routes.router, prefix="/api")
    async with Desk(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        app.dependency_overrides[_principal] = lambda: client.actor
        yield client


async def test_a_provider_a_route_and_a_key_and_the_first_answer(served: Served, desk: Desk, vendor: Vendor) -> None:
    body = {"name": "new", "base_url": vendor.url, "secret": "sk-of-the-new-one"}
    provider = await desk.ask("POST", "/providers", 201, json=body)
    assert provider["has_secret"] is True
    tried = await desk.ask("POST", f"/providers/{provider['id']}/test", json={})
    assert (tried["ok"], tried["models"]) == (True, ["stub"])
    tried = await desk.ask("POST", f"/providers/{provider['id']}/test", json={"model": "m"})
    assert tried["ok"] is True
    assert vendor.asked[-1].headers["authorization"] == "Bearer sk-of-the-new-one"
    target = {"source": "provider:new", "model": "m", "price_in": 1000, "data": "public"}
    route = {"kind": "chat", "title": "小模型", "targets": [target]}
    assert (await desk.ask("PUT", "/routes/chat-small", json=route))["version"] == 1
    made = await desk.ask("POST", "/keys", 201, json={"name": "街道应用", "division_code": "500103", "data": "public"})
    assert made["key"]["hint"] == made["secret"][-4:]
    listed = await desk.ask("GET", "/keys")
    assert listed["total"] == 1
    assert made["secret"] not in str(listed)
    await served.gateway.calls.directory.load()
    headers = {"Authorization": f"Bearer {made['secret']}", "X-Data-Class": "public"}
    assert (await served.chat(headers=headers, model="chat-small")).status_code == 200
    await desk.ask("DELETE", f"/keys/{made['key']['id']}", 204)
    assert (await desk.ask("GET", "/keys"))["items"][0]["revoked_at"] is not None


async def test_a_secret_is_never_shown_and_stays_where_none_is_given(desk: Desk, vendor: Vendor) -> None:
    for path in ("/providers", "/routes", "/keys", "/budgets", "/calls"):
        assert SECRET not in str(await desk.ask("GET", path))
    one = next(each for each in await desk.ask("GET", "/providers") if each["name"] == "one")
    body = {"name": "one", "base_url": vendor.url}
    assert (await desk.ask("PUT", f"/providers/{one['id']}", json=body))["has_secret"] is True
    await desk.ask("POST", f"/providers/{one['id']}/test", json={})
    assert vendor.asked[-1].headers["authorization"] == f"Bearer {SECRET}"
    assert (await desk.ask("PUT", f"/providers/{one['id']}", json=body | {"secret": ""}))["has_secret"] is False
    await desk.ask("POST", f"/providers/{one['id']}/test", json={})
    assert "authorization" not in vendor.asked[-1].headers


async def test_a_test_call_tells_what_is_wrong(desk: Desk, vendor: Vendor) -> None:
    one = next(each for each in await desk.ask("GET", "/providers") if each["name"] == "one")
    vendor.say(Said(status=401), Said(raw=b"<html>"), Said(cut_after=5))
    found = [await desk.ask("POST", f"/providers/{one['id']}/test", json={"model": "m"}) for _ in range(3)]
    assert [each["ok"] for each in found] == [False] * 3
    assert [each["detail"] for each in found] == ["HTTP 401", "the answer is no JSON object", "connection closed"]
    vendor.stop()
    assert (await desk.ask("POST", f"/providers/{one['id']}/test", json={}))["ok"] is False


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"version": 9}, 409, "version_conflict"),
        ({"kind": "embedding"}, 409, "model_route_kind"),
        ({"targets": [{"source": "provider:nobody", "model": "m"}]}, 400, "model_source_unknown"),
        ({"targets": [{"source": "embedded:chat", "model": "m"}]}, 400, "model_source_unknown"),
        ({"targets": [{"source": "deployment:a", "model": "m"}] * 2}, 400, "model_target_twice"),
        ({"targets": [{"source": "http://evil", "model": "m"}]}, 422, "invalid_request"),
        ({"targets": [{"source": "deployment:a", "model": "m", "seconds": 0}]}, 422, "invalid_request"),
    ],
)
async def test_a_route_that_cannot_be_is_refused(desk: Desk, change: dict[str, Any], status: int, code: str) -> None:
    body = {"kind": "chat", "title": "对话", "targets": [], "version": 1} | change
    assert (await desk.ask("PUT", "/routes/chat", status, json=body))["error"]["code"] == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base_url": "ftp://a/v1"}, "model_address"),
        ({"base_url": "http://user:word@a/v1"}, "model_address"),
        ({"base_url": "http://"}, "model_address"),
        ({"secret": "two words"}, "model_secret"),
        ({"secret": "sk\r\nX-Evil: 1"}, "model_secret"),
    ],
)
async def test_a_provider_that_cannot_be_is_refused(desk: Desk, change: dict[str, Any], code: str) -> None:
    body = {"name": "x", "base_url": "http://a/v1"} | change
    assert (await desk.ask("POST", "/providers", 400, json=body))["error"]["code"] == code


async def test_a_provider_that_a_route_needs_stays(desk: Desk, vendor: Vendor) -> None:
    found = {each["name"]: each["id"] for each in await desk.ask("GET", "/providers")}
    refused = await desk.ask("DELETE", f"/providers/{found['one']}", 409)
    assert refused["error"]["code"] == "model_provider_used"
    renamed = {"name": "uno", "base_url": vendor.url}
    await desk.ask("PUT", f"/providers/{found['one']}", 409, json=renamed)
    await desk.ask("POST", "/providers", 409, json={"name": "one", "base_url": vendor.url})
    await desk.ask("DELETE", f"/providers/{found['two']}", 204)


async def test_budgets_are_shown_with_what_is_spent_now(served: Served, desk: Desk) -> None:
    body = {"name": "渝中日预算", "division_code": "500103", "period": "day", "requests": 10, "money": 1_000_000}
    made = await desk.ask("PUT", "/budgets", json=body)
    await served.gateway.calls.directory.load()
    await served.chat(headers={"X-Chengnao-Division": "500103"})
    await served.rows("SELECT 1")
    (shown,) = (await desk.ask("GET", "/budgets"))["items"]
    assert shown["spent"] == {"requests": 1, "tokens": 15, "money": 20}
    assert shown["reserved"] == {"requests": 0, "tokens": 0, "money": 0}
    changed = await desk.ask("PUT", "/budgets", json=body | {"id": made["id"], "requests": 1})
    assert changed["spent"]["requests"] == 1, "what is spent stays when the limit changes"
    await served.gateway.calls.directory.load()
    assert (await served.chat(headers={"X-Chengnao-Division": "500103"})).status_code == 429
    await desk.ask("PUT", "/budgets", 409, json=body | {"id": made["id"], "period": "month"})
    empty = await desk.ask("PUT", "/budgets", 400, json={**body, "requests": None, "money": None})
    assert empty["error"]["code"] == "budget_without_limit"
    await desk.ask("DELETE", f"/budgets/{made['id']}", 204)
    assert (await desk.ask("GET", "/budgets"))["total"] == 0


async def test_usage_is_summed_by_what_is_asked_for_and_seen_by_ones_own(
    served: Served, desk: Desk, vendor: Vendor
) -> None:
    for division, unit, purpose in (
        ("500103", "城管", "triage"),
        ("500103", "住建", "triage"),
        ("500108", "", "reply"),
    ):
        headers = {"X-Chengnao-Division": division, "X-Chengnao-Purpose": purpose}
        if unit:
            headers["X-Chengnao-Unit"] = unit
        encoded = {name: value.encode() for name, value in headers.items()}
        answer = await served.chat(headers=encoded)  # type: ignore[arg-type]
        assert answer.status_code == 200
    vendor.say(Said("nothing", status=500))
    await served.chat(headers={"X-Chengnao-Purpose": "reply"})
    await served.rows("SELECT 1")

    async def usage(by: str) -> dict[str | None, tuple[int, int, int]]:
        items = (await desk.ask("GET", "/usage", params={"by": by}))["items"]
        return {each["name"]: (each["calls"], each["failed"], each["amount"]["money"]) for each in items}

    assert await usage("purpose") == {"triage": (2, 0, 40), "reply": (2, 1, 20)}
    assert await usage("unit") == {"城管": (1, 0, 20), "住建": (1, 0, 20), None: (2, 1, 20)}
    assert await usage("route") == {"chat": (4, 1, 60)}
    assert len(await usage("day")) in (1, 2)
    desk.actor = replace(OPERATOR, division_code="500103")
    assert await usage("purpose") == {"triage": (2, 0, 40)}
    calls = await desk.ask("GET", "/calls", params={"purpose": "reply"})
    assert calls["total"] == 0
    assert (await desk.ask("GET", "/calls"))["total"] == 2


async def test_a_districts_operator_changes_nothing_that_all_share(desk: Desk, vendor: Vendor) -> None:
    (one, _) = await desk.ask("GET", "/providers")
    desk.actor = replace(OPERATOR, division_code="500103")
    await desk.ask("POST", "/providers", 403, json={"name": "mine", "base_url": vendor.url})
    await desk.ask("POST", f"/providers/{one['id']}/test", 403, json={})
    await desk.ask("PUT", "/routes/chat", 403, json={"kind": "chat", "title": "x", "targets": [], "version": 1})
    await desk.ask("PUT", "/retention", 403, json={"public": 1, "internal": 1, "sensitive": 0})
    body = {"name": "越权", "division_code": "500108", "period": "day", "requests": 1}
    await desk.ask("PUT", "/budgets", 403, json=body)
    await desk.ask("POST", "/keys", 403, json={"name": "越权", "division_code": "500000"})
