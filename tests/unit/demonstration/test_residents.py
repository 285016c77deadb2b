"""What residents write: valid categories, places inside their divisions, and a pace that keeps the city busy."""

import csv
from collections import Counter
from importlib.resources import files

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.residents import judge, load_residents, seconds_to_next, write_again, write_report
from chengnao.demonstration.rivers import load_stations
from chengnao.demonstration.water import load_layout
from chengnao.incident.catalogue import categories
from chengnao.incident.districts import district_at
from chengnao.kernel.places import Place

FORMER = {"500105": "500157", "500112": "500157"}
"""Two districts whose outlines stand for the one that took their place, which has no outline."""


def divisions() -> dict[str, str]:
    lines = (files("chengnao.kernel.organisation") / "data" / "divisions.csv").read_text("utf-8").splitlines()
    return {row["code"]: row["name"] for row in csv.DictReader(lines) if not row["valid_to"]}


def in_district(lon: float, lat: float, division_code: str) -> bool:
    district = division_code[:6]
    found = district_at(Place(lon, lat))
    # No outline is in force for a district made of former ones: then only "in no other district" can be checked.
    return found == district or (found is None and district in FORMER.values())


def test_texts_are_many_and_have_known_categories() -> None:
    residents = load_residents()
    assert len(residents.texts) >= 25
    assert {text.category for text in residents.texts} <= categories().keys()
    assert {text.when for text in residents.texts} <= {"", "rain", "burst"}


def test_spots_lie_in_their_districts_and_streets_exist() -> None:
    names = divisions()
    for spot in load_residents().spots:
        assert names[spot.division_code] == spot.street
        assert in_district(spot.lon, spot.lat, spot.division_code), spot


def test_devices_lie_in_their_districts() -> None:
    layout, stations = load_layout(), load_stations()
    for device in (*layout.pressures, *layout.flows, *stations.all):
        assert in_district(device.lon, device.lat, device.division_code), device
    ids = [device.device for device in (*layout.pressures, *layout.flows, *stations.all)]
    assert len(ids) == len(set(ids)) == 62


def test_a_report_is_near_its_spot_and_complete() -> None:
    rng = seeded("test")
    spots = {spot.division_code: spot for spot in load_residents().spots}
    for _ in range(300):
        report = write_report(rng, {})
        spot = spots[report["division_code"]]
        assert report.get("category", "other") in categories()
        assert report["address"] in report["content"]
        assert Place(report["lon"], report["lat"]).distance_m(Place(spot.lon, spot.lat)) < 180
        assert in_district(report["lon"], report["lat"], report["division_code"]), report


def test_water_on_the_road_is_reported_in_rain_alone() -> None:
    dry = Counter(write_report(seeded("dry", n), {}).get("category") for n in range(400))
    wet = Counter(write_report(seeded("wet", n), {"rain": None}).get("category") for n in range(400))
    assert dry["waterlogging"] == 0
    assert dry["water_pressure"] == 0
    assert wet["waterlogging"] > 50


def test_low_pressure_is_reported_from_around_the_burst_main() -> None:
    burst = Place(106.6, 29.51)
    reports = [write_report(seeded("burst", n), {"burst": burst}) for n in range(300)]
    near = [each for each in reports if each.get("category") == "water_pressure"]
    assert len(near) > 20
    assert all(Place(each["lon"], each["lat"]).distance_m(burst) < 6000 for each in near)


def test_a_neighbour_tells_the_same_from_some_steps_away() -> None:
    for n in range(50):
        report = write_report(seeded("first", n), {})
        again = write_again(seeded("again", n), report)
        assert report["content"] in again["content"] != report["content"]
        assert Place(again["lon"], again["lat"]).distance_m(Place(report["lon"], report["lat"])) < 45
        assert again["division_code"] == report["division_code"]


def test_most_are_content() -> None:
    said = [judge(seeded("judge", n)) for n in range(500)]
    assert 0.88 < sum(each["solved"] for each in said) / 500 < 0.98
    assert {each["satisfaction"] for each in said} == {1, 2, 3, 4, 5}


def test_the_pace_follows_how_busy_the_city_is() -> None:
    rng = seeded("pace")
    gaps = {count: [seconds_to_next(rng, count) for _ in range(2000)] for count in (1, 7, 16, 40)}
    means = {count: sum(each) / len(each) for count, each in gaps.items()}
    assert means[1] < 0.4 * means[7] < 0.2 * means[16]
    assert 80 < means[16] < 100  # with bursts, waves and storms about one incident a minute
    assert means[40] > 1.3 * means[16]
    assert max(max(each) for each in gaps.values()) <= 190
