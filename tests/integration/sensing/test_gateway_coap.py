"""CoAP: a device posts with a real client; what it is answered, and what stands on the log."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.coap import MAX_BODY, CoapGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import TokenCache
from chengnao.sensing.protocols import coap
from chengnao.sensing.protocols.senml import CONTENT_FORMAT
from tests.support.ports import free_port

from .conftest import device, token
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


class Client:
    def __init__(self, context: aiocoap.Context, port: int, secret: str) -> None:
        self.context = context
        self.port = port
        self.secret = secret

    async def post(self, body: Any, form: int | None = 50, secret: str | None = None) -> Any:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        uri = f"coap://127.0.0.1:{self.port}/readings?token={self.secret if secret is None else secret}"
        message = aiocoap.Message(code=Code.POST, payload=payload, uri=uri)
        if form is not None:
            message.opt.content_format = form
        return await asyncio.wait_for(self.context.request(message).response, 20)


@pytest.fixture
async def gateway(intake: Intake, city: Database) -> AsyncIterator[tuple[CoapGateway, int]]:
    port = free_port()
    made = CoapGateway(intake, TokenCache(city))
    await made.start("127.0.0.1", port)
    yield made, port
    await made.close()


@pytest.fixture
async def client(gateway: tuple[CoapGateway, int], city: Database) -> AsyncIterator[Client]:
    context = await aiocoap.Context.create_client_context()
    yield Client(context, gateway[1], await token(city))
    await context.shutdown()


def row(**more: Any) -> dict[str, Any]:
    return {"device": "p-1", "metric": "pressure", "time": NOW.isoformat(), "value": 31.5} | more


async def test_json_is_on_the_log_when_it_is_answered(client: Client, bus: Bus) -> None:
    answer = await client.post([row(), row(device="nobody")])
    assert answer.code == Code.CHANGED
    assert json.loads(answer.payload) == {
        "accepted": 1,
        "refused": 1,
        "rejected": [{"index": 1, "code": "unknown_device"}],
    }
    assert keys(await logged(bus)) == [("p-1", "pressure", NOW, 31.5, "good")]


async def test_senml_finds_the_device_by_its_address_and_maps_its_points(
    client: Client, city: Database, intake: Intake, bus: Bus
) -> None:
    async with city.unit_of_work() as uow:
        await put_all(uow, [device("meter-1", protocol=Protocol.COAP, address="urn:dev:ow:10e2073a01080063")])
        await uow.commit()
    await intake.feed.refresh()
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063/", "bt": NOW.timestamp(), "n": "pressure", "v": 25.5},
        {"n": "Battery", "v": 3.6},
        {"n": "latitude", "v": 29.5},
        {"n": "longitude", "v": 106.5},
    ]
    answer = await client.post(pack, CONTENT_FORMAT)
    assert answer.code == Code.CHANGED
    assert [key[:4] for key in keys(await logged(bus))] == [
        ("meter-1", "battery", NOW, 3.6),
        ("meter-1", "pressure", NOW, 25.5),
    ]


async def test_a_body_in_many_blocks(client: Client, bus: Bus) -> None:
    rows = [row(metric=f"m{number}") for number in range(200)]
    assert len(json.dumps(rows)) > 10 * 1024
    answer = await client.post(rows)
    assert json.loads(answer.payload)["accepted"] == 200
    assert len(await logged(bus)) == 200


async def test_what_cannot_be_taken_is_told(client: Client) -> None:
    for body, form, secret, code in [
        ([row()], 50, "", Code.UNAUTHORIZED),
        ([row()], 50, "guess", Code.FORBIDDEN),
        (b"{", 50, None, Code.BAD_REQUEST),
        (b"[1]", CONTENT_FORMAT, None, Code.BAD_REQUEST),
        ([row()], 60, None, Code.BAD_REQUEST),
        ([row(device="nobody")], 50, None, Code.UNPROCESSABLE_ENTITY),
        (b" " * (MAX_BODY + 2048), 50, None, Code.REQUEST_ENTITY_TOO_LARGE),
    ]:
        answer = await client.post(body, form, secret)
        assert answer.code == code, (body, answer)


async def test_no_success_while_the_log_is_away(client: Client, intake: Intake, bus: Bus) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    assert (await client.post([row()])).code == Code.SERVICE_UNAVAILABLE
    intake.committer._publish = kept
    assert (await client.post([row()])).code == Code.CHANGED
    assert len(await logged(bus)) == 1


async def test_plain_datagrams_of_our_own_and_nonsense_between_them(
    gateway: tuple[CoapGateway, int], client: Client
) -> None:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Device(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, peer: Any) -> None:
            heard.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Device, remote_addr=("127.0.0.1", gateway[1]))
    options = [(coap.URI_PATH, b"readings"), (coap.URI_QUERY, f"token={client.secret}".encode())]
    for nonsense in (b"", b"\x40", b"\xff" * 50, b"\x40\x02\x00\x01\xff", b"\x49\x02\x00\x01" + b"x" * 20):
        transport.sendto(nonsense)
    body = json.dumps([row()]).encode()
    transport.sendto(coap.encode("CON", 2, 77, b"ab", [*options, (coap.CONTENT_FORMAT, b"\x32")], body))
    async with asyncio.timeout(5):
        while True:
            answer = coap.decode(await heard.get())
            if isinstance(answer, coap.Message) and answer.token == b"ab":
                break
    assert answer.code_text == "2.04"
    transport.close()
