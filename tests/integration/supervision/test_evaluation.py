"""The indicators against the same recounted from the timeline by plain SQL, and each figure against its cases."""

from datetime import timedelta
from typing import get_args

import pytest

from chengnao.incident.measures import By, Span
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, plain_url
from chengnao.kernel.paging import PageRequest
from chengnao.supervision.evaluation.model import Count, Group, Rate, Time, indicators
from chengnao.supervision.evaluation.service import evaluate
from tests.support.loop import START, make_city
from tests.support.recount import TOTAL, Recounted, recount
from tests.support.wandering import Wanderer

pytestmark = pytest.mark.engines

DAY = timedelta(days=1)
ALL = PageRequest(1, 100_000)
BYS: tuple[By, ...] = get_args(By)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def lived(database: Database, clock: FixedClock) -> Database:
    """A city in which incidents took random ways over some days, slowly enough for many to be late."""
    await make_city(database)
    wanderer = Wanderer(database, clock, 20261125)
    await wanderer.live(900)
    assert wanderer.refused.total() < 200, wanderer.refused
    return database


def spans(clock: FixedClock) -> list[Span]:
    """The whole, a part, and nothing."""
    now = clock.now()
    bounds = [(START, now + DAY), (START + 2 * DAY, START + 5 * DAY), (START - DAY, START)]
    return [Span(since, until, now) for since, until in bounds]


def compare(group: Group, other: Recounted) -> None:
    for each in indicators().all:
        match each:
            case Count():
                assert group.value(each) == other.count(each.key), each.key
            case Rate():
                assert group.value(each) == other.rate(each.key), each.key
            case Time():
                spread = group.spread(each)
                times = other.seconds[each.key]
                assert (spread.count, spread.odd) == (len(times) - other.odd(each.key), other.odd(each.key)), each.key
                assert spread.median == pytest.approx(other.quantile(each.key, 0.5), abs=1e-6), each.key
                assert spread.p90 == pytest.approx(other.quantile(each.key, 0.9), abs=1e-6), each.key


async def test_columns_and_timeline_differ_by_nothing(lived: Database, clock: FixedClock, database_url: str) -> None:
    for span in spans(clock):
        told = recount(plain_url(database_url), span.since, span.until, span.now)
        for by in BYS:
            async with lived.unit_of_work() as uow:
                found = await evaluate(uow, Scope(), by, span)
            assert {group.key for group in found.groups} == set(told[by])
            for group in found.groups:
                compare(group, told[by][group.key])
            compare(found.total, told[TOTAL][TOTAL])
