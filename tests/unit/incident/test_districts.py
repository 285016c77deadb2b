import pytest

from chengnao.incident.districts import district_at
from chengnao.kernel.places import Place


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [
        (106.5707, 29.5628, "500103"),  # 解放碑, Yuzhong
        (108.4, 30.8, "500101"),  # Wanzhou town
        (106.27, 29.98, "500117"),  # Hechuan town
        (106.53, 29.575, "500157"),  # 观音桥, of 江北 until 2026, now of 两江新区
        (116.4, 39.9, None),  # Beijing
        (0.0, 0.0, None),
    ],
)
def test_a_place_tells_its_district(lon: float, lat: float, code: str | None) -> None:
    assert district_at(Place(lon, lat)) == code
