"""Events out: to a real receiver over HTTP, and on the bus's outward subjects."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from nats.js.api import ConsumerConfig, DeliverPolicy

from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.bus import OUTWARD, Bus
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_id
from chengnao.kernel.outbox import Relay
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.kernel.subscriptions import model, service
from chengnao.kernel.subscriptions.addresses import networks_of
from chengnao.kernel.subscriptions.delivery import CONSUMER, Deliverer, Notifier
from chengnao.kernel.subscriptions.model import Delivery, DeliveryState, Subscription, SubscriptionState
from chengnao.kernel.subscriptions.repository import SubscriptionRepository
from chengnao.sensing.devices.events import DeviceRegistered

pytestmark = pytest.mark.engines

LOOPBACK = networks_of(["127.0.0.0/8"])


class Receiver:
    """An HTTP server that answers as it is told and remembers what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[str] = []
        self.server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    @property
    def port(self) -> int:
        assert self.server is not None
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                assert line.startswith(b"POST ")
                headers: dict[str, str] = {}
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append((headers, body))
                status = self.answers.pop(0) if self.answers else "200 OK"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def wait(self, count: int, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while len(self.got) < count:
                await asyncio.sleep(0.02)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@dataclass
class Out:
    """Everything between the outbox and the receiver."""

    database: Database
    bus: Bus
    settings: Settings
    receiver: Receiver
    tasks: list[asyncio.Task[None]]

    def start(self) -> None:
        wake = asyncio.Event()
        notifier = Notifier(self.database, self.bus, wake)
        self.tasks = [
            asyncio.create_task(each)
            for each in (
                Relay(self.database, self.bus).run(),
                self.bus.consume_events(CONSUMER, notifier.handle),
                Deliverer(self.database, self.settings.home, LOOPBACK, wake).run(),
            )
        ]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def subscribe(self, path: str = "/hook", **values: Any) -> tuple[Subscription, str]:
        wanted: dict[str, Any] = {
            "name": "市政平台",
            "url": f"http://127.0.0.1:{self.receiver.port}{path}",
            "types": ["device.*"],
            "filters": {},
            "division_code": "500000",
            "unit_id": None,
        }
        async with self.database.unit_of_work() as uow:
            made = await service.subscribe(uow, Vault.of(self.settings.home), SYSTEM, **(wanted | values))
            await uow.commit()
        return made

    async def happen(self, subject: str, name: str = "n", division: str = "500103") -> None:
        async with self.database.unit_of_work() as uow:
            uow.publish(
                DeviceRegistered(subject=subject, division_code=division, name=name, class_code="water_pressure")
            )
            await uow.commit()

    async def deliveries(self, subscription: Subscription) -> list[Delivery]:
        async with self.database.unit_of_work() as uow:
            page = await SubscriptionRepository(uow.session).deliveries(subscription.id, None, PageRequest(1, 200))
        return page.items

    async def known(self, subscription: Subscription) -> Subscription:
        async with self.database.unit_of_work() as uow:
            return await service.require_subscription(uow, Scope(), subscription.id)


@pytest.fixture
async def out(database: Database, bus: Bus, settings: Settings) -> AsyncIterator[Out]:
    receiver = Receiver()
    await receiver.start()
    made = Out(database, bus, settings, receiver, [])
    yield made
    await made.stop()
    assert receiver.server is not None
    receiver.server.close()


async def test_a_signed_cloudevent_arrives(out: Out) -> None:
    _, secret = await out.subscribe(filters={"data.class_code": ["water_pressure"]}, division_code="500103")
    out.start()
    await out.happen("p-9", "压力站")
    await out.happen("other", division="500108")
    await out.receiver.wait(1)
    await asyncio.sleep(0.3)
    (headers, body), *more = out.receiver.got
    assert more == []
    document = json.loads(body)
    assert {key: document[key] for key in ("specversion", "source", "type", "subject", "divisioncode")} == {
        "specversion": "1.0",
        "source": "/chengnao",
        "type": "device.registered",
        "subject": "p-9",
        "divisioncode": "500103",
    }
    assert document["data"] == {"name": "压力站", "class_code": "water_pressure"}
    assert None not in document.values()
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == document["id"]
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), said, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


async def test_refused_ones_come_again_in_the_order_of_their_subject(out: Out) -> None:
    """Three devices, ten events each, while the receiver refuses half of what it gets."""
    await out.subscribe()
    out.receiver.answers = ["503 Busy", "200 OK"] * 8
    for number in range(10):
        for subject in ("a", "b", "c"):
            await out.happen(subject, str(number))
    out.start()
    await out.receiver.wait(38, 30)
    accepted: dict[str, list[str]] = defaultdict(list)
    for document in out.receiver.documents():
        if document["data"]["name"] not in accepted[document["subject"]]:
            accepted[document["subject"]].append(document["data"]["name"])
    assert accepted == {subject: [str(number) for number in range(10)] for subject in ("a", "b", "c")}


async def test_what_waits_survives_a_stop_and_an_absent_receiver(out: Out) -> None:
    subscription, _ = await out.subscribe()
    assert out.receiver.server is not None
    port = out.receiver.port
    out.receiver.server.close()
    out.start()
    for number in range(5):
        await out.happen(f"d-{number}")
    async with asyncio.timeout(10):
        while len([each for each in await out.deliveries(subscription) if each.attempts]) < 5:
            await asyncio.sleep(0.05)
    await out.stop()
    assert (await out.known(subscription)).failing_since is not None
    await out.receiver.start(port)
    out.start()
    await out.receiver.wait(5, 20)
    async with asyncio.timeout(5):
        while any(each.state is not DeliveryState.DELIVERED for each in await out.deliveries(subscription)):
            await asyncio.sleep(0.05)
    assert (await out.known(subscription)).failing_since is None


async def test_dead_letters_are_shown_and_sent_again(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ATTEMPTS", 1)
    subscription, _ = await out.subscribe()
    out.receiver.answers = ["500 Broken"]
    out.start()
    await out.happen("a", "first")
    await out.happen("a", "second")
    await out.receiver.wait(2)
    async with asyncio.timeout(5):
        while (await out.deliveries(subscription))[0].state is DeliveryState.WAITING:
            await asyncio.sleep(0.05)
    second, first = await out.deliveries(subscription)
    assert (first.state, first.last_error) == (DeliveryState.DEAD, "HTTP 500")
    assert second.state is DeliveryState.DELIVERED
    async with out.database.unit_of_work() as uow:
        assert await SubscriptionRepository(uow.session).revive(subscription.id, first.sequence, uow.clock.now())
        await uow.commit()
    await out.receiver.wait(3)
    assert out.receiver.documents()[-1]["data"]["name"] == "first"


async def test_long_failure_disables_and_enabling_sends_what_waited(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "GIVE_UP_AFTER", timedelta(0))
    subscription, _ = await out.subscribe()
    out.receiver.answers = ["500 Broken"]
    out.start()
    await out.happen("a")
    async with asyncio.timeout(10):
        while (await out.known(subscription)).state is not SubscriptionState.DISABLED:
            await asyncio.sleep(0.05)
    assert (await out.known(subscription)).last_error == "HTTP 500"
    await asyncio.sleep(1.5)
    assert len(out.receiver.got) == 1
    async with out.database.unit_of_work() as uow:
        await service.set_state(uow, Scope(), SYSTEM, subscription.id, SubscriptionState.ACTIVE)
        await uow.commit()
    await out.receiver.wait(2)


async def test_gone_disables_at_once_and_redirects_are_not_followed(out: Out) -> None:
    gone, _ = await out.subscribe("/gone")
    out.receiver.answers = ["410 Gone"]
    out.start()
    await out.happen("a")
    async with asyncio.timeout(10):
        while (await out.known(gone)).state is not SubscriptionState.DISABLED:
            await asyncio.sleep(0.05)
    await out.stop()
    moved, _ = await out.subscribe("/moved")
    out.receiver.answers = ["302 Found\r\nLocation: http://127.0.0.1:1/inside"]
    out.start()
    await out.happen("b")
    await out.receiver.wait(2)
    async with asyncio.timeout(5):
        while (await out.known(moved)).last_error is None:
            await asyncio.sleep(0.02)
    assert (await out.known(moved)).last_error == "HTTP 302"


async def test_a_private_address_is_refused_at_delivery_too(out: Out) -> None:
    subscription, _ = await out.subscribe()
    await out.happen("a")
    wake = asyncio.Event()
    out.tasks = [
        asyncio.create_task(each)
        for each in (
            Relay(out.database, out.bus).run(),
            out.bus.consume_events(CONSUMER, Notifier(out.database, out.bus, wake).handle),
            Deliverer(out.database, out.settings.home, [], wake).run(),
        )
    ]
    async with asyncio.timeout(10):
        while (await out.known(subscription)).last_error is None:
            await asyncio.sleep(0.05)
    assert "private network" in str((await out.known(subscription)).last_error)
    assert out.receiver.got == []


async def test_programs_of_others_read_the_outward_subjects(out: Out) -> None:
    await out.bus.jetstream.purge_stream(OUTWARD)
    out.start()
    subject = new_id()
    await out.happen(subject)
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    reader = await out.bus.jetstream.pull_subscribe("chengnao.events.device.*", stream=OUTWARD, config=config)
    (message,) = await reader.fetch(1, timeout=10)
    document = json.loads(message.data)
    assert message.subject == "chengnao.events.device.registered"
    assert (document["subject"], document["specversion"]) == (subject, "1.0")
    assert model.outward(document) == document
