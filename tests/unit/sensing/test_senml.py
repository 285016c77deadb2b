"""SenML packs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.senml import Measured, read_pack
from chengnao.sensing.protocols.shape import Refusal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AT = datetime.fromtimestamp(1_764_072_000, UTC)


def test_bases_hold_until_the_next_and_times_may_be_relative() -> None:
    pack = [
        {"bn": "WP-1/", "bt": 1_764_072_000, "bu": "m", "bver": 5, "n": "pressure", "v": 31.5},
        {"n": "level", "t": -60, "v": 2},
        {"n": "open", "vb": True},
        {"n": "name", "vs": "x"},
        {"bn": "WP-2/", "bt": 0, "bv": 10, "n": "pressure", "t": -5, "v": 1.5},
    ]
    assert read_pack(orjson.dumps(pack), NOW) == [
        Measured("WP-1/pressure", 31.5, AT),
        Measured("WP-1/level", 2.0, AT - timedelta(seconds=60)),
        Measured("WP-1/open", 1.0, AT),
        Measured("WP-2/pressure", 11.5, NOW - timedelta(seconds=5)),
    ]


@pytest.mark.parametrize(
    "pack",
    [
        b"{",
        b"{}",
        b"[1]",
        b'[{"n": 1, "v": 1}]',
        b'[{"n": "a", "v": "1"}]',
        b'[{"n": "a", "v": true}]',
        b'[{"bver": 11, "n": "a", "v": 1}]',
        b'[{"n": "a", "v": 1, "must_": 1}]',
        b'[{"n": "a", "v": 1, "t": 1e300}]',
    ],
)
def test_packs_that_cannot_be_used(pack: bytes) -> None:
    assert isinstance(read_pack(pack, NOW), Refusal)


ANY = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(st.lists(st.dictionaries(st.sampled_from(["bn", "bt", "bv", "n", "t", "v", "vb", "bver"]), ANY), max_size=4))
def test_any_records(pack: list[dict[str, Any]]) -> None:
    try:
        raw = orjson.dumps(pack)
    except (TypeError, ValueError):
        return
    read_pack(raw, NOW)
