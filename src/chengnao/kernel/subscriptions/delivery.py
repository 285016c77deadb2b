"""From the bus to the subscribers: at least once, in order for each subject, across restarts.

An event that comes from the bus is first written down for each subscription that wants it, and only then counts as
taken; so what was not delivered when the process ended goes out when it starts again.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.subscriptions.addresses import Network, look_up
from chengnao.kernel.subscriptions.model import Delivery, Result, Subscription, outward
from chengnao.kernel.subscriptions.repository import SubscriptionRepository
from chengnao.kernel.subscriptions.service import KEEP, note_result

log = logging.getLogger(__name__)

CONSUMER = "subscribers"
TIMEOUT_SECONDS = 10.0
AT_ONCE = 64
AT_ONCE_EACH = 8
"""A subscriber that is slow holds up itself alone."""

_FRESH_SECONDS = 2.0
_GATHER_SECONDS = 0.02
"""Between two looks for what is due, so that one look serves many that have become free."""
_TIDY_SECONDS = 3600.0


class Notifier:
    """Writes events down for those who want them, and says them on the bus's outward subjects."""

    def __init__(self, database: Database, bus: Bus, wake: asyncio.Event) -> None:
        self._database = database
        self._bus = bus
        self._wake = wake
        self._active: Sequence[Subscription] = ()
        self._read_at = -_FRESH_SECONDS

    async def handle(self, envelope: dict[str, Any]) -> None:
        """Take one event off the bus; raises Unavailable, and then it comes again."""
        await self._bus.publish_outward(outward(envelope))
        async with self._database.unit_of_work() as uow:
            repository = SubscriptionRepository(uow.session)
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._active, self._read_at = await repository.active(), time.monotonic()
            wanted = [each for each in self._active if each.wants(envelope)]
            # One that was removed a moment ago gets nothing.
            kept = [each for each in wanted if await repository.subscription(Scope(), each.id) is not None]
            if kept:
                await repository.enqueue(kept, envelope, uow.clock.now())
                await uow.commit()
                self._wake.set()


class Deliverer:
    """Sends what waits."""

    def __init__(self, database: Database, home: Path, allowed: Sequence[Network], wake: asyncio.Event) -> None:
        self._database = database
        self._vault = Vault.of(home)
        self._allowed = allowed
        self._wake = wake
        self._busy: dict[int, str] = {}

    async def run(self) -> None:
        """Send until cancelled; the database may come and go."""
        tidied = -_TIDY_SECONDS
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS) as client,
            asyncio.TaskGroup() as group,
        ):
            while True:
                await asyncio.sleep(_GATHER_SECONDS)
                self._wake.clear()
                started = 0
                try:
                    started = await self._start_due(client, group)
                    if time.monotonic() - tidied > _TIDY_SECONDS:
                        tidied = time.monotonic()
                        await self._tidy()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("deliveries wait: %s", error)
                if not started:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await self._wake.wait()

    async def _start_due(self, client: httpx.AsyncClient, group: asyncio.TaskGroup) -> int:
        async with self._database.unit_of_work() as uow:
            repository = SubscriptionRepository(uow.session)
            due = await repository.due(uow.clock.now(), AT_ONCE, self._busy)
            subscriptions = {each.id: each for each in await repository.active()} if due else {}
            secrets = await repository.secrets(list(subscriptions)) if due else {}
        started = 0
        for delivery in due:
            of_one = list(self._busy.values()).count(delivery.subscription_id)
            if delivery.subscription_id not in subscriptions or of_one >= AT_ONCE_EACH or len(self._busy) >= AT_ONCE:
                continue
            self._busy[delivery.sequence] = delivery.subscription_id
            subscription = subscriptions[delivery.subscription_id]
            group.create_task(self._deliver(client, subscription, secrets[subscription.id], delivery))
            started += 1
        return started

    async def _deliver(
        self, client: httpx.AsyncClient, subscription: Subscription, sealed: bytes, delivery: Delivery
    ) -> None:
        try:
            result = await self._send(client, subscription, sealed, delivery)
            async with self._database.unit_of_work() as uow:
                await note_result(uow, subscription, delivery, result)
                await uow.commit()
        except (SQLAlchemyError, OSError) as error:
            # It still waits, and is sent again: at least once.
            log.warning("what became of delivery %d could not be written: %s", delivery.sequence, error)
            await asyncio.sleep(1.0)
        finally:
            del self._busy[delivery.sequence]
            self._wake.set()

    async def _send(
        self, client: httpx.AsyncClient, subscription: Subscription, sealed: bytes, delivery: Delivery
    ) -> Result:
        body = json.dumps(outward(delivery.envelope), ensure_ascii=False).encode()
        try:
            headers = signed(self._vault.open(subscription.id, sealed), delivery.event_id, body)
            target = await look_up(subscription.url, self._allowed)
            request = client.build_request(
                "POST",
                target.url,
                content=body,
                headers=headers | {"Host": target.host, "Content-Type": "application/cloudevents+json; charset=utf-8"},
                extensions={"sni_hostname": target.server_name},
            )
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await client.send(request, stream=True)
                await response.aclose()  # what a receiver says beyond its status is not read
        except ChengnaoError as error:
            return Result(error.text("en")[:300])
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            return Result(f"{type(error).__name__}: {error}"[:300])
        if response.is_success:
            return Result()
        seconds = response.headers.get("retry-after", "")
        told = timedelta(seconds=min(int(seconds), 3600)) if seconds.isdecimal() else timedelta()
        return Result(f"HTTP {response.status_code}", gone=response.status_code == httpx.codes.GONE, retry_after=told)

    async def _tidy(self) -> None:
        async with self._database.unit_of_work() as uow:
            before = uow.clock.now() - KEEP * uow.clock.speed
            await SubscriptionRepository(uow.session).forget(before)
            await uow.commit()


def signed(secret: str, event_id: str, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: HMAC-SHA256 over id, time and body under the subscription's secret."""
    moment = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": moment,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
