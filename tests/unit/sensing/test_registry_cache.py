"""The gateways' view of the registry: which devices are reached through which."""

from collections.abc import Mapping
from typing import Any

from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.gateways.registry import RegistryCache


def device(device_id: str, address: str, settings: Mapping[str, Any] | None = None) -> Device:
    return Device(
        id=device_id,
        name=device_id,
        class_code="water_flow",
        division_code="500103",
        unit_id=None,
        protocol=Protocol.DLT645,
        address=address,
        lon=None,
        lat=None,
        place_ok=True,
        interval_seconds=300,
        settings=settings or {},
    )


def behind(cache: RegistryCache, device_id: str) -> dict[str, str]:
    return {address: entry.id for address, entry in cache.devices[device_id].behind.items()}


def test_meters_are_found_behind_their_concentrator_in_whatever_order_they_come() -> None:
    cache = RegistryCache()
    cache.put([device("m-1", "000000000001", {"via": "dtu-1"}), device("dtu-1", "DTU1"), device("dtu-2", "DTU2")])
    assert behind(cache, "dtu-1") == {"000000000001": "m-1"}
    cache.put([device("m-2", "000000000002", {"via": "dtu-1"})])
    assert behind(cache, "dtu-1") == {"000000000001": "m-1", "000000000002": "m-2"}
    assert behind(cache, "dtu-2") == {}


def test_a_meter_that_is_moved_or_renumbered_is_found_in_one_place_alone() -> None:
    cache = RegistryCache()
    cache.put([device("dtu-1", "DTU1"), device("dtu-2", "DTU2"), device("m-1", "000000000001", {"via": "dtu-1"})])
    cache.put([device("m-1", "000000000009", {"via": "dtu-1"})])
    assert behind(cache, "dtu-1") == {"000000000009": "m-1"}
    cache.put([device("m-1", "000000000009", {"via": "dtu-2"})])
    assert (behind(cache, "dtu-1"), behind(cache, "dtu-2")) == ({}, {"000000000009": "m-1"})
    cache.put([device("m-1", "000000000009", {"via": 7})])
    assert behind(cache, "dtu-2") == {}
