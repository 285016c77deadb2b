"""All devices of the demonstration and what they say at a moment: the physics, a little noise, and faults.

Faults repeat by the clock: in each period one pressure station gets stuck and one device falls silent. They are a
function of seed and time, so that a restart does not heal a device.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.rivers import RainStation, Rivers, RiverStation, load_stations, rain, stage
from chengnao.demonstration.water import Waterworks, load_layout
from chengnao.kernel.places import Place

HEAVY_RAIN_MM = 10.0
"""Rain in an hour from which on residents write about water on the roads."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_STUCK_PERIOD = timedelta(hours=16)
_SILENT_PERIOD = timedelta(hours=7)


@dataclass(frozen=True)
class Sample:
    """What one device measured at one moment."""

    device: str
    time: datetime
    values: dict[str, float]


def stuck_device(seed: int, now: datetime) -> str | None:
    """The pressure station that repeats one value, for nine to twelve hours of each period of sixteen."""
    devices = [gauge.device for gauge in load_layout().pressures]
    return _faulty("stuck", seed, now, devices, _STUCK_PERIOD, (0.56, 0.75))


def silent_device(seed: int, now: datetime) -> str | None:
    """The device that says nothing, for one to two hours of each period of seven."""
    layout, stations = load_layout(), load_stations()
    devices = [each.device for group in (layout.pressures, layout.flows, stations.rains) for each in group]
    return _faulty("silent", seed, now, devices, _SILENT_PERIOD, (0.15, 0.3))


def _faulty(
    kind: str, seed: int, now: datetime, devices: list[str], period: timedelta, shares: tuple[float, float]
) -> str | None:
    index, within = divmod(now - _EPOCH, period)
    rng = seeded(kind, seed, index)
    lasts = period * rng.uniform(*shares)
    starts = (period - lasts) * rng.random()
    return rng.choice(devices) if starts <= within < starts + lasts else None


class Field:
    """The readings of all devices, each city minute."""

    def __init__(self, seed: int, works: Waterworks, now: datetime) -> None:
        self.works = works
        self._raining = False
        self._seed = seed
        self._rivers = Rivers(seed, now)
        self._held: dict[str, Sample] = {}

    def conditions(self) -> dict[str, Place | None]:
        """What residents notice, and where if it is in one place."""
        found: dict[str, Place | None] = {"rain": None} if self._raining else {}
        for burst in self.works.leaking():
            for gauge in load_layout().pressures:
                if gauge.device in burst.seen_by:
                    found["burst"] = Place(gauge.lon, gauge.lat)
        return found

    def pressures(self, now: datetime) -> list[Sample]:
        day = self.works.day
        noise = seeded("pressure", self._seed, now)
        samples = [
            Sample(
                gauge.device,
                now,
                {"pressure": round(day.pressure_at(gauge.element, now) + noise.uniform(-0.25, 0.25), 2)},
            )
            for gauge in load_layout().pressures
        ]
        return self._with_faults(samples, now)

    def flows(self, now: datetime) -> list[Sample]:
        day = self.works.day
        noise = seeded("flow", self._seed, now)
        samples = [
            Sample(
                gauge.device,
                now,
                {"flow": round(3600 * day.flow_at(gauge.element, now) * noise.uniform(0.99, 1.01), 1)},
            )
            for gauge in load_layout().flows
        ]
        return self._with_faults(samples, now)

    def stations(self, now: datetime) -> list[Sample]:
        """River and rain stations, with the values under the names that their HJ 212 frames use."""
        stations = load_stations()
        flows = self._rivers.at(now)
        noise = seeded("river", self._seed, now)
        rivers = [
            self._river(station, flows[station.device], noise.uniform(-0.01, 0.01), now) for station in stations.rivers
        ]
        rains = [self._rain(station, now) for station in stations.rains]
        self._raining = any(sample.values["RAIN1H"] >= HEAVY_RAIN_MM for sample in rains)
        return self._with_faults([*rivers, *rains], now)

    def _river(self, station: RiverStation, flow: float, noise: float, now: datetime) -> Sample:
        return Sample(station.device, now, {"LEVEL": round(stage(station, flow) + noise, 2), "FLOW": round(flow)})

    def _rain(self, station: RainStation, now: datetime) -> Sample:
        five = rain(self._seed, station, now, timedelta(minutes=5))
        hour = rain(self._seed, station, now, timedelta(hours=1))
        return Sample(station.device, now, {"RAIN5M": round(five, 1), "RAIN1H": round(hour, 1)})

    def _with_faults(self, samples: list[Sample], now: datetime) -> list[Sample]:
        stuck, silent = stuck_device(self._seed, now), silent_device(self._seed, now)
        return [self._maybe_stuck(sample, stuck) for sample in samples if sample.device != silent]

    def _maybe_stuck(self, sample: Sample, stuck: str | None) -> Sample:
        if sample.device != stuck:
            self._held.pop(sample.device, None)
            return sample
        held = self._held.setdefault(sample.device, sample)
        return Sample(sample.device, sample.time, held.values)
