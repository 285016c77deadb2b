"""Rain and rivers of the demonstration: storms, flood waves on two rivers, and their way downstream.

Everything is a pure function of the seed and the city's time, so that a restart takes up where the water stands.

Rain: a storm's intensity over time follows a gamma curve; a station reports the sum of the last hour.
Waves: the two upstream stations receive base flow and, about once a day, a gamma-shaped wave of random height.
Routing: Muskingum (McCarthy 1938; Chow, Maidment and Mays, Applied Hydrology, 1988, section 8.4):
O₂ = C₀I₂ + C₁I₁ + C₂O₁ with C₀ = (Δt-2KX)/D, C₁ = (Δt+2KX)/D, C₂ = (2K(1-X)-Δt)/D, D = 2K(1-X)+Δt.
A reach is cut into parts short enough for all three to be at least 0, so no flow turns negative.
Stage: (Q/base flow)^0.6 x stage at base flow; 3/5 is the exponent of Manning's law in a wide channel.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.demonstration.chance import seeded

STEP = timedelta(minutes=10)
WARM_UP = timedelta(days=4)
_STEP_HOURS = STEP.total_seconds() / 3600
_WEIGHTING = 0.2  # Muskingum's X: between a reservoir (0) and pure translation (0.5)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_WAVE_EVERY_H = 26.0
_STORM_EVERY_H = 17.0


@dataclass(frozen=True)
class RiverStation:
    """A gauge. `upstream` names the stations it is fed by, each with the travel time K in hours."""

    device: str
    mn: str
    name: str
    river: str
    division_code: str
    lon: float
    lat: float
    base_flow: float
    base_stage: float
    levels: Mapping[int, float]
    upstream: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RainStation:
    """A rain gauge; `delay` is how many hours after the first station a storm reaches it, `share` how much of it."""

    device: str
    mn: str
    name: str
    division_code: str
    lon: float
    lat: float
    delay: float
    share: float


@dataclass(frozen=True)
class Stations:
    rivers: tuple[RiverStation, ...]
    rains: tuple[RainStation, ...]

    @property
    def all(self) -> tuple[RiverStation | RainStation, ...]:
        return *self.rivers, *self.rains


@cache
def load_stations() -> Stations:
    """The stations as `data/rivers.yaml` states them, upstream first."""
    raw: dict[str, Any] = yaml.safe_load((files("chengnao.demonstration") / "data" / "rivers.yaml").read_text("utf-8"))
    return Stations(
        tuple(RiverStation(**entry) for entry in raw["rivers"]),
        tuple(RainStation(**entry) for entry in raw["rains"]),
    )


def _pulse(hours: float, peak_at: float) -> float:
    """A gamma-shaped pulse: 0 before it starts, 1 at its peak, then a longer tail."""
    if hours <= 0:
        return 0.0
    ratio = hours / peak_at
    return float(ratio**4 * math.exp(4 * (1 - ratio)))


def _hours(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds() / 3600


def storm_intensity(seed: int, hours: float) -> float:
    """Rain in mm/h at the first station; `hours` count from the start of 2026."""
    total = 0.0
    latest = math.floor(hours / _STORM_EVERY_H)
    for index in (latest - 1, latest):
        rng = seeded("storm", seed, index)
        starts = (index + rng.uniform(0, 0.5)) * _STORM_EVERY_H
        total += rng.choice((4, 9, 15, 24, 34, 56)) * rng.uniform(0.8, 1.2) * _pulse(hours - starts, 1.5)
    return total


def rain(seed: int, station: RainStation, moment: datetime, during: timedelta) -> float:
    """Millimetres that fell at the station in the time before `moment`."""
    end, hours, steps = _hours(moment) - station.delay, during.total_seconds() / 3600, 12
    mean = sum(storm_intensity(seed, end - hours * (step + 0.5) / steps) for step in range(steps)) / steps
    return station.share * mean * hours


def wave_factor(seed: int, river: str, hours: float) -> float:
    """Inflow at the head of the river as a multiple of its base flow."""
    factor = 1.0
    latest = math.floor(hours / _WAVE_EVERY_H)
    for index in range(latest - 2, latest + 1):
        rng = seeded("wave", seed, river, index)
        starts = (index + rng.uniform(0, 0.4)) * _WAVE_EVERY_H
        factor += rng.choice((0.6, 1.4, 2.3, 3.0, 4.0, 5.6)) * rng.uniform(0.85, 1.15) * _pulse(hours - starts, 6.0)
    return factor


@dataclass(frozen=True)
class Muskingum:
    """The coefficients of one part of a reach."""

    c0: float
    c1: float
    c2: float

    @staticmethod
    def of(k_hours: float, step_hours: float = _STEP_HOURS, weighting: float = _WEIGHTING) -> "Muskingum":
        divisor = 2 * k_hours * (1 - weighting) + step_hours
        return Muskingum(
            (step_hours - 2 * k_hours * weighting) / divisor,
            (step_hours + 2 * k_hours * weighting) / divisor,
            (2 * k_hours * (1 - weighting) - step_hours) / divisor,
        )


class Reach:
    """A stretch of river between two stations, in parts; starts at a steady flow."""

    def __init__(self, travel_hours: float, steady: float) -> None:
        parts = max(1, math.ceil(2 * travel_hours * _WEIGHTING / _STEP_HOURS))
        self.coefficients = Muskingum.of(travel_hours / parts)
        self._flows = [steady] * (parts + 1)

    def step(self, inflow: float) -> float:
        """Let one time step pass with this flow at the upper end; returns the flow at the lower end."""
        c = self.coefficients
        before = self._flows
        after = [inflow]
        for part in range(1, len(before)):
            after.append(c.c0 * after[part - 1] + c.c1 * before[part - 1] + c.c2 * before[part])
        self._flows = after
        return after[-1]


class Rivers:
    """The flows at all stations through time; `at` must be asked for times that never go back."""

    def __init__(self, seed: int, now: datetime) -> None:
        self._seed = seed
        self._stations = load_stations().rivers
        by_device = {station.device: station for station in self._stations}
        self._reaches = {
            station.device: {
                above: Reach(hours, by_device[above].base_flow) for above, hours in station.upstream.items()
            }
            for station in self._stations
        }
        steps = math.floor((now - WARM_UP - _EPOCH) / STEP)
        self._time = _EPOCH + steps * STEP
        self._before = self._after = {station.device: station.base_flow for station in self._stations}

    def at(self, now: datetime) -> dict[str, float]:
        """The flow in m³/s at each station, between the steps by interpolation."""
        while self._time < now:
            self._time += STEP
            self._before, self._after = self._after, self._step()
        share = 1 - (self._time - now) / STEP
        return {device: before + (self._after[device] - before) * share for device, before in self._before.items()}

    def _step(self) -> dict[str, float]:
        flows: dict[str, float] = {}
        hours = _hours(self._time)
        for station in self._stations:
            reaches = self._reaches[station.device]
            if reaches:
                flows[station.device] = sum(reach.step(flows[above]) for above, reach in reaches.items())
            else:
                flows[station.device] = station.base_flow * wave_factor(self._seed, station.river, hours)
        return flows


def stage(station: RiverStation, flow: float) -> float:
    """Water level in metres above the station's own (invented) datum."""
    return float(station.base_stage * (flow / station.base_flow) ** 0.6)
