"""The log between the parts: NATS JetStream, with three streams.

READINGS carries batches of readings. A message is dropped once every named consumer has acknowledged it, and the
stream refuses new ones when it is full: what was accepted is kept, and the sender learns that it must wait.
EVENTS carries domain events and keeps them for 30 days.
OUTWARD carries the same events as CloudEvents for programs of others, on `chengnao.events.TYPE`, for 7 days.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Settings, load_secrets

log = logging.getLogger(__name__)

READINGS = "READINGS"
EVENTS = "EVENTS"
OUTWARD = "OUTWARD"
READING_CONSUMERS = ("writer", "warning")
"""Who must have dealt with a batch of readings before the log may forget it."""

EVENT_DAYS = 30
"""How long the bus can bring an event again, in real days."""
_BATCH_SUBJECT = "readings.batch"
_OUTWARD_SUBJECT = "chengnao.events"
_OUTWARD_DAYS = 7


class Bus:
    """A connection to the log; it reconnects by itself."""

    def __init__(self, client: Client, replicas: int, log_bytes: int) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=5)
        self._replicas = replicas
        self._log_bytes = log_bytes
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}

    @classmethod
    async def connect(cls, settings: Settings, name: str) -> "Bus":
        """Connect to the platform's own server, or to the cluster in the settings; raises Unavailable."""
        options: dict[str, Any] = {}
        servers = settings.nats_urls
        if not servers:
            secrets = load_secrets(settings.home)
            servers = [f"nats://127.0.0.1:{settings.port('nats')}"]
            options = {"user": secrets.nats_user, "password": secrets.nats_password}
        try:
            client = await nats.connect(
                servers,
                name=name,
                connect_timeout=5,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.25,
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=64 * 2**20,
                error_cb=_log_error,
                **options,
            )
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("bus_unavailable", reason=_reason(error)) from error
        return cls(client, settings.nats_replicas, settings.log_bytes)

    async def ensure_streams(self) -> None:
        """Make the streams and the consumers of readings, or bring them to the settings."""
        await self._ensure_stream(
            StreamConfig(
                name=READINGS,
                subjects=["readings.>"],
                retention=RetentionPolicy.INTEREST,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=self._log_bytes,
                num_replicas=self._replicas,
            )
        )
        await self._ensure_stream(
            StreamConfig(
                name=EVENTS,
                subjects=["events.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=EVENT_DAYS * 86_400,
                duplicate_window=600,
                num_replicas=self._replicas,
            )
        )
        await self._ensure_stream(
            StreamConfig(
                name=OUTWARD,
                subjects=[f"{_OUTWARD_SUBJECT}.>"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=_OUTWARD_DAYS * 86_400,
                duplicate_window=600,
                num_replicas=self._replicas,
            )
        )
        for durable in READING_CONSUMERS:
            await self.jetstream.add_consumer(
                READINGS,
                ConsumerConfig(durable_name=durable, ack_policy=AckPolicy.EXPLICIT, ack_wait=60, max_ack_pending=2_000),
            )

    async def _ensure_stream(self, config: StreamConfig) -> None:
        try:
            await self.jetstream.stream_info(str(config.name))
        except NotFoundError:
            await self.jetstream.add_stream(config)
        else:
            await self.jetstream.update_stream(config)

    async def publish_readings(self, batch: bytes) -> None:
        """Return once the batch is on the log's disk; raises Unavailable, and then it may or may not be there."""
        await self._publish(_BATCH_SUBJECT, batch)

    async def publish_event(self, document: dict[str, Any]) -> None:
        """Return once the envelope is on the log's disk; publishing it again within 10 minutes changes nothing."""
        await self._publish(
            f"events.{document['type']}", json.dumps(document).encode(), {"Nats-Msg-Id": document["id"]}
        )

    async def publish_outward(self, document: dict[str, Any]) -> None:
        """Return once the CloudEvent is on the log's disk for programs of others to read."""
        await self._publish(
            f"{_OUTWARD_SUBJECT}.{document['type']}", json.dumps(document).encode(), {"Nats-Msg-Id": document["id"]}
        )

    async def _publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            await self.jetstream.publish(subject, payload, headers=headers)
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("bus_unavailable", reason=_reason(error)) from error

    async def pull_readings(self, durable: str, batch: int, timeout: float) -> list[Msg]:
        """Up to `batch` messages for the consumer, fewer or none after `timeout` seconds; each wants an ack."""
        if durable not in self._pulls:
            self._pulls[durable] = await self.jetstream.pull_subscribe_bind(durable, READINGS)
        return await _fetch(self._pulls[durable], batch, timeout)

    async def lag(self, stream: str, durable: str) -> int:
        """Messages that the consumer has not yet acknowledged."""
        info = await self.jetstream.consumer_info(stream, durable)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def consume_events(self, durable: str, handle: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Give each envelope to `handle`, at least once, forever; one that fails is tried again, later and later."""
        config = ConsumerConfig(durable_name=durable, deliver_policy=DeliverPolicy.ALL, ack_wait=60)
        subscription: JetStreamContext.PullSubscription | None = None
        try:
            while True:
                try:
                    if subscription is None:
                        subscription = await self.jetstream.pull_subscribe("events.>", durable, EVENTS, config=config)
                    # One at a time: a fetch of more waits out its timeout for those that are not there yet.
                    messages = await _fetch(subscription, 1, timeout=1)
                except (NatsError, OSError) as error:
                    log.warning("events for %s cannot be read: %s", durable, _reason(error))
                    await asyncio.sleep(1)
                    continue
                for message in messages:
                    await self._handle(message, handle)
        finally:
            # Else the server would give the next events to a reader that is gone, and wait a minute for its acks.
            if subscription is not None:
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()

    async def _handle(self, message: Msg, handle: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        try:
            await handle(json.loads(message.data))
        except Exception:
            tries = message.metadata.num_delivered or 1
            log.exception("event %s failed, try %d", message.subject, tries)
            with suppress(NatsError, OSError):
                await message.nak(delay=min(60.0, 0.2 * 2 ** min(tries, 10)))
        else:
            # An ack that is lost only brings the event again, and handlers are idempotent.
            with suppress(NatsError, OSError):
                await message.ack()

    async def tail_events(self, handle: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Give each envelope published from now on to `handle`, at most once: for live views."""

        async def receive(message: Msg) -> None:
            await handle(json.loads(message.data))

        await self.client.subscribe("events.>", cb=receive)

    async def tail_readings(self, handle: Callable[[Msg], Awaitable[None]]) -> JetStreamContext.PushSubscription:
        """Give each batch of readings published from now on to `handle`, at most once; `metadata` numbers them.

        The log keeps nothing for this reader. The caller ends the subscription.
        """
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.NEW, inactive_threshold=30, mem_storage=True
        )
        try:
            return await self.jetstream.subscribe("readings.>", stream=READINGS, config=config, cb=handle)
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable("bus_unavailable", reason=_reason(error)) from error

    async def tell(self, subject: str, text: str) -> None:
        """Say something to whoever listens now; nothing is lost where nobody does or the bus is away."""
        with suppress(NatsError, OSError):
            await self.client.publish(subject, text.encode())

    async def listen(self, subject: str, handle: Callable[[str], Awaitable[None]]) -> None:
        """Give what is told on the subject from now on to `handle`, at most once."""

        async def receive(message: Msg) -> None:
            await handle(message.data.decode("utf-8", "replace"))

        await self.client.subscribe(subject, cb=receive)

    async def close(self) -> None:
        """Send what waits and end the connection. (Draining would wait for pulls that nobody answers any more.)"""
        with suppress(NatsError, OSError, TimeoutError):
            await self.client.flush(2)
        with suppress(NatsError, OSError):
            await self.client.close()


async def _fetch(subscription: JetStreamContext.PullSubscription, batch: int, timeout: float) -> list[Msg]:
    """The messages that come before the timeout, perhaps none."""
    try:
        messages: list[Msg] = await subscription.fetch(batch, timeout=timeout)
    except TimeoutError:
        messages = []
    # The client waits with asyncio.wait_for, which on Python 3.11 swallows a cancellation that comes just as the wait
    # ends; the process would then never stop.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return messages


async def _log_error(error: Exception) -> None:
    log.warning("bus: %s", _reason(error))


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
