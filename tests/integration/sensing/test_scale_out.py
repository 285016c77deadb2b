"""Several gateways and writers, killed and stopped in the middle of the work."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.health import read_health
from chengnao.kernel.settings import Settings, load_secrets, load_settings
from chengnao.sensing.readings.model import Quality, Reading
from chengnao.sensing.readings.rollups import RollUps
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import ROLLED_UP
from tests.support.ports import free_block
from tests.support.stack import make_home, remove_home

from .children import ChildProcess, kill_at_random
from .conftest import token
from .recomputed import expected_tier, stored_tier

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
SECONDS = 12


class Field:
    """Stations that send until they are answered, and send on; some of it hours late, some of it again."""

    def __init__(self, address: str, secret: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {secret}"}
        self.acknowledged: dict[tuple[str, datetime], float] = {}
        self.stop = False
        self.failures = 0

    async def station(self, number: int) -> None:
        chance = random.Random(number)
        rows: list[dict[str, Any]] = []
        count = 0
        while not self.stop:
            if not rows:
                rows = [self._row(chance, number, count + each) for each in range(chance.randrange(1, 20))]
                count += len(rows)
            with suppress(httpx.HTTPError):
                # A connection for each request, so that the system deals them out anew.
                async with httpx.AsyncClient(headers=self._headers, timeout=20) as client:
                    answer = await client.post(f"{self._address}/readings", json=rows)
                if answer.status_code == 200 and answer.json()["accepted"] == len(rows):
                    for row in rows:
                        self.acknowledged[row["device"], datetime.fromisoformat(row["time"])] = row["value"]
                    rows = []
                    continue
            self.failures += 1
            await asyncio.sleep(0.05)

    def _row(self, chance: random.Random, number: int, count: int) -> dict[str, Any]:
        # Each station has seconds of its own, and a second is never given two values.
        at = NOW - timedelta(seconds=count * 8 + number, hours=chance.choice([0, 0, 3, 30]) * 2)
        device = "p-1" if number % 2 else "p-2"
        return {"device": device, "metric": "pressure", "time": at.isoformat(), "value": hash_of(device, at)}


def hash_of(device: str, at: datetime) -> float:
    return (int(at.timestamp()) * 31 + len(device)) % 400 / 8


@pytest.fixture
def scene(settings: Settings, database_url: str) -> Settings:
    secrets = load_secrets(settings.home)
    nats = f"nats://{secrets.nats_user}:{secrets.nats_password}@127.0.0.1:{settings.port('nats')}"
    home = make_home()
    made = load_settings(home, base_port=free_block())
    return made.model_copy(update={"database_url": database_url, "nats_urls": [nats]})


@pytest.fixture
async def children(scene: Settings, city: Database, bus: Bus) -> AsyncIterator[dict[str, ChildProcess]]:
    names = ("store", "gateway-1", "gateway-2", "gateway-3", "writer-1", "writer-2")
    made = {name: ChildProcess(name, scene) for name in names}
    try:
        for child in made.values():
            child.start()
        for child in made.values():
            await child.ready()
        yield made
    finally:
        for child in made.values():
            child.close()
        remove_home(scene.home)


async def emptied(bus: Bus) -> None:
    async with asyncio.timeout(90):  # a message in the hand of a writer that was killed comes again after a minute
        while await bus.lag(READINGS, "writer"):
            await asyncio.sleep(0.2)


async def check(store: ReadingsStore, field: Field) -> None:
    """Everything acknowledged is stored, once, and the tiers are what the raw readings say."""
    table = await store._query("SELECT * FROM chengnao.readings FINAL", {})
    rows = {(row["device"], row["time"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    lost = {key for key, value in field.acknowledged.items() if key not in rows or rows[key]["value"] != value}
    assert not lost
    until = NOW + timedelta(hours=2)
    await RollUps(store, FixedClock(until)).step()
    readings = [
        Reading(row["device"], row["metric"], row["time"], row["value"], row["received_at"], Quality(row["quality"]))
        for row in rows.values()
    ]
    done = (await store.progress())["done"]
    for tier in ROLLED_UP:
        assert await stored_tier(store, tier, done) == expected_tier(readings, tier, done)


@pytest.mark.timeout(300)
async def test_killed_at_random_nothing_acknowledged_is_lost_and_sums_are_right(
    children: dict[str, ChildProcess], scene: Settings, city: Database, bus: Bus
) -> None:
    field = Field(f"http://127.0.0.1:{scene.port('gateway')}", await token(city))
    store = ReadingsStore.create(scene, load_secrets(scene.home))
    await RollUps(store, FixedClock(NOW)).step()  # so that most of what comes is late
    stations = [asyncio.create_task(field.station(number)) for number in range(8)]
    await kill_at_random(list(children.values()), SECONDS, random.Random())
    field.stop = True
    await asyncio.gather(*stations)
    await emptied(bus)
    assert sum(child.kills for child in children.values()) >= 3
    assert len(field.acknowledged) > 50
    await check(store, field)
    await store.close()


@pytest.mark.timeout(200)
async def test_gateways_come_and_go_under_load(
    children: dict[str, ChildProcess], scene: Settings, city: Database, bus: Bus
) -> None:
    field = Field(f"http://127.0.0.1:{scene.port('gateway')}", await token(city))
    stations = [asyncio.create_task(field.station(number)) for number in range(8)]
    for name in ("gateway-2", "writer-1", "gateway-1"):
        await asyncio.sleep(1)
        await children[name].end(signal.SIGTERM)
        assert read_health(scene.home, name) is None
        await asyncio.sleep(1)
        children[name].start()
        await children[name].ready()
    await asyncio.sleep(1)
    shares = [health.detail for number in (1, 2, 3) if (health := read_health(scene.home, f"gateway-{number}"))]
    field.stop = True
    await asyncio.gather(*stations)
    await emptied(bus)
    assert len(shares) == 3
    assert all(not share.startswith("readings 0,") for share in shares)
    store = ReadingsStore.create(scene, load_secrets(scene.home))
    await check(store, field)
    await store.close()
