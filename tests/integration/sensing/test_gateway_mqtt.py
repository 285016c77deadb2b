"""MQTT: a message is acknowledged towards the broker only once it is on the log's disk."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.ids import new_secret
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.mqtt import MqttGateway, broker_of
from chengnao.sensing.gateways.mqtt_messages import MessageReader
from chengnao.sensing.gateways.topics import load_templates
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository

from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


class Running:
    """A gateway that can be stopped and started again with the same session."""

    def __init__(self, intake: Intake, settings: Settings) -> None:
        self.intake = intake
        self.settings = settings
        self.client_id = f"test-{new_secret(6).replace('.', '')}"
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        broker = broker_of(self.settings)
        assert broker is not None
        gateway = MqttGateway(MessageReader(self.intake, load_templates()), broker, self.client_id)
        self.task = asyncio.create_task(gateway.run())
        async with asyncio.timeout(10):
            while not gateway.connected:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)  # the subscription

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def gateway(intake: Intake, settings: Settings) -> AsyncIterator[Running]:
    running = Running(intake, settings)
    await running.start()
    yield running
    await running.stop()


def publish(settings: Settings, device: str, message: Any, qos: int = 1) -> None:
    broker = broker_of(settings)
    assert broker is not None
    client = paho.Client(CallbackAPIVersion.VERSION2, f"sender-{new_secret(6)}", protocol=paho.MQTTv311)
    client.username_pw_set(broker.username, broker.password)
    client.connect(broker.host, broker.port)
    client.loop_start()
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    client.publish(f"chengnao/readings/{device}", payload, qos=qos).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


async def until_logged(bus: Bus, count: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(40):
        found += keys(await logged(bus))
        if len(found) >= count:
            break
    return sorted(found)


async def test_both_forms_of_message(gateway: Running, settings: Settings, bus: Bus) -> None:
    await asyncio.to_thread(publish, settings, "p-1", {"time": NOW.isoformat(), "pressure": 31, "battery.v": 3.6})
    rows = [{"metric": "pressure", "time": NOW.isoformat(), "value": 30}, {"metric": "x", "value": 1}]
    await asyncio.to_thread(publish, settings, "p-2", {"readings": rows}, 0)
    found = await until_logged(bus, 4)
    assert [key[:2] for key in found] == [("p-1", "battery.v"), ("p-1", "pressure"), ("p-2", "pressure"), ("p-2", "x")]
    assert found[0][2] == NOW


async def test_messages_that_cannot_be_taken_are_held_and_do_not_block(
    gateway: Running, settings: Settings, bus: Bus, city: Database, intake: Intake
) -> None:
    for device, message in [
        ("p-1", b"\xff\x00"),
        ("p-1", []),
        ("p-1", {"time": NOW.isoformat()}),
        ("nobody", {"pressure": 1}),
        ("p-1", {"pressure": "high"}),
        ("p-2", {"pressure": 2}),
    ]:
        await asyncio.to_thread(publish, settings, device, message)
    assert [key[0] for key in await until_logged(bus, 1)] == ["p-2"]
    await intake.desk.flush()
    async with city.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope(), HeldFilter(source="mqtt"), PageRequest(1, 100))
    assert sorted(piece.reason for piece in page.items) == [
        "message_unreadable",
        "message_unreadable",
        "message_unreadable",
        "reading_value",
        "unknown_device",
    ]


async def test_message_that_arrives_while_the_log_is_away_is_not_lost(
    gateway: Running, settings: Settings, bus: Bus, intake: Intake
) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    await asyncio.to_thread(publish, settings, "p-1", {"time": NOW.isoformat(), "pressure": 5})
    await asyncio.sleep(0.3)
    # The gateway goes down with the message in its hands: the broker still has it, since it was not acknowledged.
    await gateway.stop()
    intake.committer._publish = kept
    assert len(await logged(bus)) == 0
    await gateway.start()
    assert [key[:2] for key in await until_logged(bus, 1)] == [("p-1", "pressure")]


async def test_message_sent_while_the_gateway_is_down_comes_later(
    gateway: Running, settings: Settings, bus: Bus
) -> None:
    await gateway.stop()
    await asyncio.to_thread(publish, settings, "p-1", {"time": NOW.isoformat(), "pressure": 6})
    await gateway.start()
    assert [key[3] for key in await until_logged(bus, 1)] == [6.0]
