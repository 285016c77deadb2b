"""The gateway as a process: ready, working on all its ports, stopped without losing what it took."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from nats.js.api import StreamConfig

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.database import Database
from chengnao.kernel.health import read_health
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.gateways import process
from chengnao.sensing.protocols import coap, hj212
from tests.support.ports import free_block

from .conftest import token
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Gateway:
    settings: Settings
    task: asyncio.Task[None]
    client: httpx.AsyncClient

    async def post(self, rows: list[dict[str, Any]]) -> httpx.Response:
        return await self.client.post("/readings", json=rows)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(self.task, 10)


def row(seconds: int, device: str = "p-1") -> dict[str, Any]:
    return {
        "device": device,
        "metric": "pressure",
        "time": (NOW - timedelta(seconds=seconds)).isoformat(),
        "value": 1.5,
    }


@pytest.fixture
async def gateway(city: Database, bus: Bus, settings: Settings, database_url: str) -> AsyncIterator[Gateway]:
    """The whole process inside this one; NATS is found where the settings of the tests say."""
    nats = f"nats://{_nats_user(settings)}@127.0.0.1:{settings.port('nats')}"
    mine = settings.model_copy(update={"database_url": database_url, "nats_urls": [nats], "base_port": free_block()})
    task = asyncio.create_task(process.run(mine))
    async with asyncio.timeout(20):
        while (health := read_health(mine.home, "gateway")) is None or not health.ready:
            assert not task.done()
            await asyncio.sleep(0.05)
    headers = {"Authorization": f"Bearer {await token(city)}"}
    address = f"http://127.0.0.1:{mine.port('gateway')}"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client:
        running = Gateway(mine, task, client)
        yield running
        await running.stop()


def _nats_user(settings: Settings) -> str:
    secrets = load_secrets(settings.home)
    return f"{secrets.nats_user}:{secrets.nats_password}"


async def test_serves_and_stops_cleanly(gateway: Gateway, bus: Bus) -> None:
    assert (await gateway.client.get("/healthz")).status_code == 200
    assert (await gateway.post([row(0)])).json()["accepted"] == 1
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.port("hj212"))
    header = {"CN": "2011", "MN": "river-1", "Flag": "5"}
    writer.write(hj212.encode(header, {"DataTime": hj212.field_text(NOW)}, {"LEVEL": {"Rtd": "180.5"}}))
    assert b"CN=9014" in await asyncio.wait_for(reader.readline(), 5)
    await gateway.stop()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    for port in ("gateway", "hj212"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", gateway.settings.port(port))) != 0
    assert [key[:2] for key in keys(await logged(bus))] == [("p-1", "pressure"), ("river-1", "level")]
    assert read_health(gateway.settings.home, "gateway") is None


async def test_what_is_acknowledged_while_stopping_is_on_the_log(gateway: Gateway, bus: Bus) -> None:
    acknowledged: list[int] = []

    async def send(first: int) -> None:
        for number in range(first, first + 1000):
            with suppress(httpx.HTTPError):
                answer = await gateway.post([row(number)])
                if answer.status_code == 200:
                    acknowledged.append(number)

    senders = [asyncio.create_task(send(first * 1000)) for first in range(8)]
    await asyncio.sleep(0.6)
    await gateway.stop()
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    assert len(acknowledged) > 20
    found = {key[2] for key in keys(await logged(bus))}
    assert {NOW - timedelta(seconds=number) for number in acknowledged} <= found


async def test_full_log_is_told_and_nothing_acknowledged_is_lost(gateway: Gateway, bus: Bus) -> None:
    info = await bus.jetstream.stream_info(READINGS)
    config: StreamConfig = info.config
    room, config.max_bytes = config.max_bytes, 20_000
    await bus.jetstream.update_stream(config)
    acknowledged = 0
    try:
        for number in range(200):
            answer = await gateway.post([row(number * 50 + each) for each in range(50)])
            if answer.status_code != 200:
                break
            acknowledged += 50
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["error"]["code"] == "bus_unavailable"
        assert 0 < acknowledged == len(await logged(bus))
        # Both consumers have to be done with a batch before there is room again.
        await bus.jetstream.purge_stream(READINGS)
        assert (await gateway.post([row(1)])).status_code == 200
    finally:
        config.max_bytes = room
        await bus.jetstream.update_stream(config)


async def test_coap_and_lorawan_are_served(gateway: Gateway) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Device(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, peer: Any) -> None:
            heard.put_nowait(data)

    place = ("127.0.0.1", gateway.settings.port("coap"))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Device, remote_addr=place)
    transport.sendto(coap.encode("CON", 0, 77, b""))
    pong = coap.decode(await asyncio.wait_for(heard.get(), 5))
    assert isinstance(pong, coap.Message)
    assert (pong.type, pong.mid) == ("RST", 77)
    transport.close()
    answer = await gateway.client.post("/lorawan", json={"deviceInfo": {"devEui": "00" * 8}, "fPort": 1})
    assert [each["code"] for each in answer.json()["rejected"]] == ["unknown_device"]
