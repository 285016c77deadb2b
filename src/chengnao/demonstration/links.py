"""How the demonstration's devices reach the platform: HTTP batches, MQTT, and HJ 212 over TCP.

Each link keeps what it could not deliver, within bounds, and delivers it in order once the platform is back.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Generic, TypeVar

import aiomqtt
import orjson

from chengnao.demonstration.field import Sample
from chengnao.demonstration.portal import Machine, NotNowError, RefusedError
from chengnao.sensing.protocols import hj212
from chengnao.sensing.protocols.hj212 import Frame
from chengnao.sensing.protocols.hj212_stream import Framer

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKLOG = 240
"""Minutes of readings a link keeps while the platform is away."""

RECONNECT_SECONDS = 3.0
ACK_SECONDS = 10.0
ATTEMPTS = 6
"""A frame that nobody has answered so often is given up, or it would block the station for ever."""


class Backlog(Generic[T]):
    """A bounded queue whose head stays until it is delivered; the oldest falls out when it is full."""

    def __init__(self, size: int = BACKLOG) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._filled = asyncio.Event()

    def put(self, item: T) -> None:
        self._items.append(item)
        self._filled.set()

    async def head(self) -> T:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items[0]

    def delivered(self, item: T) -> None:
        """Forget the item, unless it has fallen out meanwhile."""
        if self._items and self._items[0] is item:
            self._items.popleft()

    def __len__(self) -> int:
        return len(self._items)


class HttpLink:
    """Sends batches of samples to the gateway's HTTP interface."""

    def __init__(self, gateway: Machine) -> None:
        self._gateway = gateway
        self.backlog: Backlog[Sequence[Sample]] = Backlog()

    async def run(self) -> None:
        wait = 0.5
        while True:
            batch = await self.backlog.head()
            try:
                answer = await self._gateway.post("/readings", {"readings": _rows(batch)})
            except NotNowError as error:
                log.info("the gateway is away: %s", error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10.0)
                continue
            except RefusedError as error:
                log.warning("the gateway refuses a batch: %s", error)
                await asyncio.sleep(2.0)
            else:
                if answer["rejected"]:
                    log.warning("the gateway rejects %d readings: %s", len(answer["rejected"]), answer["rejected"][0])
            wait = 0.5
            self.backlog.delivered(batch)


def _rows(batch: Sequence[Sample]) -> list[dict[str, Any]]:
    return [
        {"device": sample.device, "metric": metric, "time": sample.time.isoformat(), "value": value}
        for sample in batch
        for metric, value in sample.values.items()
    ]


@dataclass(frozen=True)
class MqttBroker:
    """Where the devices' broker listens, and how to sign in."""

    host: str
    port: int
    username: str
    password: str


class MqttLink:
    """Publishes samples, one message a device, at least once (QoS 1)."""

    def __init__(self, broker: MqttBroker) -> None:
        self._broker = broker
        self.backlog: Backlog[tuple[str, bytes]] = Backlog(BACKLOG * 12)

    def put(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            payload = orjson.dumps({"time": sample.time.isoformat(), **sample.values})
            self.put_raw(sample.device, payload)

    def put_raw(self, device: str, payload: bytes) -> None:
        self.backlog.put((f"chengnao/readings/{device}", payload))

    async def run(self) -> None:
        while True:
            try:
                async with aiomqtt.Client(
                    self._broker.host,
                    self._broker.port,
                    username=self._broker.username,
                    password=self._broker.password,
                    identifier="demonstration-flow-meters",
                    protocol=aiomqtt.ProtocolVersion.V311,  # the highest that NATS's listener speaks
                ) as client:
                    while True:
                        message = await self.backlog.head()
                        await client.publish(*message, qos=1)
                        self.backlog.delivered(message)
            except aiomqtt.MqttError as error:
                log.info("the broker is away: %s", error)
            await asyncio.sleep(RECONNECT_SECONDS)


class Hj212Link:
    """One station on its own TCP connection: sends a frame, waits for the data answer (CN=9014), sends the next.

    `untidy` stations are as field stations are: the frame comes in two pieces, with a pause between them.
    """

    def __init__(self, host: str, port: int, mn: str, *, untidy: bool = False) -> None:
        self._host = host
        self._port = port
        self._mn = mn
        self._untidy = untidy
        self.backlog: Backlog[bytes] = Backlog()
        self._attempts = 0

    def put(self, sample: Sample, *, damaged: bool = False) -> None:
        frame = encode_sample(self._mn, sample)
        self.backlog.put(damage(frame) if damaged else frame)

    async def run(self) -> None:
        await asyncio.sleep(random.random())  # noqa: S311 -- stations do not connect all at once
        while True:
            try:
                await self._converse()
            except (OSError, TimeoutError, EOFError) as error:
                log.info("station %s lost its line: %r", self._mn, error)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _converse(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        framer = Framer()
        try:
            while True:
                frame = await self.backlog.head()
                await self._write(writer, frame)
                self._attempts += 1
                if is_wrong(frame) or self._attempts >= ATTEMPTS:
                    self._done(frame)  # nobody answers to a frame that cannot be read
                    continue
                async with asyncio.timeout(ACK_SECONDS):
                    await _answer(reader, framer)
                self._done(frame)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _done(self, frame: bytes) -> None:
        self._attempts = 0
        self.backlog.delivered(frame)

    async def _write(self, writer: asyncio.StreamWriter, frame: bytes) -> None:
        cut = len(frame) // 3 if self._untidy else len(frame)
        writer.write(frame[:cut])
        await writer.drain()
        if cut < len(frame):
            await asyncio.sleep(0.05)
            writer.write(frame[cut:])
            await writer.drain()


async def _answer(reader: asyncio.StreamReader, framer: Framer) -> None:
    while True:
        data = await reader.read(4096)
        if not data:
            raise EOFError("the gateway closed the line")
        if any(isinstance(piece, Frame) and piece.cn == "9014" for piece in framer.feed(data)):
            return


def encode_sample(mn: str, sample: Sample) -> bytes:
    """A real-time data frame (CN=2011) that asks for an answer; the factor codes are the vendor's own."""
    return hj212.encode(
        {
            "QN": hj212.field_text(sample.time.astimezone(UTC), milliseconds=True),
            "ST": "21",
            "CN": "2011",
            "PW": "123456",
            "MN": mn,
            "Flag": "5",
        },
        {"DataTime": hj212.field_text(sample.time)},
        {code: {"Rtd": f"{value:.2f}", "Flag": "N"} for code, value in sample.values.items()},
    )


def damage(frame: bytes) -> bytes:
    """The frame with a stale CRC, as stations send that change a value after they have summed."""
    crc = frame[-6:-2]
    return frame[:-6] + (b"0000" if crc != b"0000" else b"FFFF") + frame[-2:]


def is_wrong(frame: bytes) -> bool:
    return not isinstance(hj212.decode(frame), Frame)
