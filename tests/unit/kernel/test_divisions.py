from datetime import date
from importlib.resources import files

import pytest

from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import Division, ancestors, read_divisions, tier_of
from chengnao.kernel.vocabulary import Tier

HEADER = "code,name,tier,kind,zone,parent_code,valid_from,valid_to,successor_codes,label_lon,label_lat"
GOOD = "500103,渝中区,district,市辖区,中心城区,500000,1997-06-18,,,106.53,29.55"


@pytest.fixture(scope="module")
def carried() -> list[Division]:
    lines = (files("chengnao.kernel.organisation") / "data" / "divisions.csv").read_text("utf-8").splitlines()
    read = list(read_divisions(lines, "divisions.csv"))
    assert not [each for each in read if isinstance(each, Invalid)]
    return [each for each in read if isinstance(each, Division)]


@pytest.mark.parametrize(
    ("day", "districts", "streets"), [(date(2025, 6, 1), 38, 1_031), (date(2026, 6, 1), 37, 1_028)]
)
def test_both_editions_are_carried_whole(carried: list[Division], day: date, districts: int, streets: int) -> None:
    valid = [each for each in carried if each.valid_on(day)]
    assert len({each.code for each in valid}) == len(valid)
    assert sum(each.tier is Tier.DISTRICT for each in valid) == districts
    assert sum(each.tier is Tier.STREET for each in valid) == streets


def test_liangjiang_replaces_jiangbei_and_yubei(carried: list[Division]) -> None:
    switch = date(2026, 1, 25)
    by_code = {each.code: each for each in carried if each.tier is Tier.DISTRICT}
    assert by_code["500157"].valid_from == switch
    for code in ("500105", "500112"):
        assert by_code[code].valid_to == switch
        assert "500157" in by_code[code].successor_codes


def test_the_code_of_a_street_begins_with_its_districts(carried: list[Division]) -> None:
    for each in carried:
        if each.tier is Tier.STREET:
            assert ancestors(each.code) == [each.code, each.parent_code, "500000"]
        assert tier_of(each.code) is each.tier


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("5001x3,渝中区,district,,,500000,1997-06-18,,,,", "code"),
        ("500103,,district,,,500000,1997-06-18,,,,", "name"),
        ("500103,渝中区,village,,,500000,1997-06-18,,,,", "tier"),
        ("500103,渝中区,district,,,500000,1997-02-30,,,,", "valid_from"),
        ("500103,渝中区,district,,,500000,2026-01-02,2026-01-01,,,", "valid_to"),
        ("500103001,某街道,street,,,500108,1997-06-18,,,,", "parent_code"),
        ("500103,渝中区,district,,,500000,1997-06-18,,,east,", "label_lon"),
        ("500103", "name"),
        ("500103,a,district,,,500000,1997-06-18,,,,,too,many", None),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_read(line: str, field: str | None) -> None:
    read = list(read_divisions([HEADER, line, GOOD], "mine.csv"))
    assert isinstance(read[1], Division)
    if field is None:
        assert isinstance(read[0], Division)
    else:
        assert isinstance(read[0], Invalid)
        assert (read[0].params["line"], read[0].params["field"]) == (2, field)
        assert "mine.csv" in read[0].text("zh")
