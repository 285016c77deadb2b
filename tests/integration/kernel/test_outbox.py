import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from chengnao.kernel.bus import EVENT_DAYS, READINGS, Bus
from chengnao.kernel.database import Database, InboxRow, OutboxRow
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.events import DomainEvent, domain_event
from chengnao.kernel.outbox import Relay, forget, once

pytestmark = pytest.mark.engines


@domain_event("test.noted")
@dataclass(frozen=True, kw_only=True)
class Noted(DomainEvent):
    number: int


def noted(number: int) -> Noted:
    return Noted(subject=str(number), division_code="500103", number=number)


async def publish(database: Database, numbers: range, *, commit: bool = True) -> None:
    async with database.unit_of_work() as uow:
        for number in numbers:
            uow.publish(noted(number))
        if commit:
            await uow.commit()


async def waiting(database: Database) -> int:
    async with database.unit_of_work() as uow:
        return await uow.session.scalar(select(func.count()).select_from(OutboxRow)) or 0


async def gather(bus: Bus, durable: str, count: int) -> list[int]:
    got: list[int] = []
    done = asyncio.Event()

    async def handle(document: dict[str, Any]) -> None:
        got.append(document["data"]["number"])
        if len(got) >= count:
            done.set()

    task = asyncio.create_task(bus.consume_events(durable, handle))
    try:
        await asyncio.wait_for(done.wait(), 20)
    finally:
        task.cancel()
    return got


async def test_what_is_committed_is_told_in_order_and_what_is_not_is_not(database: Database, bus: Bus) -> None:
    await publish(database, range(5))
    await publish(database, range(100, 105), commit=False)
    await publish(database, range(5, 10))
    relay = asyncio.create_task(Relay(database, bus).run())
    try:
        assert await gather(bus, "outbox-order", 10) == list(range(10))
        await publish(database, range(10, 12))
        assert await gather(bus, "outbox-order", 2) == [10, 11]
        async with asyncio.timeout(10):  # the rows go a moment after the bus has the events
            while await waiting(database):
                await asyncio.sleep(0.05)
    finally:
        relay.cancel()


async def test_an_event_published_twice_arrives_once(database: Database, bus: Bus) -> None:
    # The relay may die after the bus has an event and before the database knows: it publishes it again.
    await publish(database, range(1))
    async with database.unit_of_work() as uow:
        document = (await uow.session.scalars(select(OutboxRow.envelope))).one()
    await bus.publish_event(document)
    await Relay(database, bus).move()
    await publish(database, range(1, 2))
    await Relay(database, bus).move()
    assert await gather(bus, "outbox-twice", 2) == [0, 1]


async def test_a_handler_that_fails_gets_the_event_again_and_others_go_on(bus: Bus, database: Database) -> None:
    await publish(database, range(3))
    await Relay(database, bus).move()
    seen: list[int] = []
    done = asyncio.Event()

    async def handle(document: dict[str, Any]) -> None:
        number = document["data"]["number"]
        if number == 1 and seen.count(1) == 0:
            seen.append(number)
            raise RuntimeError("first try fails")
        seen.append(number)
        if len(seen) == 4:
            done.set()

    task = asyncio.create_task(bus.consume_events("outbox-retry", handle))
    await asyncio.wait_for(done.wait(), 20)
    task.cancel()
    assert sorted(seen) == [0, 1, 1, 2]


async def test_the_inbox_knows_what_was_dealt_with_only_when_that_was_committed(database: Database) -> None:
    for commit, expected in ((False, True), (True, True), (True, False)):
        async with database.unit_of_work() as uow:
            assert await once(uow, "consumer", "event-1") is expected
            if commit:
                await uow.commit()
    async with database.unit_of_work() as uow:
        assert await once(uow, "another", "event-1")


async def test_the_inbox_forgets_what_the_bus_can_bring_no_more(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await once(uow, "consumer", "recent")
        old = InboxRow(consumer="consumer", event_id="old", at=uow.clock.now() - timedelta(days=EVENT_DAYS + 2))
        uow.session.add(old)
        await uow.commit()
    await forget(database)
    async with database.unit_of_work() as uow:
        assert (await uow.session.scalars(select(InboxRow.event_id))).all() == ["recent"]


async def test_readings_stay_until_every_consumer_has_dealt_with_them(bus: Bus) -> None:
    for number in range(3):
        await bus.publish_readings(str(number).encode())
    # A consumer hears of new messages a moment after they are on disk.
    async with asyncio.timeout(5):
        while await bus.lag(READINGS, "writer") != 3:
            await asyncio.sleep(0.02)
    for message in await bus.pull_readings("writer", 10, 2):
        await message.ack_sync()
    assert (await bus.jetstream.stream_info(READINGS)).state.messages == 3
    got = [message.data for message in await bus.pull_readings("warning", 10, 2)]
    assert got == [b"0", b"1", b"2"]


async def test_a_full_log_refuses_and_keeps_what_it_has(bus: Bus) -> None:
    config = (await bus.jetstream.stream_info(READINGS)).config
    await bus.jetstream.update_stream(config.evolve(max_bytes=2_000_000))
    try:
        accepted = 0
        with pytest.raises(Unavailable) as refused:  # noqa: PT012 - which of them is refused is not the point
            for _ in range(100):
                await bus.publish_readings(bytes(100_000))
                accepted += 1
        assert refused.value.retry_after > 0
        assert (await bus.jetstream.stream_info(READINGS)).state.messages == accepted > 5
    finally:
        await bus.jetstream.update_stream(config)
