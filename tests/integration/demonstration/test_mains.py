"""Mains burst, are mended when the incident is handled, and the city remembers them over a crash."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chengnao.demonstration.mains import Mains
from chengnao.demonstration.memory import Memory, keep, memory_path, remember
from chengnao.demonstration.water import STEADY_TANKS, Burst, Waterworks, stations_beyond

pytest.importorskip("wntr")

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def handled(device: str, opened_at: datetime, state: str = "handled") -> dict[str, Any]:
    return {"state": state, "warnings": [{"device_id": device, "opened_at": opened_at.isoformat()}]}


async def test_a_main_bursts_and_is_mended_when_its_incident_is_handled(tmp_path: Path) -> None:
    works = Waterworks.at(NOW)
    mains = Mains(tmp_path, 3, works, NOW, NOW)
    await mains.step(NOW, open_incidents=10)
    (burst,) = works.leaking()
    assert set(stations_beyond(works.day, NOW)) == set(burst.seen_by)
    device, seen = burst.seen_by[0], NOW + timedelta(minutes=10)

    mains.see(handled(device, seen, "accepted"))
    mains.see(handled(device, NOW - timedelta(hours=3)))  # an older incident of the same station
    await mains.step(NOW + timedelta(minutes=20), 10)
    assert works.leaking() == [burst]

    mains.see(handled(device, seen))
    mended = NOW + timedelta(minutes=30)
    await mains.step(mended, 10)
    assert works.leaking() == []
    assert stations_beyond(works.day, mended + timedelta(minutes=15)) == {}


async def test_no_main_bursts_in_a_city_that_has_enough_to_do(tmp_path: Path) -> None:
    works = Waterworks.at(NOW)
    mains = Mains(tmp_path, 3, works, NOW, NOW)
    await mains.step(NOW, open_incidents=40)
    assert works.leaking() == []


async def test_a_forgotten_leak_is_found_at_last(tmp_path: Path) -> None:
    burst = Burst("old", "131", 0.02, NOW - timedelta(hours=17), None, ("demo-p-131",))
    works = Waterworks.at(NOW, bursts=[burst])
    await Mains(tmp_path, 3, works, NOW + timedelta(hours=9), NOW).step(NOW, 10)
    assert works.leaking() == []


async def test_the_city_takes_up_where_it_was_killed(tmp_path: Path) -> None:
    works = Waterworks.at(NOW)
    await Mains(tmp_path, 3, works, NOW, NOW).step(NOW, 10)
    later = NOW + timedelta(hours=2)
    memory = remember(tmp_path)
    again = Waterworks.at(later, memory.day, memory.tanks, memory.bursts)
    assert again.leaking() == works.leaking()
    assert memory.next_burst is not None
    assert memory.next_burst > NOW
    for device in works.leaking()[0].seen_by:
        node = device.removeprefix("demo-p-")
        assert again.day.pressure_at(node, later) == pytest.approx(works.day.pressure_at(node, later))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"day": 3}', '{"day": null, "tanks": {}, "bursts": [{}]}'])
def test_a_broken_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    memory_path(tmp_path).parent.mkdir()
    memory_path(tmp_path).write_text(content)
    assert remember(tmp_path) == Memory()


def test_memory_comes_back_as_it_was(tmp_path: Path) -> None:
    burst = Burst("b", "131", 0.02, NOW, NOW + timedelta(hours=1), ("demo-p-131",))
    memory = Memory(NOW.date(), dict(STEADY_TANKS), (burst,), NOW)
    keep(tmp_path, memory)
    assert remember(tmp_path) == memory
