"""An edge gateway between devices and the centre: real processes, lines that are cut, disks that remember."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from chengnao.sensing.devices.service import put_all, register
from chengnao.sensing.edge.model import Change, Edge, EdgeState
from chengnao.sensing.edge.repository import EdgeRepository
from chengnao.sensing.edge.service import real_now
from chengnao.sensing.protocols.hj212 import encode, field_text
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from tests.support.edge import Centre, EdgeProgram, Load, Program, Proxy, registered, until
from tests.support.netns import Wire, namespace

from .conftest import device, token
from .logged import logged

pytestmark = pytest.mark.engines

CUTS = int(os.environ.get("CHENGNAO_CUTS", "4"))
"""How often the lines are cut in the test under load; 50 in the long run."""


@dataclass
class Field:
    """Everything between the devices and the log."""

    centre: Centre
    edge: EdgeProgram
    known: Edge
    primary: Proxy | Wire
    standby: Proxy | Wire
    database: Database
    bus: Bus
    token: str
    gap: float = 0.0

    def load(self, **changes: Any) -> Load:
        return Load(self.edge.url, self.token, **{"devices": ("p-1", "p-2")} | changes)

    async def many_devices(self) -> tuple[str, ...]:
        """Enough for a load that would be a flood of two."""
        names = tuple(f"q-{number}" for number in range(60))
        async with self.database.unit_of_work() as uow:
            await put_all(uow, [device(name) for name in names])
            await uow.commit()

        async def known() -> bool:
            return (self.edge.home / "registry.json").read_text().count('"q-') >= len(names)

        await until(known)
        return names

    async def caught_up(self) -> bool:
        return self.edge.health()[0] == 0

    async def uses(self, line: str, seconds: float = 15) -> float:
        async def right() -> bool:
            return self.edge.health()[1].startswith(f"line {line}")

        return await until(right, seconds, self.edge.text)

    async def state(self) -> Edge:
        async with self.database.unit_of_work() as uow:
            edge = await EdgeRepository(uow.session).edge(Scope(), self.known.id)
        assert edge is not None
        return edge

    async def history(self, kind: Change) -> list[dict[str, Any]]:
        async with self.database.unit_of_work() as uow:
            page = await EdgeRepository(uow.session).history(self.known.id, PageRequest(1, 200), kind)
        return [dict(each.detail) for each in page.items]


Build = Callable[..., Awaitable[Field]]


@pytest.fixture
async def build(
    city: Database, bus: Bus, settings: Settings, database_url: str, tmp_path: Path
) -> AsyncIterator[Build]:
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> Field:
            centre = Centre(tmp_path, settings, database_url)
            stack.push_async_callback(centre.close)
            await centre.start()
            lines = [Proxy(centre.address), Proxy(centre.address)]
            for line in lines:
                await line.start()
                stack.push_async_callback(line.close)
            known, secret = await registered(city)
            edge = EdgeProgram(tmp_path, secret, lines[0].url, lines[1].url, **changes)
            stack.push_async_callback(edge.close)
            await edge.start()
            field = Field(centre, edge, known, lines[0], lines[1], city, bus, await token(city))
            await field.uses("primary")
            return field

        yield make


async def check_log(field: Field, load: Load, *, doubles: bool = False) -> Counter[tuple[str, datetime]]:
    """Everything that was acknowledged is on the centre's log; nothing twice, unless devices sent it twice."""
    table = await logged(field.bus)
    found = Counter(zip(table.column("device").to_pylist(), table.column("time").to_pylist(), strict=True))
    lost = load.acknowledged - found.keys()
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} lost"
    if not doubles:
        twice = [key for key, number in found.items() if number > 1]
        assert not twice, f"{len(twice)} doubled"
    return found


async def test_lines_cut_in_turn_lose_nothing_and_double_nothing(build: Build) -> None:
    await cut_in_turn(await build())


async def test_real_lines_cut_in_turn(
    city: Database, bus: Bus, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    """The same over network cards of a namespace, the primary line bound to its card."""
    async with AsyncExitStack() as stack:
        space = stack.enter_context(namespace())
        if space is None:
            pytest.skip("not run: no network namespaces")
        wires = [Wire(space, f"cne{number}", f"10.77.{number}") for number in (1, 2, 3)]
        for wire in wires:
            stack.callback(wire.remove)
        centre = Centre(tmp_path, settings, database_url, "0.0.0.0")
        stack.push_async_callback(centre.close)
        await centre.start()
        known, secret = await registered(city)
        urls = [wire.url(centre.address[1]) for wire in wires]
        more = {"host": "0.0.0.0", "address": "10.77.3.2", "interface": wires[0].there}
        edge = EdgeProgram(tmp_path, secret, urls[0], urls[1], **more)
        stack.push_async_callback(edge.close)
        await edge.start(("ip", "netns", "exec", space))
        field = Field(centre, edge, known, wires[0], wires[1], city, bus, await token(city))
        await field.uses("primary")
        await cut_in_turn(field)


async def cut_in_turn(field: Field) -> None:
    load = field.load(resend=False)
    load.start()
    watch = asyncio.create_task(longest_gap(field))
    switches: list[float] = []
    lost_ways = ("cut", "dead", "deaf")
    for number in range(CUTS):
        line, other = (field.primary, "standby") if number % 2 == 0 else (field.standby, "primary")
        await asyncio.sleep(0.5)
        if other == "primary":
            field.primary.set("whole")  # only now, so that the line that is cut is the one in use
        line.set(lost_ways[number // 2 % 3])
        switches.append(await field.uses(other))
        if other == "primary":
            field.standby.set("whole")
    field.primary.set("whole")
    field.standby.set("whole")
    await load.stop()
    await until(field.caught_up, 40, field.edge.text)
    watch.cancel()
    gap = field.gap
    await check_log(field, load)
    assert len(load.acknowledged) > 100 * CUTS
    print(
        f"{CUTS} cuts: {len(load.acknowledged)} readings, 0 lost, 0 doubled; longest switch {max(switches):.2f} s, "
        f"longest time without a reading at the centre {gap:.2f} s, slowest acknowledgement {load.slowest:.2f} s"
    )
    assert max(switches) < 6
    assert gap < 8
    assert load.slowest < 5


async def longest_gap(field: Field) -> None:
    """How long nothing came to the centre while devices sent all the time."""
    last, since = -1, time.monotonic()
    while True:
        readings = (await field.state()).readings
        if readings != last:
            last, since = readings, time.monotonic()
        field.gap = max(field.gap, time.monotonic() - since)
        await asyncio.sleep(0.05)


async def test_back_to_the_primary_line_only_once_it_stands(build: Build) -> None:
    field = await build(return_seconds=3.0)
    field.primary.set("cut")
    await field.uses("standby")
    field.primary.set("whole")
    await asyncio.sleep(1.5)
    field.primary.set("cut")
    await asyncio.sleep(1.0)
    field.primary.set("whole")
    assert field.edge.health()[1].startswith("line standby")
    assert await field.uses("primary") > 2.0
    switches = [each["after"] for each in await field.history(Change.SWITCHED)]
    assert switches.count("primary") <= 2


async def test_killed_edge_and_killed_centre_lose_nothing_acknowledged(build: Build) -> None:
    field = await build()
    load = field.load()
    load.start()
    rng = random.Random(7)
    for number in range(4):
        await asyncio.sleep(rng.uniform(0.3, 1.2))
        program = field.edge if number % 2 == 0 else field.centre
        await program.ended(signal.SIGKILL)
        await program.start()
    await asyncio.sleep(0.5)
    await load.stop()
    await field.uses("primary")
    await until(field.caught_up, 40, field.edge.text)
    assert load.acknowledged
    await check_log(field, load, doubles=True)


async def test_alone_for_days_then_catches_up(build: Build) -> None:
    """Both lines away and the edge started again in between: it knows its devices and tokens from its disk."""
    field = await build()
    devices = await field.many_devices()
    warm = field.load(rows=2)
    warm.start()
    await warm.until(2)
    await warm.stop()
    field.primary.set("cut")
    field.standby.set("cut")
    await field.uses("-")
    assert await field.edge.ended() == 0
    await field.edge.start()
    load = field.load(rows=5_000, pause=0.0, devices=devices)
    load.start()
    await load.until(200_000)
    await load.stop()

    async def all_wait() -> bool:
        return field.edge.health()[0] >= len(load.acknowledged)

    await until(all_wait)
    waiting = field.edge.health()[0]
    async with httpx.AsyncClient(base_url=field.edge.url, headers={"Authorization": f"Bearer {field.token}"}) as client:
        stranger = [{"device": "new-1", "metric": "pressure", "time": datetime.now(UTC).isoformat(), "value": 1}]
        assert (await client.post("/readings", json=stranger)).status_code == 503
        other = await client.post("/readings", json=stranger, headers={"Authorization": "Bearer other"})
        assert other.json()["error"]["code"] == "edge_alone"
    field.standby.set("whole")
    began = time.monotonic()
    await until(field.caught_up, 60, field.edge.text)
    print(f"{waiting} readings caught up in {time.monotonic() - began:.1f} s over the standby line")
    print(f"memory at its most: {field.edge.peak()} MiB")
    assert field.edge.peak() < 350
    load.acknowledged |= warm.acknowledged
    await check_log(field, load)


async def test_late_is_judged_by_the_wait_at_the_edge(build: Build) -> None:
    field = await build()
    headers = {"Authorization": f"Bearer {field.token}"}
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        {"device": "p-1", "metric": "pressure", "time": now.isoformat(), "value": 30},
        {"device": "p-1", "metric": "pressure", "time": (now - timedelta(hours=2)).isoformat(), "value": 31},
        {"device": "south-1", "metric": "pressure", "time": now.isoformat(), "value": 32},
    ]
    async with httpx.AsyncClient(base_url=field.edge.url, headers=headers) as client:
        answer = (await client.post("/readings", json=rows)).json()
    assert (answer["accepted"], [each["code"] for each in answer["rejected"]]) == (2, ["unknown_device"])
    await until(field.caught_up, 20)
    await asyncio.sleep(1.5)
    table = (await logged(field.bus)).to_pylist()
    assert {row["value"]: row["quality"] for row in table} == {30: "good", 31: "late"}
    assert all(abs((row["received_at"] - now).total_seconds()) < 30 for row in table)
    async with field.database.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope(), HeldFilter(), PageRequest(1, 10))
    assert [(piece.reason, piece.division_code, piece.device_hint) for piece in page.items] == [
        ("unknown_device", "500103", "south-1")
    ]


async def test_stations_speak_their_protocol_and_new_ones_are_known(build: Build) -> None:
    field = await build()
    reader, writer = await asyncio.open_connection("127.0.0.1", field.edge.hj212)
    now = datetime.now(UTC).replace(microsecond=0)

    async def report(mn: str) -> bytes:
        header = {"QN": field_text(now, milliseconds=True), "ST": "22", "CN": "2011", "MN": mn, "Flag": "5"}
        writer.write(encode(header, {"DataTime": field_text(now)}, {"a34004": {"Rtd": "35", "Flag": "N"}}))
        return await asyncio.wait_for(reader.readline(), 10)

    assert b"CN=9014" in await report("A110000_0001")
    async with field.database.unit_of_work() as uow:
        await register(uow, device("air-2", "air_station", protocol="hj212", address="NEW-1"))
        await uow.commit()
    assert b"CN=9014" in await report("NEW-1")
    writer.close()
    await until(field.caught_up, 20)
    await asyncio.sleep(0.5)
    assert {row["device"] for row in (await logged(field.bus)).to_pylist()} == {"air-1", "air-2"}


async def test_a_full_buffer_drops_the_oldest_and_says_how_much(build: Build) -> None:
    field = await build(megabytes=1, when_full="drop_oldest")
    devices = await field.many_devices()
    warm = field.load(rows=2)
    warm.start()
    await warm.until(2)
    await warm.stop()
    await until(field.caught_up)
    field.primary.set("cut")
    field.standby.set("cut")
    await field.uses("-")
    load = field.load(rows=5_000, pause=0.0, devices=devices)
    load.start()
    log = field.edge.home / "log"
    await load.until(200_000)
    await load.stop()
    field.primary.set("whole")
    await until(field.caught_up, 60, field.edge.text)

    async def told() -> bool:
        return bool(await field.history(Change.DROPPED))

    await until(told, 20)
    dropped = json.loads((log / "state.json").read_bytes())["dropped_readings"]
    load.acknowledged |= warm.acknowledged
    table = await logged(field.bus)
    found = set(zip(table.column("device").to_pylist(), table.column("time").to_pylist(), strict=True))
    assert len(load.acknowledged - found) == dropped > 0

    async def known() -> bool:
        return bool((await field.state()).status["buffer"]["dropped_readings"] == dropped)

    await until(known, 20)


async def test_wanted_settings_are_taken_up_and_a_missing_update_is_told(build: Build, tmp_path: Path) -> None:
    field = await build(update_command=["/bin/false"])
    async with field.database.unit_of_work() as uow:
        wanted = {"buffer": {"megabytes": 64, "when_full": "drop_oldest"}}
        changes = {"wanted": wanted, "wanted_revision": 3, "wanted_version": "9.9.9"}
        await EdgeRepository(uow.session).change(field.known.id, changes)
        await uow.commit()

    async def told() -> bool:
        return bool(await field.history(Change.APPLIED)) and bool(await field.history(Change.FAILED))

    await until(told, 20, field.edge.text)
    assert await field.history(Change.APPLIED) == [{"revision": 3}]
    failed = await field.history(Change.FAILED)
    assert failed[0]["version"] == "9.9.9"
    edge = await field.state()
    assert edge.status["buffer"]["limit"] == 64 * 2**20
    assert edge.status["tuning"]["revision"] == 3
    assert edge.state(real_now()) is EdgeState.GOOD
    assert edge.status["memory_mb"] < 250
    print(f"memory of the edge: {edge.status['memory_mb']} MiB")


async def test_a_second_process_on_the_same_folder_is_refused(build: Build, tmp_path: Path) -> None:
    field = await build()
    second = Program("second", tmp_path, ["-m", "chengnao.sensing.edge", str(field.edge.home)], {})
    await second.start()
    assert second.process is not None
    assert await asyncio.wait_for(second.process.wait(), 20) == 2
    assert "已有一个边缘网关在运行" in second.text()
