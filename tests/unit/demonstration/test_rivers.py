"""The rivers: waves arrive in order and flatten, no water is lost, storms and waves warn at times."""

from datetime import UTC, datetime, timedelta

import pytest

from chengnao.demonstration import rivers
from chengnao.demonstration.rivers import Muskingum, Reach, Rivers, load_stations, rain, stage

START = datetime(2026, 11, 25, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("travel_hours", [0.2, 1.0, 2.5, 4.0, 11.0])
def test_no_coefficient_is_negative_and_they_sum_to_one(travel_hours: float) -> None:
    coefficients = Reach(travel_hours, 0.0).coefficients
    assert min(coefficients.c0, coefficients.c1, coefficients.c2) >= -1e-12
    assert coefficients.c0 + coefficients.c1 + coefficients.c2 == pytest.approx(1)


def test_a_textbook_example() -> None:
    """Chow, Maidment and Mays (1988), example 8.4.1: K = 2.3 h, X = 0.15, step 1 h; flows in ft³/s."""
    reach = Reach(2.3, 85.0)
    reach.coefficients = Muskingum.of(2.3, step_hours=1.0, weighting=0.15)
    assert reach.coefficients.c0 == pytest.approx(0.0631, abs=5e-5)
    assert reach.coefficients.c1 == pytest.approx(0.3442, abs=5e-5)
    assert reach.coefficients.c2 == pytest.approx(0.5927, abs=5e-5)
    reach._flows = [93.0, 85.0]
    outflow = [reach.step(inflow) for inflow in (137, 208, 320, 442, 546, 630, 678)]
    assert outflow == pytest.approx([91, 114, 159, 233, 324, 420, 509], abs=1)  # printed as whole numbers


def test_a_wave_travels_at_its_time_flattens_and_keeps_its_volume() -> None:
    reach = Reach(6.0, 0.0)
    inflow = [1000 * rivers._pulse(step / 6, 6.0) for step in range(600)]
    outflow = [reach.step(flow) for flow in inflow]
    assert max(outflow) < 0.99 * max(inflow)
    lag_hours = (outflow.index(max(outflow)) - inflow.index(max(inflow))) / 6
    assert 5.0 <= lag_hours <= 7.0
    assert sum(outflow) == pytest.approx(sum(inflow), rel=1e-3)


def test_a_wave_passes_the_stations_in_order_and_its_peak_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    one = START + timedelta(hours=6)

    def single(seed: int, river: str, hours: float) -> float:
        return 1 + (4 * rivers._pulse(hours - rivers._hours(one), 6.0) if river == "长江" else 0.0)

    monkeypatch.setattr(rivers, "wave_factor", single)
    stations = {station.device: station for station in load_stations().rivers}
    way = [
        "demo-r-zhutuo",
        "demo-r-jiangjin",
        "demo-r-caiyuanba",
        "demo-r-cuntan",
        "demo-r-qingxichang",
        "demo-r-wanzhou",
    ]
    simulated = Rivers(1, START)
    series = [simulated.at(START + timedelta(minutes=10 * step)) for step in range(6 * 48)]
    flows = {device: [flow[device] for flow in series] for device in way}
    peaks = [flows[device].index(max(flows[device])) for device in way]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == len(peaks)
    # Above the base flow, since the second river joins on the way.
    heights = [series[peak][device] - stations[device].base_flow for device, peak in zip(way, peaks, strict=True)]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] < 0.97 * heights[0]


def test_flows_depend_on_seed_and_time_alone() -> None:
    later = START + timedelta(hours=30)
    through = Rivers(3, START)
    for hour in range(30):
        through.at(START + timedelta(hours=hour))
    fresh = Rivers(3, later).at(later)
    assert through.at(later) == pytest.approx(fresh, rel=1e-3)


def test_base_flow_is_below_every_level_and_waves_reach_some() -> None:
    stations = load_stations()
    reached: set[int] = set()
    for station in stations.rivers:
        assert stage(station, station.base_flow) < station.levels[4]
    simulated = Rivers(20261125, START)
    quiet = 0
    hours = 20 * 24
    for hour in range(hours):
        flows = simulated.at(START + timedelta(hours=hour))
        levels = [
            level
            for station in stations.rivers
            for level, height in station.levels.items()
            if stage(station, flows[station.device]) >= height
        ]
        reached.update(levels)
        quiet += not levels
    assert reached == {1, 2, 3, 4}
    assert quiet > hours / 10


def test_rain_reaches_stations_one_after_another_and_stops() -> None:
    first, *_, last = load_stations().rains
    series = [
        (
            rain(5, first, START + timedelta(minutes=10 * step), HOUR),
            rain(5, last, START + timedelta(minutes=10 * step), HOUR),
        )
        for step in range(6 * 24 * 10)
    ]
    assert max(value for value, _ in series) > 20
    assert min(value for value, _ in series) < 0.1
    wettest = max(range(len(series)), key=lambda step: series[step][0])
    around = series[wettest : wettest + 18]
    assert max(range(len(around)), key=lambda step: around[step][1]) >= 5
