from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.incident.model import Actor, Incident, Source, State, TimelineEntry
from chengnao.kernel.errors import Conflict, Invalid
from chengnao.review.model import (
    Occasion,
    Review,
    ReviewState,
    Written,
    causes,
    check_causes,
    check_finished,
    check_open,
    common_division,
    occasions,
    rewritten,
)

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
ONE, TWO = Actor("user", "u1", "张三"), Actor("user", "u2", "李四")
CASE = Incident(
    id="i1",
    number="CQ-1",
    title="渗漏",
    description="",
    category="water_pressure",
    grade=3,
    state=State.CLOSED,
    source=Source.REPORT,
    division_code="500103",
    desk_code="500103",
    unit_id="water",
    lon=None,
    lat=None,
    address="",
    opened_at=NOW,
    entered_at=NOW,
    due_at=None,
    close_by=None,
)
REVIEW = Review("r1", "FP-1", "渗漏", ReviewState.OPEN, (Occasion.GRAVE,), ("i1",), "500103", None, NOW, ONE)


def entry(action: str, **data: Any) -> TimelineEntry:
    return TimelineEntry("i1", 1, NOW, ONE, action, State.NEW, State.NEW, "", data)


@pytest.mark.parametrize(
    ("changes", "entries", "nearby", "expected"),
    [
        ({}, [], 0, []),
        ({}, [entry("return")], 1, []),
        ({"grade": 2}, [], 0, [Occasion.GRAVE]),
        ({"grade": 1, "source": Source.IMPORT}, [], 5, []),
        ({"reopened": 1}, [], 0, [Occasion.REOPENED]),
        # The incident's own count begins anew when it is reopened; the timeline forgets nothing.
        ({"returns": 0}, [entry("return"), entry("return")], 0, [Occasion.RETURNED]),
        ({}, [entry("urge", escalation=1)], 0, []),
        ({}, [entry("urge", escalation=2)], 0, [Occasion.ESCALATED]),
        ({}, [entry("dispute")], 0, [Occasion.DISPUTED]),
        ({}, [], 2, [Occasion.REPEATED]),
        ({"repeat_of": "i0"}, [], 0, [Occasion.REPEATED]),
    ],
)
def test_why_a_review_opens(
    changes: dict[str, Any], entries: list[TimelineEntry], nearby: int, expected: list[Occasion]
) -> None:
    assert occasions(replace(CASE, **changes), entries, nearby) == expected


def test_what_is_left_as_it_was_keeps_its_author_and_what_is_new_gets_the_writer() -> None:
    first = rewritten((), [Written("管老", "facility"), Written("慢", "capacity")], ONE, NOW)
    later = NOW + timedelta(hours=1)
    second = rewritten(first, [Written("慢", "capacity"), Written("管老了", "facility")], TWO, later)
    told = [(each.text, each.author_name, each.at) for each in second]
    assert told == [
        ("慢", "张三", NOW),
        ("管老了", "李四", later),
    ]


def test_a_finished_or_changed_review_is_not_written_and_an_empty_one_not_finished() -> None:
    check_open(REVIEW, 1)
    with pytest.raises(Conflict, match="第 2 版"):
        check_open(replace(REVIEW, version=2), 1)
    with pytest.raises(Conflict, match="已完成"):
        check_open(replace(REVIEW, state=ReviewState.FINISHED), 1)
    with pytest.raises(Invalid, match="causes"):
        check_finished(REVIEW)
    found = rewritten((), [Written("管老", "facility")], ONE, NOW)
    with pytest.raises(Invalid, match="lessons"):
        check_finished(replace(REVIEW, causes=found))
    check_finished(replace(REVIEW, causes=found, lessons=found))


def test_causes_are_those_of_the_list() -> None:
    check_causes([Written("随便", code) for code in causes()])
    with pytest.raises(Invalid, match="bad_luck"):
        check_causes([Written("运气", "bad_luck")])


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["500103003", "500103003"], "500103003"),
        (["500103003", "500103001"], "500103"),
        (["500103003", "500103"], "500103"),
        (["500103003", "500101"], "500000"),
        ([], "500000"),
    ],
)
def test_the_smallest_division_that_holds_all(codes: list[str], expected: str) -> None:
    assert common_division(codes) == expected
