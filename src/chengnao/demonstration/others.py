"""Devices of the demonstration that speak other protocols of the field: vehicles, stations, meters, cameras."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.kernel.clock import Clock
from chengnao.kernel.settings import Settings
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.simulators.concentrator import Concentrator
from chengnao.sensing.simulators.runner import Load, simulate
from chengnao.sensing.simulators.simulations import simulation

_INTERVAL_SECONDS = 900
"""Of the city's time: some are asked, and some speak only when there is something to tell."""
_READ_SECONDS = 10
"""Of real time, between two questions to a meter."""


@cache
def _groups() -> tuple[Mapping[str, Any], ...]:
    text = (files("chengnao.demonstration") / "data" / "others.yaml").read_text("utf-8")
    return tuple(yaml.safe_load(text))


def other_devices() -> Iterator[Device]:
    """All of them, and the meters behind them, as the registry wants them."""
    for group in _groups():
        played = simulation(group["protocol"])
        for number, given in enumerate(group["devices"], start=1):
            speaker = played.make(number)
            device = _device(group, given, given["device"], given["name"], played.class_code, speaker.address, {})
            yield device
            if isinstance(speaker, Concentrator):
                meters = group["meters"]
                for place, address in enumerate(speaker.meters, start=1):
                    name = given["name"].replace("集中器", f"{meters['name']} {place} ")
                    through = {"via": device.id, "read_seconds": _READ_SECONDS}
                    yield _device(group, given, f"{device.id}-{place}", name, meters["class_code"], address, through)


def _device(
    group: Mapping[str, Any],
    given: Mapping[str, Any],
    device_id: str,
    name: str,
    class_code: str,
    address: str,
    settings: Mapping[str, Any],
) -> Device:
    code = given["division_code"]
    return Device(
        id=device_id,
        name=name,
        class_code=class_code,
        division_code=code,
        unit_id=f"{code}-{given['unit']}",
        protocol=Protocol(group["protocol"]),
        address=address,
        lon=given["lon"],
        lat=given["lat"],
        place_ok=True,
        interval_seconds=_INTERVAL_SECONDS,
        settings=settings,
    )


class Others:
    """The devices of one protocol at work. Where the city's clock runs faster they report more often."""

    def __init__(self, settings: Settings, clock: Clock, group: Mapping[str, Any]) -> None:
        protocol, count = group["protocol"], len(group["devices"])
        rate = count / max(1.0, group["seconds"] / clock.speed)
        port = settings.port(protocol)
        self._load = Load(simulation(protocol), settings.host, port, count, 1, rate, seconds=math.inf)
        self._clock = clock

    async def run(self) -> None:
        await simulate(self._load, clock=self._clock)


def others(settings: Settings, clock: Clock) -> list[Others]:
    """One for each protocol."""
    return [Others(settings, clock, group) for group in _groups()]
