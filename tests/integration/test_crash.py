"""Every process is killed in turn, at moments nobody chose, while readings and reports come in."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chengnao.kernel.bus import READING_CONSUMERS, READINGS, Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.settings import load_secrets
from chengnao.sensing.readings.store import ReadingsStore
from tests.support import town
from tests.support.platform import Platform, running_platform
from tests.support.senders import Hj212Sender, HttpSender, ReportSender

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(600)]

PROCESSES = ("postgres", "nats", "store", "gateway", "writer", "worker", "web")
BACK_WITHIN = 30.0


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        yield running


def database_of(platform: Platform) -> Database:
    return Database.connect(database_url(platform.settings), SystemClock())


def test_no_kill_loses_or_doubles_anything(platform: Platform) -> None:
    settings = platform.settings
    founded = town.found_in(settings)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=50)
    long_ago = start - timedelta(days=20)
    gateway = f"http://127.0.0.1:{settings.port('gateway')}/readings"
    # The threshold is passed by the second half of the devices, so warnings and their incidents arise as well.
    quiet, loud = founded.http_devices[:25], founded.http_devices[25:]
    senders = [
        HttpSender(gateway, founded.gateway_token, quiet, start),
        HttpSender(gateway, founded.gateway_token, loud, start, value=town.THRESHOLD + 1),
        *(Hj212Sender(settings.port("hj212"), device, mn, long_ago) for device, mn in founded.hj212_devices.items()),
    ]
    reports = ReportSender(platform.address, founded.reporter_token, pause=0.1)
    chance = random.Random(20260125)
    for sender in (*senders, reports):
        sender.start()
    back: dict[str, float] = {}
    for name in PROCESSES:
        time.sleep(chance.uniform(0.5, 2.5))
        before = platform.processes()[name]["pid"]
        os.kill(before, signal.SIGKILL)
        began = time.monotonic()
        while platform.processes().get(name, {}).get("pid") in (before, None):
            assert time.monotonic() - began < BACK_WITHIN, f"{name} was not started again\n{platform.logs()}"
            time.sleep(0.1)
        platform.wait_until_ready(BACK_WITHIN - (time.monotonic() - began))
        back[name] = time.monotonic() - began
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (
        sum(len(each.acknowledged) for each in senders) < 10_000 or len(reports.acknowledged) < 200
    ):
        time.sleep(0.5)
    for sender in senders:
        sender.finish()
    reports.finish()
    acknowledged = [key for sender in senders for key in sender.acknowledged]
    failed = sum(sender.tries_failed for sender in senders)
    print(f"\nback after kill -9: { {name: round(seconds, 1) for name, seconds in back.items()} }")
    print(f"{len(acknowledged)} readings and {len(reports.acknowledged)} reports acknowledged, {failed} tries refused")
    assert len(acknowledged) >= 10_000
    assert len(set(acknowledged)) == len(acknowledged)
    asyncio.run(_check_readings(platform, acknowledged))
    asyncio.run(_check_incidents(platform, reports.acknowledged, loud))


async def _check_readings(platform: Platform, acknowledged: list[tuple[str, str, datetime]]) -> None:
    """Each acknowledged reading stands in the store once, once both consumers have caught up."""
    settings = platform.settings
    bus = await Bus.connect(settings, "crash-test")
    try:
        for durable in READING_CONSUMERS:
            for _ in range(600):
                if await bus.lag(READINGS, durable) == 0:
                    break
                await asyncio.sleep(0.2)
            else:
                pytest.fail(f"{durable} never caught up\n{platform.logs()}")
    finally:
        await bus.close()
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    expected = Counter(device for device, _, _ in acknowledged)
    stored = {device: await store.count(device) for device in expected}
    assert stored == dict(expected)
    latest: dict[str, datetime] = {}
    for device, _, at in acknowledged:
        latest[device] = max(at, latest.get(device, at))
    table = await store.latest(list(latest))
    assert {row["device"]: row["time"] for row in table.to_pylist()} == latest


async def _check_incidents(platform: Platform, reports: dict[int, str], loud: list[str]) -> None:
    """Each acknowledged report is an incident that was dispatched once; each warning is open once."""
    assert len(reports) >= 200
    database = database_of(platform)
    try:
        async with database.unit_of_work() as uow:
            rows = await uow.session.execute(
                text(
                    "SELECT incident_id, count(*) AS opened, "
                    "count(*) FILTER (WHERE action = 'dispatch') AS dispatched FROM ("
                    "  SELECT incident_id, action FROM incident_timeline WHERE action IN ('open', 'dispatch')) t "
                    "GROUP BY incident_id"
                )
            )
            counts = {row.incident_id: (row.opened - row.dispatched, row.dispatched) for row in rows}
            tasks: dict[str, int] = dict(
                (await uow.session.execute(text("SELECT incident_id, count(*) FROM incident_tasks GROUP BY 1"))).all()
            )
            warnings = (
                await uow.session.execute(
                    text("SELECT device_id, count(*), count(incident_id) FROM warnings WHERE state = 'open' GROUP BY 1")
                )
            ).all()
    finally:
        await database.close()
    for incident_id in reports.values():
        assert counts.get(incident_id) == (1, 1), incident_id
        assert tasks.get(incident_id) == 1, incident_id
    assert all(each == (1, 1) for each in counts.values())
    assert sorted(row[0] for row in warnings) == sorted(loud)
    assert all(row[1] == 1 and row[2] == 1 for row in warnings)
