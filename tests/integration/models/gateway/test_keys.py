"""Who may call, what is kept of what was said, and what never leaves the gateway."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway import service
from chengnao.models.gateway.model import Key, Target
from chengnao.models.gateway.repository import GatewayRepository
from chengnao.models.gateway.server import purge
from tests.integration.models.gateway.conftest import TARGET, Served
from tests.support.gateway import SECRET, chat
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines


async def make_key(served: Served, **values: Any) -> tuple[Key, dict[str, str]]:
    """A key of a district, and the header that uses it."""
    fields: dict[str, Any] = {"name": "区级应用", "division_code": "500103", "unit_id": None, "routes": None}
    fields |= {"data": DataClass.INTERNAL, "expires_at": None}
    async with served.database.unit_of_work() as uow:
        await seed_divisions(uow)
        key, secret = await service.make_key(uow, SYSTEM, **fields | values)
        await uow.commit()
    await served.gateway.calls.directory.load()
    return key, {"Authorization": f"Bearer {secret}"}


async def code_of(served: Served, headers: dict[str, str], **body: Any) -> tuple[int, str]:
    answer = await served.chat(headers=headers, **body)
    return answer.status_code, "" if answer.is_success else answer.json()["error"]["code"]


async def test_nobody_without_a_key_is_served(served: Served, vendor: Vendor) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        for path, body in (("/chat/completions", chat()), ("/embeddings", {}), ("/audio/transcriptions", {})):
            answer = await served.client.post(path, json=body, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await served.client.get("/models", headers=headers)).status_code == 401
    assert vendor.asked == []


async def test_a_key_speaks_for_its_unit_whatever_it_says(served: Served) -> None:
    key, bearer = await make_key(served)
    assert (await code_of(served, bearer | {"X-Chengnao-Division": "500108", "X-Chengnao-Unit": "other"}))[0] == 200
    found = await served.rows("SELECT division_code, unit_id, key_id, purpose FROM model_calls")
    assert found == [("500103", None, key.id, "api")]


async def test_a_key_reaches_its_routes_and_sends_its_class_of_data(served: Served, vendor: Vendor) -> None:
    await served.route(TARGET, name="chat-small")
    _, bearer = await make_key(served, routes=("chat-small",), data=DataClass.PUBLIC)
    public = bearer | {"X-Data-Class": "public"}
    assert await code_of(served, public, model="chat-small") == (200, "")
    assert await code_of(served, public, model="chat") == (403, "model_key_route")
    assert await code_of(served, public, model="chat", stream=True) == (403, "model_key_route")
    assert await code_of(served, bearer, model="chat-small") == (403, "model_key_data")
    assert len(vendor.asked) == 1


async def test_a_revoked_key_is_refused_as_soon_as_the_gateway_has_heard(served: Served) -> None:
    key, bearer = await make_key(served)
    assert await code_of(served, bearer) == (200, "")
    async with served.database.unit_of_work() as uow:
        await service.revoke_key(uow, SYSTEM, Scope(), key.id)
        await uow.commit()
    for _ in range(100):
        if (await code_of(served, bearer))[0] == 401:
            break
        await asyncio.sleep(0.05)
    assert await code_of(served, bearer) == (401, "model_key_refused")


async def test_a_key_ends_with_its_time(served: Served) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=5)
    _, bearer = await make_key(served, expires_at=ends)
    status = 200
    while status == 200:
        asked = datetime.now(UTC)
        status, code = await code_of(served, bearer)
        assert (status == 200) or datetime.now(UTC) >= ends
        assert asked < ends or status == 401
        await asyncio.sleep(0.1)
    assert (status, code) == (401, "model_key_refused")


async def test_a_budget_of_a_key_binds_that_key_alone(served: Served) -> None:
    key, bearer = await make_key(served)
    _, other = await make_key(served)
    await served.budget(key_id=key.id, requests=1)
    assert [await code_of(served, each) for each in (bearer, bearer, other)] == [
        (200, ""),
        (429, "budget_spent"),
        (200, ""),
    ]


async def test_no_secret_is_in_the_database_or_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture, vendor: Vendor
) -> None:
    caplog.set_level(logging.DEBUG)
    _, bearer = await make_key(served)
    vendor.say(Said(status=401, text=f"wrong key {SECRET}"), Said(status=500, text=SECRET), Said(cut_after=3))
    for _ in range(4):
        await served.chat("身份证 500103199001011234", headers=bearer)
    await served.rows("SELECT 1")
    tables = [row[0] for row in await served.rows("SELECT tablename FROM pg_tables WHERE tablename LIKE 'model_%%'")]
    assert len(tables) > 5
    dumped = "".join([str(await served.rows(f"SELECT * FROM {each}")) for each in tables])
    for secret in (SECRET, bearer["Authorization"][7:], "500103199001011234"):
        assert secret not in dumped
        assert secret not in caplog.text


@pytest.mark.parametrize(("data", "kept"), [("public", True), ("internal", True), ("sensitive", False)])
async def test_what_was_said_is_kept_sealed_by_its_class(served: Served, vendor: Vendor, data: str, kept: bool) -> None:
    await served.route(Target("provider:one", "m", data=DataClass.SENSITIVE))
    vendor.say("已转市政处")
    answer = await served.chat("南坪路灯不亮", headers={"X-Data-Class": data})
    call_id = answer.headers["x-request-id"]
    found = await served.rows("SELECT call_id FROM model_texts")
    assert found == ([(call_id,)] if kept else [])
    if kept:
        async with served.database.unit_of_work() as uow:
            vault = Vault.of(served.settings.home)
            text = (await service.read_text(uow, vault, SYSTEM, Scope(), call_id)).text
            await uow.commit()
        assert "南坪路灯不亮" in text
        assert "已转市政处" in text
        assert await served.rows("SELECT count(*) FROM audit WHERE action = 'model_text.read'") == [(1,)]


async def test_a_streamed_answer_is_kept_too(served: Served, vendor: Vendor) -> None:
    vendor.say("请到渝中区政务大厅办理")
    call_id = (await served.chat(stream=True)).headers["x-request-id"]
    await served.rows("SELECT 1")
    async with served.database.unit_of_work() as uow:
        kept = await service.read_text(uow, Vault.of(served.settings.home), SYSTEM, Scope(), call_id)
    assert "请到渝中区政务大厅办理" in kept.text


async def test_texts_go_when_their_time_is_over_and_a_shorter_time_holds_for_those_that_are_there(
    served: Served,
) -> None:
    for data in ("public", "internal"):
        await served.chat(headers={"X-Data-Class": data})
    await served.rows("UPDATE model_texts SET at = now() - interval '8 days' RETURNING 1")
    directory = served.gateway.calls.directory
    assert await purge(directory, served.database) == 1
    assert await served.rows("SELECT data_class FROM model_texts") == [("public",)]
    async with served.database.unit_of_work() as uow:
        days = {DataClass.PUBLIC: 5, DataClass.INTERNAL: 0, DataClass.SENSITIVE: 0}
        await service.put_retention(uow, SYSTEM, days)
        await uow.commit()
    await directory.load()
    assert await purge(directory, served.database) == 1
    await served.chat(headers={"X-Data-Class": "internal"})
    assert await served.rows("SELECT call_id FROM model_texts") == []
    async with served.database.unit_of_work() as uow:
        assert len((await GatewayRepository(uow.session).routes())[0].targets) == 1
