"""MQTT 3.1.1 and 5: readings from a broker. A message of QoS 1 is acknowledged only once it is on the log's disk."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import MAX_ROWS, Rows
from chengnao.sensing.gateways.bodies import rows_to_body
from chengnao.sensing.gateways.mqtt_messages import MessageReader, Taken

log = logging.getLogger(__name__)

CLIENT_ID = "chengnao-gateway"  # no dot: a broker on NATS refuses it
MAX_WAITING = 50_000
BATCH = 2_000
SESSION_SECONDS = 7 * 86_400
"""So long a broker of MQTT 5 keeps what comes while the gateway is away; one of 3.1.1 has its own rule."""


@dataclass(frozen=True)
class Broker:
    """Where the broker is and how to sign in."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    version: Literal["3.1.1", "5"] = "3.1.1"


def broker_of(settings: Settings) -> Broker | None:
    """The broker of the settings, or the platform's own; None where there is neither."""
    if settings.mqtt_url is not None:
        url = urlsplit(settings.mqtt_url)
        tls = url.scheme == "mqtts"
        return Broker(
            url.hostname or "127.0.0.1",
            url.port or (8883 if tls else 1883),
            unquote(url.username) if url.username else None,
            unquote(url.password) if url.password else None,
            tls,
            settings.mqtt_version,
        )
    if settings.nats_urls:
        return None
    return Broker("127.0.0.1", settings.port("mqtt"), "device", load_secrets(settings.home).mqtt_password, False)


@dataclass(frozen=True, slots=True)
class _Arrived:
    session: int
    mid: int
    qos: int
    topic: str
    payload: bytes


class MqttGateway:
    """A client of one broker, with a session that the broker keeps while the gateway is away."""

    def __init__(self, messages: MessageReader, broker: Broker, client_id: str = CLIENT_ID) -> None:
        self.intake = messages.intake
        self.messages = messages
        self.connected = False
        self.dropped = 0
        self._broker = broker
        self._session = 0
        self._loop = asyncio.get_running_loop()
        self._in_hand: set[tuple[int, int]] = set()
        self._waiting: asyncio.Queue[_Arrived] = asyncio.Queue()
        self._client = _client(broker, client_id)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    async def run(self) -> None:
        """Take in messages until cancelled; the broker may come and go."""
        if self._broker.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_SECONDS
            self._client.connect_async(
                self._broker.host, self._broker.port, keepalive=30, clean_start=False, properties=properties
            )
        else:
            self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._client.loop_start()
        try:
            while True:
                batch = [await self._waiting.get()]
                while len(batch) < BATCH and not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                await self._take(batch)
                for each in batch:
                    # What came over an earlier connection comes again; the copy is acknowledged then.
                    if each.qos > 0 and each.session == self._session:
                        self._client.ack(each.mid, each.qos)
                    self._in_hand.discard((each.session, each.mid))
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    async def _take(self, batch: list[_Arrived]) -> None:
        """Return once all readings of the messages are on disk or refused, however long the log is away."""
        taken = Taken()
        for each in batch:
            await self._until_taken(partial(self.messages.read, each.topic, each.payload, taken), "a message")
        for reply in taken.replies:
            self._client.publish(reply.topic, reply.payload, qos=0)
        if len(taken.judged):
            await self._until_taken(partial(self._commit, taken.judged), f"{len(taken.judged)} readings")
        for start in range(0, len(taken.rows), MAX_ROWS):
            body = rows_to_body(taken.rows[start : start + MAX_ROWS])
            offer = partial(self.intake.offer, body, Scope(), Protocol.MQTT, "broker")
            await self._until_taken(offer, f"{len(body.table)} readings")

    async def _commit(self, rows: Rows) -> None:
        await asyncio.shield(self.intake.committer.add_rows(rows))

    async def _until_taken(self, step: Callable[[], Awaitable[object]], what: str) -> None:
        delay = 0.2
        while True:
            try:
                await step()
                return
            except Unavailable as error:
                log.warning("MQTT waits with %s: %s", what, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    # The three below run in the client's own thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the MQTT broker refuses the gateway: %s", reason)
            return
        client.subscribe([(each, 1) for each in self.messages.filters])
        self._session += 1
        self.connected = True
        log.info("MQTT: connected to %s:%d", self._broker.host, self._broker.port)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.connected = False
        log.info("MQTT: disconnected: %s", reason)

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker should let it through; raised here it would end the client's thread
            self.dropped += 1
            client.ack(message.mid, message.qos)
            return
        if message.qos == 0 and self._waiting.qsize() > MAX_WAITING:
            self.dropped += 1
            return
        if message.qos > 0:
            # A broker that waits long for an acknowledgement sends again; one copy in hand is enough.
            if (self._session, message.mid) in self._in_hand:
                return
            self._in_hand.add((self._session, message.mid))
        arrived = _Arrived(self._session, message.mid, message.qos, topic, bytes(message.payload))
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, arrived)


def _client(broker: Broker, client_id: str) -> paho.Client:
    """A client that acknowledges by hand and whose session the broker keeps."""
    if broker.version == "5":
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5, manual_ack=True)
    else:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=paho.MQTTv311, manual_ack=True
        )
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls:
        client.tls_set()
    return client
