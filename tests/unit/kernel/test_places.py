import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.kernel.places import Bd09Place, Gcj02Place, Place

china = st.builds(Place, st.floats(73.0, 135.0), st.floats(3.0, 53.0))


@given(china)
def test_a_gcj02_point_comes_back_to_where_it_was(place: Place) -> None:
    assert Gcj02Place.from_wgs84(place).to_wgs84().distance_m(place) < 0.01


def test_the_shift_in_chongqing_is_the_measured_one() -> None:
    # Registering outlines in both systems against each other gave 400 to 550 m, east and south.
    place = Place(106.55, 29.56)
    shifted = Gcj02Place.from_wgs84(place)
    assert 400 < Place(shifted.lon, shifted.lat).distance_m(place) < 550
    assert shifted.lon > place.lon
    assert shifted.lat < place.lat


def test_bd09_lies_further_out_than_gcj02() -> None:
    # BD-09 adds some 0.0065 and 0.006 degrees to GCJ-02.
    place = Place(106.55, 29.56)
    gcj = Gcj02Place.from_wgs84(place)
    assert Bd09Place(gcj.lon + 0.0065, gcj.lat + 0.006).to_wgs84().distance_m(place) < 60


def test_outside_china_nothing_is_shifted() -> None:
    assert Gcj02Place(2.35, 48.86).to_wgs84() == Place(2.35, 48.86)


@pytest.mark.parametrize(("lon", "lat"), [(181.0, 0.0), (0.0, 90.5), (float("nan"), 0.0), (0.0, float("inf"))])
def test_a_point_off_the_globe_is_refused_by_name(lon: float, lat: float) -> None:
    with pytest.raises(Invalid) as refused:
        Place(lon, lat)
    assert refused.value.params["field"] in ("lon", "lat")
    assert "WGS84" in refused.value.text("en")


def test_distance_of_one_degree_of_latitude() -> None:
    assert Place(106.0, 29.0).distance_m(Place(106.0, 30.0)) == pytest.approx(111_195, abs=5)
