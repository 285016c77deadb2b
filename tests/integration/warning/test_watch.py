"""Thresholds on the real log and the real database: what survives, and what a redelivery does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.readings.model import encode
from chengnao.warning import service
from chengnao.warning.model import DeviceWarning, ThresholdRule, WarningState
from chengnao.warning.repository import WarningRepository
from chengnao.warning.watch import ThresholdWatch
from tests.support.loop import START, YUZHONG, gauge, low_pressure, make_city, pressures

pytestmark = pytest.mark.engines


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    await add(database, low_pressure())
    return database


async def add(database: Database, rule: ThresholdRule) -> None:
    async with database.unit_of_work() as uow:
        await service.add_rule(uow, rule)
        await uow.commit()


async def watching(database: Database, bus: Bus, clock: FixedClock) -> ThresholdWatch:
    watch = ThresholdWatch(database, bus, clock)
    await watch.load()
    return watch


async def warnings(database: Database) -> list[DeviceWarning]:
    async with database.unit_of_work() as uow:
        page = await WarningRepository(uow.session).warnings(Scope(), PageRequest(1, 200))
        return sorted(page.items, key=lambda warning: (warning.opened_at, warning.device_id))


async def record(database: Database, warning: DeviceWarning) -> list[tuple[int, float | None]]:
    async with database.unit_of_work() as uow:
        changes = await WarningRepository(uow.session).changes(warning.id)
    return [(change.level, change.value) for change in changes]


async def told(database: Database) -> list[tuple[str, Any]]:
    """(type, level) of the events that wait in the outbox, in order."""
    async with database.unit_of_work() as uow:
        rows = await uow.session.execute(text("SELECT envelope FROM outbox ORDER BY sequence"))
        return [(row[0]["type"], row[0]["data"].get("level")) for row in rows]


async def test_a_warning_opens_changes_and_clears_once(city: Database, bus: Bus, clock: FixedClock) -> None:
    watch = await watching(city, bus, clock)
    for second, value in enumerate([40, 29, 28, 19, 4, 19, 20.5, 25, 31.5]):
        await watch.evaluate(pressures([("g1", second, value), ("g2", second, 60)]))
    [warning] = await warnings(city)
    assert (warning.state, warning.peak_level, warning.device_id) == (WarningState.CLEARED, Level.RED, "g1")
    assert warning.cleared_at == START + timedelta(seconds=8)
    assert (warning.division_code, warning.lon) == (YUZHONG, 106.57)
    assert await record(city, warning) == [(4, 29), (3, 19), (1, 4), (3, 19), (4, 25), (0, 31.5)]
    assert await told(city) == [
        ("warning.opened", 4),
        ("warning.changed", 3),
        ("warning.changed", 1),
        ("warning.changed", 3),
        ("warning.changed", 4),
        ("warning.cleared", 4),
    ]
    assert "压力" in warning.title


async def test_the_first_reading_of_a_new_device_counts(city: Database, bus: Bus, clock: FixedClock) -> None:
    watch = await watching(city, bus, clock)
    async with city.unit_of_work() as uow:
        await put_all(uow, [gauge("g9", YUZHONG, 106.58)])
        await uow.commit()
    await watch.evaluate(pressures([("g9", 1, 4)]))
    assert [(each.device_id, each.level) for each in await warnings(city)] == [("g9", Level.RED)]


async def test_a_title_says_what_how_much_and_which_bound(city: Database, bus: Bus, clock: FixedClock) -> None:
    watch = await watching(city, bus, clock)
    await watch.evaluate(pressures([("g1", 0, 18.25)]))
    [warning] = await warnings(city)
    assert warning.title == "压力站g1 压力 18.25 m，低于黄色阈值 20 m"


async def test_batches_that_come_again_after_a_crash_change_nothing(
    city: Database, bus: Bus, clock: FixedClock
) -> None:
    batches = [pressures([("g1", second, value)]) for second, value in enumerate([40, 19, 4, 31.5, 19])]
    for position in range(len(batches)):
        watch = await watching(city, bus, clock)  # all memory is gone
        for batch in batches[: position + 1]:
            await watch.evaluate(batch)
    found = await warnings(city)
    assert [warning.state for warning in found] == [WarningState.CLEARED, WarningState.OPEN]
    assert [await record(city, warning) for warning in found] == [[(3, 19), (1, 4), (0, 31.5)], [(3, 19)]]
    assert len(await told(city)) == 4


async def test_a_duration_goes_on_across_a_restart(city: Database, bus: Bus, clock: FixedClock) -> None:
    await add(city, low_pressure(id="slow", device_class=None, device_id="g1", duration_seconds=60.0))
    await (await watching(city, bus, clock)).evaluate(pressures([("g1", 0, 10)]))
    assert await warnings(city) == []
    await (await watching(city, bus, clock)).evaluate(pressures([("g1", 60, 10)]))
    [warning] = await warnings(city)
    assert (warning.rule_id, warning.level) == ("slow", Level.YELLOW)


async def test_what_could_not_be_kept_is_evaluated_anew(
    city: Database, bus: Bus, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = await watching(city, bus, clock)
    real = service.record_steps

    async def broken(*_: object) -> None:
        raise OSError("the database went away")

    monkeypatch.setattr(service, "record_steps", broken)
    with pytest.raises(OSError, match="went away"):
        await watch.evaluate(pressures([("g1", 0, 10)]))
    monkeypatch.setattr(service, "record_steps", real)
    await watch.evaluate(pressures([("g1", 0, 10)]))
    assert len(await warnings(city)) == 1


async def test_the_database_refuses_a_second_open_warning(city: Database, bus: Bus, clock: FixedClock) -> None:
    first, second = await watching(city, bus, clock), await watching(city, bus, clock)
    await first.evaluate(pressures([("g1", 0, 10)]))
    await second.evaluate(pressures([("g1", 0, 10)]))
    assert len(await warnings(city)) == 1
    assert [kind for kind, _ in await told(city)] == ["warning.opened"]


@pytest.mark.parametrize("how", ["change", "remove", "replace"])
async def test_a_rule_that_goes_takes_its_warnings_along(city: Database, bus: Bus, clock: FixedClock, how: str) -> None:
    watch = await watching(city, bus, clock)
    await watch.evaluate(pressures([("g1", 0, 10), ("g2", 0, 10)]))
    clock.advance(60)
    async with city.unit_of_work() as uow:
        if how == "change":
            await service.change_rule(uow, Scope(), "low-pressure", low_pressure(levels={Level.RED: 1.0}))
        elif how == "remove":
            await service.remove_rule(uow, Scope(), "low-pressure")
        else:
            own = low_pressure(id="own", device_class=None, device_id="g1", levels={Level.RED: 1.0})
            await service.add_rule(uow, own)
        await uow.commit()
    await watch.refresh()
    open_ = [warning.device_id for warning in await warnings(city) if warning.state is WarningState.OPEN]
    assert open_ == (["g2"] if how == "replace" else [])
    cleared = next(warning for warning in await warnings(city) if warning.device_id == "g1")
    assert cleared.cleared_at == clock.now()
    assert (await record(city, cleared))[-1] == (0, None)
    await watch.evaluate(pressures([("g1", 120, 0.5)]))
    reopened = [warning for warning in await warnings(city) if warning.state is WarningState.OPEN]
    assert ("g1" in {warning.device_id for warning in reopened}) is (how != "remove")


async def test_a_default_rule_is_switched_off_not_removed(city: Database) -> None:
    async with city.unit_of_work() as uow:
        await service.seed_thresholds(uow)
        await service.remove_rule(uow, Scope(), "default-rain-1h")
        await service.seed_thresholds(uow)
        await uow.commit()
        rule = await service.require_rule(uow, Scope(), "default-rain-1h")
    assert not rule.enabled


async def test_one_rule_for_a_target_metric_and_direction(city: Database) -> None:
    with pytest.raises(Conflict) as error:
        await add(city, low_pressure(id="again"))
    assert error.value.code == "threshold_exists"


async def test_silence_becomes_a_fault_of_the_device_and_ends(city: Database, bus: Bus, clock: FixedClock) -> None:
    watch = await watching(city, bus, clock)
    await watch.evaluate(pressures([("g1", 0, 50), ("g2", 0, 50)]))
    clock.advance(181)
    await watch.evaluate(pressures([("g2", 180, 50)]))
    await watch.refresh()
    await watch.refresh()
    assert await faults(city) == {"g1": [("", "missing")]}
    restarted = await watching(city, bus, clock)
    await restarted.refresh()
    assert await faults(city) == {"g1": [("", "missing")]}
    clock.advance(10)
    await restarted.evaluate(pressures([("g1", 190, 50), ("g2", 190, 51)]))
    await restarted.refresh()
    assert await faults(city) == {}
    assert [kind for kind, _ in await told(city)] == ["device.fault_opened", "device.fault_cleared"]
    assert await warnings(city) == []


async def faults(database: Database) -> dict[str, list[tuple[str, str]]]:
    async with database.unit_of_work() as uow:
        devices = await DeviceRepository(uow.session).by_ids(Scope(), ["g1", "g2", "g3"])
    return {each.id: [(fault.metric, fault.kind) for fault in each.faults] for each in devices if each.faults}


async def test_readings_on_the_log_become_warnings_and_are_acknowledged(
    city: Database, bus: Bus, clock: FixedClock
) -> None:
    watch = await watching(city, bus, clock)
    running = asyncio.create_task(watch.run())
    try:
        await bus.publish_readings(b"no batch at all")
        await bus.publish_readings(encode(pressures([("g1", 0, 10), ("nobody", 0, 10)])))

        async def opened() -> bool:
            return len(await warnings(city)) == 1

        await until(opened)

        async def acknowledged() -> bool:
            return await bus.lag(READINGS, "warning") == 0

        await until(acknowledged)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    for _ in range(int(seconds / 0.05)):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{holds.__name__} does not hold after {seconds} s")
