"""The water network: normal days are quiet, a burst is seen, water is neither made nor lost."""

import random
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from chengnao.demonstration.water import (
    STEADY_TANKS,
    Burst,
    Waterworks,
    load_layout,
    midnight,
    solve_day,
    stations_beyond,
    to_place,
)
from chengnao.kernel.clock import CST

wntr = pytest.importorskip("wntr")

WEDNESDAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, 2, tzinfo=CST)


@pytest.mark.parametrize("day", [WEDNESDAY, date(2026, 11, 28), date(2026, 11, 29)])
def test_no_station_warns_on_a_normal_day(day: date) -> None:
    solved = solve_day(day, STEADY_TANKS)
    margins = [solved.pressure[gauge.element].min() - gauge.levels[4] for gauge in load_layout().pressures]
    assert min(margins) > 0.8  # metres; the devices' noise stays under it


def test_undisturbed_days_end_as_they_began() -> None:
    assert solve_day(WEDNESDAY, STEADY_TANKS).end_tanks == pytest.approx(STEADY_TANKS, abs=0.01)


def test_every_site_can_be_seen_by_a_station() -> None:
    for site in load_layout().sites:
        day = solve_day(WEDNESDAY, STEADY_TANKS, [Burst("b", site.node, site.coefficient, NOON)])
        levels = stations_beyond(day, NOON).values()
        assert any(level <= 3 for level in levels), site


def test_a_planned_burst_is_seen_by_few_and_ends_when_mended() -> None:
    works = Waterworks.at(NOON)
    burst = works.plan_burst("b", NOON, random.Random(1))
    assert burst is not None
    assert stations_beyond(works.day, NOON) == {}
    works.burst(burst)
    levels = list(stations_beyond(works.day, NOON).values())
    assert 1 <= sum(level <= 3 for level in levels) <= 3
    assert len(levels) <= 6
    later = NOON + timedelta(hours=1)
    works.mend("b", later)
    assert works.leaking() == []
    assert stations_beyond(works.day, later + timedelta(minutes=20)) == {}


def test_water_is_neither_made_nor_lost() -> None:
    burst = Burst("b", "131", 0.03, NOON, NOON + timedelta(hours=2))
    day = solve_day(WEDNESDAY, STEADY_TANKS, [burst])
    assert day.leak.max() > 0.05
    assert day.leak[: 12 * 12].max() < 1e-6
    assert np.allclose(day.inflow, day.demand + day.leak, atol=1e-5)


def test_a_burst_goes_on_over_midnight_and_tanks_carry_over() -> None:
    evening = datetime(2026, 11, 25, 22, 2, tzinfo=CST)
    works = Waterworks.at(evening)
    works.burst(Burst("b", "131", 0.03, evening))
    ends = works.day.end_tanks
    works.advance(midnight(date(2026, 11, 26)) + timedelta(minutes=1))
    assert works.day.date == date(2026, 11, 26)
    assert works.day.tanks == ends
    assert [burst.id for burst in works.leaking()] == ["b"]
    assert works.day.leak[0] > 0.05


def test_taking_up_after_a_stop_of_days_starts_from_steady_tanks() -> None:
    works = Waterworks.at(NOON, date(2026, 11, 20), {"1": 1.0, "2": 3.0, "3": 2.0})
    assert works.day.tanks == STEADY_TANKS


def test_places_follow_the_network() -> None:
    network = wntr.network.WaterNetworkModel("Net3")
    for gauge in load_layout().pressures:
        assert (gauge.lon, gauge.lat) == to_place(*network.get_node(gauge.element).coordinates)
