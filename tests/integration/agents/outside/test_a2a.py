"""A card and an endpoint per agent, with the A2A SDK's own client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from a2a.client import Client, ClientConfig, create_client
from a2a.client.errors import A2AClientError
from a2a.types.a2a_pb2 import CancelTaskRequest, GetTaskRequest, SendMessageRequest, Task, TaskState
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict, ParseDict

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue.model import Shares
from chengnao.agents.runtime import service as runs
from chengnao.kernel.access.model import Role
from chengnao.kernel.settings import Settings
from tests.support.across import AUTHORITY, door, enrol, publish
from tests.support.agents import Bureau, answers, calls, definition
from tests.support.vendor import Said, Vendor
from tests.support.workshop import DISTRICT

pytestmark = pytest.mark.engines


@asynccontextmanager
async def a2a_client(address: str, secret: str, agent_id: str = "test-advice") -> AsyncIterator[Client]:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, timeout=60) as http:
        yield await create_client(f"{address}/a2a/{agent_id}", ClientConfig(streaming=False, httpx_client=http))


async def send(client: Client, *parts: dict[str, Any], key: str = "m-1", wait: bool = True) -> Task:
    message = {"messageId": key, "role": "ROLE_USER", "parts": list(parts)}
    request = ParseDict({"message": message, "configuration": {"returnImmediately": not wait}}, SendMessageRequest())
    found = [each async for each in client.send_message(request)]
    assert len(found) == 1
    return found[0].task


async def test_the_sdks_client_reads_the_card_and_gets_an_answer_with_its_evidence(
    office: Bureau, vendor: Vendor, settings: Settings
) -> None:
    maker, secret = await enrol(office.database, Role.DEVELOPER, DISTRICT, "unit-a")
    await publish(office.database, maker, definition())
    vendor.say(calls("papers.search", words="水压"), answers("两小时内到场处置", "e1"))
    async with door(office.database, settings) as address, a2a_client(address, secret) as client:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as http:
            card = (await http.get(f"{address}/a2a/test-advice/.well-known/agent-card.json")).json()
        assert card["name"] == "建议"
        assert card["supportedInterfaces"] == [
            {"url": f"{address}/a2a/test-advice/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ]
        assert card["securitySchemes"] == {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}}
        task = await send(client, {"data": {"text": "水压很低"}})
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
        answer = MessageToDict(task.artifacts[0])
        assert answer["parts"][0]["data"] == {"advice": "两小时内到场处置"}
        assert answer["metadata"]["evidence"][0]["title"] == "城市供水条例"
        assert answer["metadata"]["ai_label"] == "由 AI 生成，供参考"
        # The same message sent again is the same task; it can be fetched by its id.
        assert (await send(client, {"data": {"text": "水压很低"}})).id == task.id
        assert (await client.get_task(GetTaskRequest(id=task.id))).artifacts[0] == task.artifacts[0]


async def test_a_text_is_enough_where_the_input_is_one_text_and_anything_else_is_refused(
    office: Bureau, vendor: Vendor, settings: Settings
) -> None:
    maker, secret = await enrol(office.database, Role.DEVELOPER, DISTRICT, "unit-a")
    await publish(office.database, maker, definition(tools=[], evidence="optional"))
    vendor.say(answers("好"))
    async with door(office.database, settings) as address, a2a_client(address, secret) as client:
        task = await send(client, {"text": "水压"}, {"text": "很低"})
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
        wrong: list[list[dict[str, Any]]] = [[{"data": {"no": 1}}], [{"data": [1]}], [{"url": "http://x"}], []]
        for number, parts in enumerate(wrong):
            with pytest.raises((A2AError, A2AClientError)):
                await send(client, *parts, key=f"bad-{number}")
        with pytest.raises((A2AError, A2AClientError)):
            await client.get_task(GetTaskRequest(id="no-such-run"))


async def test_a_task_that_needs_leave_says_so_and_goes_on_when_it_is_given(
    office: Bureau, vendor: Vendor, settings: Settings
) -> None:
    database = office.database
    maker, _ = await enrol(database, Role.DEVELOPER, DISTRICT)
    await publish(database, maker, definition(autonomy="act_with_approval"))
    _, secret = await enrol(database, Role.DISPATCHER, DISTRICT)
    officer, _ = await enrol(database, Role.DUTY_OFFICER, DISTRICT)
    vendor.say(calls("papers.search", words="水压"), calls("desk.note", words="写一条"), answers("已记录", "e1"))
    async with door(database, settings) as address, a2a_client(address, secret) as client:
        task = await send(client, {"data": {"text": "水压很低"}})
        assert task.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
        assert "desk.note" in task.status.message.parts[0].text
        (asked,) = MessageToDict(task.metadata)["approvals"]
        assert asked["arguments"] == {"words": "写一条"}
        async with database.unit_of_work() as uow:
            await runs.decide(uow, AUTHORITY, officer, asked["id"], grant=True, reason="已核对")
            await uow.commit()
        # Asked again by the same message, it is waited for until it ends.
        for _ in range(100):
            task = await client.get_task(GetTaskRequest(id=task.id))
            if task.status.state == TaskState.TASK_STATE_COMPLETED:
                break
        assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert await office.effects() == ["写一条"]


async def test_a_task_can_be_cancelled_and_is_nobody_elses(office: Bureau, vendor: Vendor, settings: Settings) -> None:
    database = office.database
    maker, secret = await enrol(database, Role.DEVELOPER, DISTRICT, "unit-a")
    _, other = await enrol(database, Role.DEVELOPER, DISTRICT, "unit-b")
    await publish(database, maker, definition(tools=[], evidence="optional"))
    vendor.say(Said(delay=20.0))
    async with door(database, settings) as address:
        # The other unit finds neither card nor endpoint, and no task once the agent is shared with it.
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {other}"}) as http:
            for path in (".well-known/agent-card.json", ""):
                method = "GET" if path else "POST"
                assert (await http.request(method, f"{address}/a2a/test-advice/{path}", json={})).status_code == 404
        async with a2a_client(address, secret) as client:
            task = await send(client, {"text": "水压很低"}, wait=False)
            assert task.status.state in (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
            async with database.unit_of_work() as uow:
                await publishing.share(uow, AUTHORITY, maker, "test-advice", Shares(unit_ids=("unit-b",)))
                await uow.commit()
            async with a2a_client(address, other) as foreign:
                for ask in (
                    foreign.get_task(GetTaskRequest(id=task.id)),
                    foreign.cancel_task(CancelTaskRequest(id=task.id)),
                ):
                    with pytest.raises((A2AError, A2AClientError)):
                        await ask
            ended = await client.cancel_task(CancelTaskRequest(id=task.id))
            assert ended.status.state == TaskState.TASK_STATE_CANCELED
            with pytest.raises((A2AError, A2AClientError)):
                await client.cancel_task(CancelTaskRequest(id=task.id))
