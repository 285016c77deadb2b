"""Groups: no chains, no pair counted wrong, and only what is near is compared."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import cos, radians

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.incident.merging.blocking import candidate_pairs
from chengnao.incident.merging.features import Evidence
from chengnao.incident.merging.groups import group, linked
from chengnao.incident.merging.model import Matter
from chengnao.kernel.places import Place

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def link(count: int, pairs: dict[tuple[int, int], float], threshold: float = 0.5) -> list[tuple[int, ...]]:
    i, j = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    return linked(count, i, j, np.array(list(pairs.values())), threshold)


def test_a_chain_is_cut() -> None:
    """Each resembles the next; the first and the last do not: connected components would make one group of all."""
    chain = {(row, row + 1): 0.9 for row in range(9)}
    assert max(len(members) for members in link(10, chain)) <= 2


def test_what_resembles_all_members_joins() -> None:
    assert link(4, dict.fromkeys(combinations(range(4), 2), 0.8)) == [(0, 1, 2, 3)]


def test_the_threshold_counts_the_pairs_that_are_there() -> None:
    """Keep's issue 5212 counted a threshold wrong. Here three of three pairs at 0.6 pass 0.6 and fail 0.61."""
    pairs = dict.fromkeys(combinations(range(3), 2), 0.6)
    assert link(3, pairs, 0.6) == [(0, 1, 2)]
    assert link(3, pairs, 0.61) == []


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]),
        st.floats(0.05, 1),
        min_size=1,
        max_size=30,
    )
)
def test_each_row_is_in_one_group_and_the_mean_of_its_pairs_holds(pairs: dict[tuple[int, int], float]) -> None:
    found = link(9, pairs)
    rows = [row for members in found for row in members]
    assert len(rows) == len(set(rows))
    for members in found:
        within = list(combinations(members, 2))
        # Each joining had a mean of at least the threshold over the pairs it added.
        assert sum(pairs.get(pair, 0.0) for pair in within) / len(within) >= 0.5 - 1e-9


near = st.floats(0, 0.02)


@given(st.lists(st.tuples(near, near, st.floats(0, 72), st.booleans(), st.booleans()), min_size=2, max_size=25))
@settings(deadline=None)
def test_blocking_finds_what_comparing_all_finds(rows: list[tuple[float, float, float, bool, bool]]) -> None:
    matters = [
        Matter(
            str(number),
            at=AT + timedelta(hours=hours) if timed else None,
            place=Place(106.5 + x, 29.5 + y) if placed else None,
        )
        for number, (x, y, hours, timed, placed) in enumerate(rows)
    ]
    evidence = Evidence(matters)
    i, j = candidate_pairs(evidence, 500, 24)
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    assert len(found) == len(i)
    every = np.array(list(combinations(range(len(rows)), 2)), dtype=np.int64)
    metres, hours = evidence.metres(every[:, 0], every[:, 1]), evidence.hours(every[:, 0], every[:, 1])
    both_unplaced = np.isnan(evidence.lon[every[:, 0]]) & np.isnan(evidence.lon[every[:, 1]])
    wanted = ((metres <= 500) | both_unplaced) & ~(hours > 24)
    assert found == set(map(tuple, every[wanted].tolist()))


def test_two_matters_in_one_street_are_two_groups() -> None:
    def told(id_: str, text: str, category: str, east: float, minutes: int) -> Matter:
        place = Place(106.55 + east / 111_195 / cos(radians(29.56)), 29.56)
        return Matter(id_, text, category, AT + timedelta(minutes=minutes), place)

    matters = [
        told("1", "青竹路路灯不亮，黑漆漆的", "street_light", 0, 0),
        told("2", "青竹路垃圾堆成山没人收", "rubbish", 10, 5),
        told("3", "青竹路街灯坏了看不到路", "street_light", 15, 30),
        told("4", "青竹路垃圾桶满了几天没清运", "rubbish", 5, 50),
        told("5", "青竹路有人卖水果占道", "street_vending", 8, 20),
    ]
    found = group(matters)
    assert [members.members for members in found] == [(0, 2), (1, 3)]
    [pair] = found[0].links
    assert "相距 15 米" in [reason.zh for reason in pair.reasons]
    assert group([]) == []
