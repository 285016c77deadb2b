"""Agents and tools over MCP with the SDK's own client: the same authority, approvals and idempotency as inside."""

import asyncio
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue.model import Shares
from chengnao.agents.model import Effect
from chengnao.agents.outside.mcp_server import KEY, RESULT
from chengnao.agents.runtime import service as runs
from chengnao.agents.runtime.repository import ApprovalRepository
from chengnao.agents.tools import Tool, offer
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.kernel.settings import Settings
from tests.support.across import AUTHORITY, door, enrol, mcp_client, publish
from tests.support.agents import TOOLS, Bureau, Noted, Question, _note, answers, calls, definition
from tests.support.vendor import Vendor
from tests.support.workshop import DISTRICT, OTHER

pytestmark = pytest.mark.engines

offer(TOOLS["papers.search"], TOOLS["papers.audit"], TOOLS["desk.note"])


async def _refuses(call: Any, given: Question) -> Noted:
    await _note(call, given)
    raise Conflict("agent_run_ended", id="x", state="已完成", state_en="done")


offer(Tool("desk.refuses", "拒绝", "Refuses.", Effect.WRITE, "incident.note", Question, Noted, _refuses))


def said(result: CallToolResult) -> dict[str, Any]:
    found: dict[str, Any] = result.structured_content
    return found


def named(key: str) -> Any:
    """The `_meta` of a call that may be sent again."""
    return {KEY: key}


async def names(client: Client) -> set[str]:
    return {each.name for each in (await client.list_tools()).tools}


async def decide(database: Database, by: Principal, approval_id: str, *, grant: bool) -> None:
    async with database.unit_of_work() as uow:
        await runs.decide(uow, AUTHORITY, by, approval_id, grant=grant, reason="已核对")
        await uow.commit()


async def test_a_client_lists_and_calls_the_agents_of_its_person(
    office: Bureau, vendor: Vendor, settings: Settings
) -> None:
    database = office.database
    maker, secret = await enrol(database, Role.DEVELOPER, DISTRICT, "unit-a")
    _, other = await enrol(database, Role.DEVELOPER, DISTRICT, "unit-b")
    await publish(database, maker, definition())
    vendor.say(calls("papers.search", words="水压"), answers("两小时内到场处置", "e1"))
    async with door(database, settings) as address:
        async with mcp_client(address, secret) as client:
            tools = {each.name: each for each in (await client.list_tools()).tools}
            assert {"agent_test-advice", "papers_search", RESULT} <= tools.keys()
            assert tools["agent_test-advice"].input_schema["required"] == ["text"]
            answer = said(await client.call_tool("agent_test-advice", {"text": "水压很低"}))
        assert (answer["state"], answer["by"]) == ("done", "model")
        assert answer["result"] == {"advice": "两小时内到场处置"}
        assert answer["evidence"][0]["title"] == "城市供水条例"
        assert answer["ai_label"] == "由 AI 生成，供参考"
        # Another unit sees nothing of it, and cannot fetch what the run gave, until the agent is shared.
        async with mcp_client(address, other) as client:
            assert "agent_test-advice" not in await names(client)
            refused = await client.call_tool("agent_test-advice", {"text": "水压很低"})
            assert refused.is_error
            assert said(refused)["error"]["code"] == "not_found"
            assert said(await client.call_tool(RESULT, {"id": answer["id"]}))["error"]["code"] == "not_found"
            async with database.unit_of_work() as uow:
                await publishing.share(uow, AUTHORITY, maker, "test-advice", Shares(unit_ids=("unit-b",)))
                await uow.commit()
            assert "agent_test-advice" in await names(client)


async def test_a_tool_is_called_with_the_rights_of_the_person(database: Database, settings: Settings) -> None:
    _, auditor = await enrol(database, Role.AUDITOR, DISTRICT)
    _, handler = await enrol(database, Role.VERIFIER, DISTRICT, "unit-a")
    async with door(database, settings) as address:
        async with mcp_client(address, handler) as client:
            assert "papers_audit" not in await names(client)
            assert said(await client.call_tool("papers_audit", {"words": "水压"}))["error"]["code"] == "outside_unknown"
            found = said(await client.call_tool("papers_search", {"words": "井盖"}))
            # What is personal is hidden before a model outside sees it.
            assert "13812345678" not in str(found)
            assert found["items"][0]["title"] == "市容管理办法"
            wrong = await client.call_tool("papers_search", {"words": 7})
            assert wrong.is_error
            assert said(wrong)["error"]["code"] == "invalid_request"
        async with mcp_client(address, auditor) as client:
            assert "papers_audit" in await names(client)


async def test_a_call_with_an_effect_waits_for_a_person_and_is_made_once(office: Bureau, settings: Settings) -> None:
    database = office.database
    caller, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    officer, _ = await enrol(database, Role.DUTY_OFFICER, DISTRICT)
    async with door(database, settings) as address, mcp_client(address, secret) as client:
        waiting = said(await client.call_tool("desk_note", {"words": "记一笔"}, meta=named("note-0001")))
        assert waiting["state"] == "waiting"
        (approval,) = waiting["approvals"]
        assert (approval["tool"], approval["arguments"]) == ("desk.note", {"words": "记一笔"})
        # Sent again with its key it is the same call; the key names no other.
        again = said(await client.call_tool("desk_note", {"words": "记一笔"}, meta=named("note-0001")))
        assert again["id"] == waiting["id"]
        reused = said(await client.call_tool("desk_note", {"words": "另一笔"}, meta=named("note-0001")))
        assert reused["error"]["code"] == "idempotency_key_reused"
        assert await office.effects() == []
        with pytest.raises(Forbidden, match="自己"):
            await decide(database, caller, approval["id"], grant=True)
        await decide(database, officer, approval["id"], grant=True)
        # Fetched by many at once, it is made once.
        fetched = await asyncio.gather(*(client.call_tool(RESULT, {"id": waiting["id"]}) for _ in range(5)))
        assert {(said(each)["state"], said(each)["result"]["number"]) for each in fetched} == {("done", 1)}
        assert await office.effects() == ["记一笔"]
        async with database.unit_of_work() as uow:
            (used,) = await ApprovalRepository(uow.session).of_run(waiting["id"])
        assert used.state.value == "used"


async def test_a_refused_call_is_not_made_and_one_that_fails_leaves_nothing(office: Bureau, settings: Settings) -> None:
    database = office.database
    _, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    officer, _ = await enrol(database, Role.DUTY_OFFICER, DISTRICT)
    async with door(database, settings) as address, mcp_client(address, secret) as client:
        refused = said(await client.call_tool("desk_note", {"words": "不该记"}))
        await decide(database, officer, refused["approvals"][0]["id"], grant=False)
        ended = said(await client.call_tool(RESULT, {"id": refused["id"]}))
        assert (ended["state"], ended["approvals"][0]["state"]) == ("cancelled", "refused")
        failing = said(await client.call_tool("desk_refuses", {"words": "记了又错"}))
        await decide(database, officer, failing["approvals"][0]["id"], grant=True)
        for _ in range(2):
            answer = await client.call_tool(RESULT, {"id": failing["id"]})
            assert answer.is_error
            assert (said(answer)["state"], said(answer)["error"]["code"]) == ("failed", "agent_run_ended")
    assert await office.effects() == []


async def test_an_agent_that_wants_to_act_tells_its_client_that_it_waits(
    office: Bureau, vendor: Vendor, settings: Settings
) -> None:
    database = office.database
    maker, _ = await enrol(database, Role.DEVELOPER, DISTRICT)
    await publish(database, maker, definition(autonomy="act_with_approval"))
    _, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    officer, _ = await enrol(database, Role.DUTY_OFFICER, DISTRICT)
    vendor.say(calls("papers.search", words="水压"), calls("desk.note", words="写一条"), answers("已记录", "e1"))
    async with door(database, settings) as address, mcp_client(address, secret) as client:
        waiting = said(await client.call_tool("agent_test-advice", {"text": "水压很低"}, meta=named("ask-00001")))
        assert waiting["state"] == "waiting"
        assert waiting["approvals"][0]["arguments"] == {"words": "写一条"}
        await decide(database, officer, waiting["approvals"][0]["id"], grant=True)
        for _ in range(100):
            answer = said(await client.call_tool(RESULT, {"id": waiting["id"]}))
            if answer["state"] == "done":
                break
        assert answer["result"] == {"advice": "已记录"}
        again = said(await client.call_tool("agent_test-advice", {"text": "水压很低"}, meta=named("ask-00001")))
        assert again["id"] == waiting["id"]
    assert await office.effects() == ["写一条"]


async def test_without_a_clients_token_the_door_stays_shut(database: Database, settings: Settings) -> None:
    person, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    async with database.unit_of_work() as uow:
        _, gateway = await access.create_token(
            uow, name="网关", role=Role.GATEWAY, division_code=DISTRICT, unit_id=None
        )
        await uow.commit()
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with door(database, settings) as address, httpx2.AsyncClient() as http:
        for headers in ({}, {"Authorization": "Bearer cn_wrong"}, {"Authorization": f"Bearer {gateway}"}):
            for path in ("/mcp", "/a2a/test-advice/", "/nothing"):
                answer = await http.post(f"{address}{path}", json=body, headers=headers)
                assert answer.status_code == 401
                assert "令牌" in answer.json()["error"]["message"]
        # An account that is closed, or a token that is ended, takes its clients with it, in the middle of a session.
        async with mcp_client(address, secret) as client:
            assert await names(client)
            async with database.unit_of_work() as uow:
                token = (await access.find_token(uow, secret)) or pytest.fail("no token")
                await access.revoke_token(uow, Scope(), token.id)
                await uow.commit()
            with pytest.raises(MCPError):
                await client.list_tools(cache_mode="bypass")
    assert person.division_code == DISTRICT


async def test_a_session_is_of_one_client_and_is_dropped_when_it_is_idle(
    database: Database, settings: Settings
) -> None:
    _, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    _, other = await enrol(database, Role.DISPATCHER, OTHER)
    begin = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    async with door(database, settings, idle_seconds=1.0) as address, httpx2.AsyncClient() as http:
        own = accept | {"Authorization": f"Bearer {secret}"}
        opened = await http.post(f"{address}/mcp", json=begin, headers=own)
        assert opened.status_code == 200
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "Mcp-Protocol-Version": "2025-06-18"}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await http.post(f"{address}/mcp", json=ready, headers=own | session)).status_code == 202
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await http.post(f"{address}/mcp", json=listing, headers=own | session)).status_code == 200
        thief = accept | session | {"Authorization": f"Bearer {other}"}
        assert (await http.post(f"{address}/mcp", json=listing, headers=thief)).status_code == 404
        await asyncio.sleep(2.0)
        assert (await http.post(f"{address}/mcp", json=listing, headers=own | session)).status_code == 404


async def test_what_is_too_long_or_no_json_is_turned_away(database: Database, settings: Settings) -> None:
    _, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    async with door(database, settings) as address, httpx2.AsyncClient() as http:
        for content, status in ((b"[" * 2_000_000, 413), (b'{"jsonrpc": "2.0", "id": 1, "meth', 400), (b"", 400)):
            answer = await http.post(f"{address}/mcp", content=content, headers=headers)
            assert answer.status_code == status, answer.text[:200]
