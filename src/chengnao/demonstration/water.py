"""The demonstration's water network: pressures and flows by a hydraulic solver, mains that burst included.

The network is EPANET's example "Net3" as the wntr wheel carries it: 92 junctions, 3 tanks, 2 pumps, 24-hour demand
patterns. EPANET solves one day in a few hundredths of a second, so every change (a main bursts, it is mended) is
answered by solving the whole day again from the tank levels at midnight.

The places are invented: an affine map lays the network over the centre of Chongqing.
"""

import random
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from chengnao.kernel.clock import CST
from chengnao.kernel.vocabulary import Level

DAY_SECONDS = 86_400
STEP_SECONDS = 300

STEADY_TANKS: Mapping[str, float] = {"1": 4.828, "2": 7.064, "3": 9.464}
"""Tank levels in metres at midnight to which undisturbed days converge."""

_WEEKEND_DEMAND = {5: 0.97, 6: 0.96}
_ORIGIN = (106.43, 29.50)
_DEGREES_PER_UNIT = (0.0045, 0.0040)

# One EPANET run at a time: the solver library keeps its project in the process.
_solver = threading.Lock()


@dataclass(frozen=True)
class Burst:
    """A hole in a main at a junction: outflow (m³/s) = coefficient x pressure^0.5, EPANET's emitter law."""

    id: str
    node: str
    coefficient: float
    starts_at: datetime
    ends_at: datetime | None = None
    seen_by: tuple[str, ...] = ()
    """The stations whose pressure falls beyond a threshold by it."""


@dataclass(frozen=True)
class Site:
    """A junction where the demonstration lets a main burst, and how big the hole is."""

    node: str
    coefficient: float


@dataclass(frozen=True)
class Gauge:
    """Where a device sits: a junction (pressure, m) or a pipe (flow, m³/h)."""

    device: str
    name: str
    element: str
    division_code: str
    lon: float
    lat: float
    levels: Mapping[int, float]


@dataclass(frozen=True)
class Layout:
    """Which elements of the network carry devices, and where mains may burst."""

    pressures: tuple[Gauge, ...]
    flows: tuple[Gauge, ...]
    sites: tuple[Site, ...]


@cache
def load_layout() -> Layout:
    """The layout as `data/water.yaml` states it."""
    raw = yaml.safe_load((files("chengnao.demonstration") / "data" / "water.yaml").read_text("utf-8"))
    return Layout(
        tuple(_gauge(entry) for entry in raw["pressures"]),
        tuple(_gauge(entry) for entry in raw["flows"]),
        tuple(Site(entry["node"], entry["coefficient"]) for entry in raw["sites"]),
    )


def _gauge(entry: dict[str, Any]) -> Gauge:
    return Gauge(**{**entry, "levels": entry.get("levels", {})})


def to_place(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point in the network's own coordinates."""
    return round(_ORIGIN[0] + x * _DEGREES_PER_UNIT[0], 6), round(_ORIGIN[1] + y * _DEGREES_PER_UNIT[1], 6)


@dataclass(frozen=True)
class Day:
    """One solved day: values every five minutes from local midnight to the next, in metres and m³/s."""

    date: date
    tanks: Mapping[str, float]
    end_tanks: Mapping[str, float]
    pressure: Mapping[str, npt.NDArray[np.float64]]
    flow: Mapping[str, npt.NDArray[np.float64]]
    demand: npt.NDArray[np.float64]
    leak: npt.NDArray[np.float64]
    inflow: npt.NDArray[np.float64]

    def pressure_at(self, node: str, moment: datetime) -> float:
        return self._at(self.pressure[node], moment)

    def flow_at(self, pipe: str, moment: datetime) -> float:
        return self._at(self.flow[pipe], moment)

    def _at(self, series: npt.NDArray[np.float64], moment: datetime) -> float:
        position = (moment - midnight(self.date)).total_seconds() / STEP_SECONDS
        return float(np.interp(position, np.arange(len(series)), series))


def midnight(day: date) -> datetime:
    """The instant at which the day begins in Chongqing."""
    return datetime(day.year, day.month, day.day, tzinfo=CST)


def solve_day(day: date, tanks: Mapping[str, float], bursts: Iterable[Burst] = ()) -> Day:
    """Solve the day from the tank levels at its midnight; blocks for about 0.05 s."""
    wntr: Any = import_module("wntr")  # an optional dependency, and slow to import

    network = wntr.network.WaterNetworkModel("Net3")
    real_nodes = list(network.junction_name_list)
    network.options.time.duration = DAY_SECONDS
    network.options.time.hydraulic_timestep = STEP_SECONDS
    network.options.time.report_timestep = STEP_SECONDS
    network.options.hydraulic.demand_multiplier = _WEEKEND_DEMAND.get(day.weekday(), 1.0)
    for name, level in tanks.items():
        tank = network.get_node(name)
        tank.init_level = min(max(level, tank.min_level), tank.max_level)
    opened = [_open_leak(wntr, network, burst, midnight(day)) for burst in bursts]
    leaks = [leak for leak in opened if leak is not None]
    with _solver, tempfile.TemporaryDirectory(prefix="chengnao-water-") as folder:
        solved = wntr.sim.EpanetSimulator(network).run_sim(file_prefix=str(Path(folder) / "day"))
    pressure, demand, flow = solved.node["pressure"], solved.node["demand"], solved.link["flowrate"]
    return Day(
        date=day,
        tanks=dict(tanks),
        end_tanks={name: float(pressure[name].iloc[-1]) for name in network.tank_name_list},
        pressure={name: pressure[name].to_numpy(float) for name in real_nodes},
        flow={name: flow[name].to_numpy(float) for name in network.link_name_list},
        demand=demand[real_nodes].sum(axis=1).to_numpy(float),
        leak=demand[leaks].sum(axis=1).to_numpy(float),
        inflow=-demand[[*network.reservoir_name_list, *network.tank_name_list]].sum(axis=1).to_numpy(float),
    )


def _open_leak(wntr: Any, network: Any, burst: Burst, start_of_day: datetime) -> str | None:
    """Hang an emitter on the junction behind a short branch that is open only while the main leaks.

    EPANET has no emitter that starts and stops; a pipe under time controls has the same effect.
    """
    begins = max(0.0, (burst.starts_at - start_of_day).total_seconds())
    ends = DAY_SECONDS if burst.ends_at is None else (burst.ends_at - start_of_day).total_seconds()
    if begins >= DAY_SECONDS or ends <= begins:
        return None
    junction = network.get_node(burst.node)
    leak, branch = f"leak-{burst.id}", f"branch-{burst.id}"
    network.add_junction(leak, elevation=junction.elevation, coordinates=junction.coordinates)
    network.get_node(leak).emitter_coefficient = burst.coefficient
    status = "OPEN" if begins == 0 else "CLOSED"
    network.add_pipe(branch, burst.node, leak, length=1, diameter=0.3, roughness=130, initial_status=status)
    controls = wntr.network.controls
    for moment, opened in ((begins, 1), (ends, 0)):
        if 0 < moment < DAY_SECONDS:
            condition = controls.SimTimeCondition(network, "=", moment)
            action = controls.ControlAction(network.get_link(branch), "status", opened)
            network.add_control(f"{branch}-{opened}", controls.Control(condition, action))
    return leak


def stations_beyond(day: Day, now: datetime, hours: float = 2.0) -> dict[str, int]:
    """The gravest level each pressure station reaches between `now` and so many hours later, within the day."""
    first = max(0, int((now - midnight(day.date)).total_seconds() / STEP_SECONDS) + 2)
    last = int((now - midnight(day.date)).total_seconds() / STEP_SECONDS + hours * 3600 / STEP_SECONDS)
    found: dict[str, int] = {}
    for gauge in load_layout().pressures:
        window = day.pressure[gauge.element][first : max(first, last)]
        beyond = [level for level, value in gauge.levels.items() if len(window) and window.min() <= value]
        if beyond:
            found[gauge.device] = min(beyond)
    return found


class Waterworks:
    """The network through the days: knows the present day's solution and the mains that leak.

    Every method that solves blocks; call it in a thread.
    """

    def __init__(self, day: Day, bursts: Sequence[Burst] = ()) -> None:
        self.day = day
        self.bursts = list(bursts)

    @classmethod
    def at(
        cls,
        now: datetime,
        day: date | None = None,
        tanks: Mapping[str, float] = STEADY_TANKS,
        bursts: Sequence[Burst] = (),
    ) -> "Waterworks":
        """Take up from a remembered day, its tank levels and its bursts; after a gap of days tanks are steady again."""
        today = now.astimezone(CST).date()
        if day == today - timedelta(days=1):
            tanks = solve_day(day, tanks, bursts).end_tanks
        elif day != today:
            tanks = STEADY_TANKS
        return cls(solve_day(today, tanks, bursts), bursts)

    def advance(self, now: datetime) -> None:
        """Solve the next day once it has begun."""
        if now.astimezone(CST).date() != self.day.date:
            alive = [burst for burst in self.bursts if burst.ends_at is None or burst.ends_at > midnight(self.day.date)]
            fresh = Waterworks.at(now, self.day.date, self.day.tanks, alive)
            self.day, self.bursts = fresh.day, fresh.bursts

    def burst(self, burst: Burst) -> None:
        """Let a main leak from now on."""
        self.bursts.append(burst)
        self._solve()

    def mend(self, burst_id: str, now: datetime) -> None:
        """The main is tight again from `now` on."""
        self.bursts = [replace(each, ends_at=now) if each.id == burst_id else each for each in self.bursts]
        self._solve()

    def plan_burst(self, burst_id: str, now: datetime, rng: random.Random) -> Burst | None:
        """A burst at a random site that one to three stations will soon see at yellow or worse, and few others ever.

        None where no site is like that at this hour. The solver decides; nothing is changed yet.
        """
        layout = load_layout()
        busy = {burst.node for burst in self.leaking()}
        for site in rng.sample(layout.sites, len(layout.sites)):
            if site.node in busy:
                continue
            burst = Burst(burst_id, site.node, site.coefficient, now)
            soon, at_last = self._reach(burst, now)
            if 1 <= sum(level <= Level.YELLOW for level in soon.values()) <= 3 and len(at_last) <= 6:
                return replace(burst, seen_by=tuple(soon))
        return None

    def _reach(self, burst: Burst, now: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """The stations that the burst brings beyond a level: within two hours, and if nobody mends it for eight."""
        bursts = [*self.bursts, burst]
        day = solve_day(self.day.date, self.day.tanks, bursts)
        before = stations_beyond(self.day, now)
        soon = {device: level for device, level in stations_beyond(day, now).items() if device not in before}
        at_last = stations_beyond(day, now, hours=8)
        if now + timedelta(hours=8) > midnight(day.date) + timedelta(days=1):
            tomorrow = solve_day(day.date + timedelta(days=1), day.end_tanks, bursts)
            at_last |= stations_beyond(tomorrow, now, hours=8)
        return soon, {device: level for device, level in at_last.items() if device not in before}

    def leaking(self) -> list[Burst]:
        return [burst for burst in self.bursts if burst.ends_at is None]

    def _solve(self) -> None:
        self.day = solve_day(self.day.date, self.day.tanks, self.bursts)
