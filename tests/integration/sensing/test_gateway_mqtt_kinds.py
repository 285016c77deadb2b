"""What comes over MQTT besides the platform's own form, with paho in 3.1.1 and 5 against real brokers."""

import asyncio
import base64
import json
import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_secret
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from chengnao.sensing.devices.model import Point, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.mqtt import Broker, MqttGateway, broker_of
from chengnao.sensing.gateways.mqtt_messages import MessageReader
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.gateways.topics import load_templates
from chengnao.sensing.protocols import sparkplug
from chengnao.sensing.protocols.sparkplug import Metric
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from tests.support.brokers import mosquitto

from .conftest import device
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
MS = int(NOW.timestamp() * 1000)
EUI = "24e124136b502217"


@dataclass
class Site:
    """A broker, the gateway on it, and what speaks to them."""

    broker: Broker
    intake: Intake
    database: Database
    bus: Bus

    @asynccontextmanager
    async def gateway(self, client_id: str = "") -> AsyncIterator[MqttGateway]:
        reader = MessageReader(self.intake, load_templates())
        made = MqttGateway(reader, self.broker, client_id or f"gateway-{new_secret(6)}")
        task = asyncio.create_task(made.run())
        async with asyncio.timeout(10):
            while not made.connected:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)  # the subscriptions
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def client(self, version: MQTTProtocolVersion | None = None, *topics: str) -> AsyncIterator["Sender"]:
        five = self.broker.version == "5"
        version = version or (MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311)
        made = Sender(self.broker, version, topics)
        await asyncio.to_thread(made.connect)
        yield made
        await asyncio.to_thread(made.close)

    async def logged(self, count: int) -> list[tuple[str, str, datetime, float, str]]:
        found: list[Any] = []
        for _ in range(20):
            found += keys(await logged(self.bus))
            if len(found) >= count:
                break
        return sorted(found)

    async def held(self, source: str, count: int = 1) -> list[Any]:
        """The pieces in the quarantine, once there are so many."""
        found: list[Any] = []
        for _ in range(50):
            await self.intake.desk.flush()
            async with self.database.unit_of_work() as uow:
                wanted = HeldFilter(source=source)
                found = list(
                    (await QuarantineRepository(uow.session).pieces(Scope(), wanted, PageRequest(1, 100))).items
                )
            if len(found) >= count:
                break
            await asyncio.sleep(0.1)
        return found


class Sender:
    """A paho client of either version."""

    def __init__(self, broker: Broker, version: MQTTProtocolVersion, topics: tuple[str, ...]) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._broker = broker
        self._topics = topics
        self._ready = queue.Queue[bool]()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"sender-{new_secret(6)}", protocol=version)
        self._client.username_pw_set(broker.username, broker.password)
        self._client.on_message = lambda _client, _data, message: self.heard.put(
            (message.topic, bytes(message.payload))
        )
        self._client.on_subscribe = lambda *_: self._ready.put(True)

    def connect(self) -> None:
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        for topic in self._topics:
            self._client.subscribe(topic, 1)
            self._ready.get(timeout=10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    async def publish(self, topic: str, message: Any, qos: int = 1) -> None:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        await asyncio.to_thread(lambda: self._client.publish(topic, payload, qos=qos).wait_for_publish(10))

    async def hears(self) -> tuple[str, bytes]:
        return await asyncio.to_thread(self.heard.get, True, 10)


@pytest.fixture(params=["own broker", "mosquitto 3.1.1", "mosquitto 5"])
async def site(
    request: pytest.FixtureRequest, intake: Intake, settings: Settings, city: Database, bus: Bus, tmp_path: Path
) -> AsyncIterator[Site]:
    async with city.unit_of_work() as uow:
        await put_all(
            uow,
            [
                device("tank-1", protocol=Protocol.MQTT, address="0x00158d", points={"p": Point("pressure", 0.1)}),
                device("node-1", "pump_station", protocol=Protocol.SPARKPLUG, address="water/edge01"),
                device("pump-7", "pump_station", protocol=Protocol.SPARKPLUG, address="water/edge01/pump7"),
                device("lora-1", protocol=Protocol.LORAWAN, address=EUI, points={"temperature_3": Point("temp")}),
            ],
        )
        await uow.commit()
    await intake.feed.refresh()
    if request.param == "own broker":
        broker = broker_of(settings)
        assert broker is not None
        yield Site(broker, intake, city, bus)
        return
    async with mosquitto(tmp_path) as port:
        version = "5" if request.param.endswith("5") else "3.1.1"
        yield Site(Broker("127.0.0.1", port, None, None, False, version), intake, city, bus)  # type: ignore[arg-type]


async def test_topic_templates(site: Site) -> None:
    async with site.gateway(), site.client() as client:
        await client.publish("chengnao/readings/p-1", {"time": NOW.isoformat(), "pressure": 31})
        await client.publish("chengnao/values/p-2/pressure", b" 30.5\n")
        await client.publish("chengnao/json/0x00158d", {"time": NOW.timestamp(), "p": 255, "Valve": {"open": True}})
        await client.publish("zigbee2mqtt/0x00158d", {"p": 256, "latitude": 29.5, "state": "ON"})
        await client.publish("tele/nobody/SENSOR", {"Time": NOW.isoformat(), "AM2301": {"Temperature": 21.4}})
        await client.publish("chengnao/json/p-1", b"no json")
        found = await site.logged(5)
    assert [(each[0], each[1], each[3]) for each in found] == [
        ("p-1", "pressure", 31.0),
        ("p-2", "pressure", 30.5),
        ("tank-1", "pressure", 25.5),
        ("tank-1", "pressure", pytest.approx(25.6)),
        ("tank-1", "valve.open", 1.0),
    ]
    assert {piece.reason for piece in await site.held("mqtt", 2)} == {"unknown_device", "message_unreadable"}


async def test_sparkplug_from_birth_to_death(site: Site) -> None:
    base = "spBv1.0/water"
    async with site.gateway() as gateway, site.client(None, f"{base}/NCMD/edge01") as node:
        birth = [Metric("bdSeq", None, sparkplug.INT64, 4), Metric("sump_level", 1, sparkplug.DOUBLE, 1.75)]
        await node.publish(f"{base}/NBIRTH/edge01", sparkplug.encode(birth, MS, 0), 0)
        pump = [Metric("flow", 2, sparkplug.INT32, -7), Metric("running", 3, sparkplug.BOOLEAN, True)]
        await node.publish(f"{base}/DBIRTH/edge01/pump7", sparkplug.encode(pump, MS, 1), 0)
        await node.publish(f"{base}/DDATA/edge01/pump7", sparkplug.encode([Metric(None, 2, 0, -8)], MS + 1000, 2), 0)
        assert [(each[0], each[1], each[3]) for each in await site.logged(4)] == [
            ("node-1", "sump_level", 1.75),
            ("pump-7", "flow", -7.0),
            ("pump-7", "flow", -8.0),
            ("pump-7", "running", 1.0),
        ]
        # Number 3 is lost: what came is taken, and the node is asked for its births, once.
        for seq in (4, 6):
            await node.publish(f"{base}/NDATA/edge01", sparkplug.encode([Metric(None, 1, 0, None)], MS + 2000, seq), 0)
        topic, payload = await node.hears()
        command = sparkplug.decode(payload)
        assert topic == f"{base}/NCMD/edge01"
        assert isinstance(command, sparkplug.SparkplugPayload)
        assert [(each.name, each.value) for each in command.metrics] == [("Node Control/Rebirth", True)]
        await asyncio.sleep(0.3)
        assert node.heard.empty()
        old = sparkplug.encode([Metric("bdSeq", None, sparkplug.INT64, 3)], MS)
        await node.publish(f"{base}/NDEATH/edge01", old)
        await asyncio.sleep(0.3)
        assert gateway.messages.sessions.alive("water", "edge01")
        await node.publish(f"{base}/NDEATH/edge01", sparkplug.encode([birth[0]], MS))
        await asyncio.sleep(0.3)
        assert not gateway.messages.sessions.alive("water", "edge01")
        await node.publish(f"{base}/NDATA/edge01", b"\x08\x80\x90")
        assert [piece.reason for piece in await site.held("sparkplug")] == ["truncated_protobuf"]


def uplink(eui: str = EUI) -> dict[str, Any]:
    return {
        "time": NOW.isoformat(),
        "deviceInfo": {"devEui": eui},
        "fCnt": 4,
        "fPort": 2,
        "data": base64.b64encode(bytes.fromhex("036700eb")).decode(),
        "rxInfo": [{"rssi": -80}],
    }


async def test_uplinks_of_both_network_servers_and_a_replay(site: Site) -> None:
    async with site.gateway(), site.client() as client:
        await client.publish(f"application/17c82e96/device/{EUI}/event/up", uplink())
        things = {
            "end_device_ids": {"dev_eui": EUI.upper()},
            "uplink_message": {"f_port": 1, "received_at": NOW.isoformat(), "decoded_payload": {"pressure": 31}},
        }
        await client.publish("v3/app@ttn/devices/level-1/up", things)
        await client.publish("application/17c82e96/device/0000000000000001/event/up", uplink("0000000000000001"))
        await client.publish(f"application/17c82e96/device/{EUI}/event/join", {"deviceInfo": {"devEui": EUI}})
        found = await site.logged(3)
        assert [(each[0], each[1], each[3]) for each in found] == [
            ("lora-1", "lorawan.rssi", -80.0),
            ("lora-1", "pressure", 31.0),
            ("lora-1", "temp", 23.5),
        ]
        (piece,) = await site.held("lorawan")
        assert (piece.reason, piece.device_hint) == ("unknown_device", "0000000000000001")
        async with site.database.unit_of_work() as uow:
            await put_all(uow, [device("lora-2", protocol=Protocol.LORAWAN, address="0000000000000001")])
            await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, NOW)
            await uow.commit()
        await Replayer(site.intake, site.database).replay_some()
        assert {each[:2] for each in await site.logged(2)} == {
            ("lora-2", "lorawan.rssi"),
            ("lora-2", "lorawan.temperature_3"),
        }


async def test_held_messages_of_mqtt_and_sparkplug_are_replayed(site: Site) -> None:
    async with site.gateway(), site.client() as client:
        await client.publish("chengnao/values/late-1/pressure", b"7")
        metrics = [Metric("flow", None, sparkplug.FLOAT, 2.5)]
        await client.publish("spBv1.0/water/DDATA/edge02/pump8", sparkplug.encode(metrics, MS, 5))
        pieces = [*await site.held("mqtt"), *await site.held("sparkplug")]
        assert [piece.reason for piece in pieces] == ["unknown_device", "unknown_device"]
    async with site.database.unit_of_work() as uow:
        late = device("late-1", protocol=Protocol.MQTT)
        pump = device("pump-8", "pump_station", protocol=Protocol.SPARKPLUG, address="water/edge02/pump8")
        await put_all(uow, [late, pump])
        for piece in pieces:
            await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, NOW)
        await uow.commit()
    await Replayer(site.intake, site.database).replay_some()
    assert [(each[0], each[1], each[3]) for each in await site.logged(2)] == [
        ("late-1", "pressure", 7.0),
        ("pump-8", "flow", 2.5),
    ]


async def test_devices_of_either_version_beside_each_other(site: Site) -> None:
    # The platform's own broker speaks 3.1.1 alone.
    versions = [MQTTProtocolVersion.MQTTv311]
    versions += [MQTTProtocolVersion.MQTTv5] if site.broker.username is None else []
    async with site.gateway():
        for number, version in enumerate(versions):
            async with site.client(version) as client:
                for qos in (0, 1):
                    await client.publish(f"chengnao/values/p-1/v{number}.qos{qos}", b"1", qos)
        found = [each[1] for each in await site.logged(2 * len(versions))]
        assert found == ["v0.qos0", "v0.qos1", "v1.qos0", "v1.qos1"][: 2 * len(versions)]


async def test_the_broker_keeps_what_comes_while_the_gateway_is_away(site: Site) -> None:
    name = f"kept-{new_secret(6)}"
    async with site.gateway(name):
        pass
    async with site.client() as client:
        await client.publish("chengnao/readings/p-1", {"time": NOW.isoformat(), "pressure": 6})
    async with site.gateway(name):
        assert [each[3] for each in await site.logged(1)] == [6.0]


async def test_a_broker_of_the_other_version_is_tried_again_and_again(intake: Intake, settings: Settings) -> None:
    broker = broker_of(settings)
    assert broker is not None
    wrong = replace(broker, version="5")
    gateway = MqttGateway(MessageReader(intake, load_templates()), wrong, "wrong-version")
    task = asyncio.create_task(gateway.run())
    await asyncio.sleep(1)
    assert not gateway.connected
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
