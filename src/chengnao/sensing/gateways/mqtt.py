"""MQTT 3.1.1: readings from a broker. QoS 1 messages are acknowledged only once they are on the log's disk."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import MAX_ROWS
from chengnao.sensing.gateways.bodies import rows_to_body
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.quarantine.model import Form

log = logging.getLogger(__name__)

TOPIC = "chengnao/readings/+"
CLIENT_ID = "chengnao-gateway"  # no dot: a broker on NATS refuses it
MAX_WAITING = 50_000
BATCH = 2_000


@dataclass(frozen=True)
class Broker:
    """Where the broker is and how to sign in."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool


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

    def __init__(self, intake: Intake, broker: Broker, client_id: str = CLIENT_ID) -> None:
        self.intake = intake
        self.connected = False
        self.dropped = 0
        self._broker = broker
        self._session = 0
        self._loop = asyncio.get_running_loop()
        self._in_hand: set[tuple[int, int]] = set()
        self._waiting: asyncio.Queue[_Arrived] = asyncio.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=paho.MQTTv311, manual_ack=True
        )
        if broker.username is not None:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            self._client.tls_set()
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    async def run(self) -> None:
        """Take in messages until cancelled; the broker may come and go."""
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
        rows: list[Any] = []
        for each in batch:
            device = each.topic.rpartition("/")[2]
            try:
                rows += message_rows(device, each.payload, self.intake.clock.now().isoformat())
            except Invalid as error:
                self.intake.desk.hold(
                    Protocol.MQTT, each.topic, device, error.code, error.params, each.payload, Form.MESSAGE, Scope()
                )
        delay = 0.2
        while rows:
            try:
                await self.intake.offer(rows_to_body(rows[:MAX_ROWS]), Scope(), Protocol.MQTT, "broker")
                rows = rows[MAX_ROWS:]
                delay = 0.2
            except Unavailable as error:
                log.warning("MQTT waits, %d readings: %s", len(rows), error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    # The three below run in the client's own thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the MQTT broker refuses the gateway: %s", reason)
            return
        client.subscribe(TOPIC, qos=1)
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


def message_rows(device: str, payload: bytes, now: str) -> list[dict[str, Any]]:
    """The rows of a message: `{"time": ..., metric: value, ...}` or `{"readings": [{metric, time, value}, ...]}`.

    A time that is left out is `now`. Raises Invalid where the message as a whole says nothing.
    """
    try:
        message = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Invalid("message_unreadable", field="payload", reason_zh=str(error), reason_en=str(error)) from error
    if isinstance(message, dict) and isinstance(message.get("readings"), list):
        return [
            {"device": device, "time": now} | {key: value for key, value in row.items() if key != "device"}
            if isinstance(row, dict)
            else row
            for row in message["readings"]
        ]
    if not isinstance(message, dict) or not message.keys() - {"time"}:
        raise Invalid(
            "message_unreadable",
            field="payload",
            reason_zh="应为带指标值或 readings 的对象",
            reason_en="an object with values of metrics, or with `readings`, is wanted",
        )
    moment = message.pop("time", now)
    return [{"device": device, "metric": metric, "time": moment, "value": value} for metric, value in message.items()]
