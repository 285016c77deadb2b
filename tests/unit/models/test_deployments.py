"""The plan that leads to what is wanted, in any order of events."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.models.deployment.model import (
    Deployment,
    DeploymentState,
    Running,
    order,
    plan,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ONE = Deployment("chat", "m", "1", 2, DeploymentState.RUNNING, NOW, NOW, "x")
RUNNING = st.lists(st.tuples(st.sampled_from("123"), st.booleans()), max_size=8)
WANTED = st.one_of(
    st.none(),
    st.builds(
        lambda version, replicas, canary, stopped: replace(
            ONE,
            version=version,
            replicas=replicas,
            canary_version=canary if canary != version else None,
            canary_share=0.2,
            state=DeploymentState.STOPPED if stopped else DeploymentState.RUNNING,
        ),
        st.sampled_from("12"),
        st.integers(1, 4),
        st.sampled_from(["1", "3", None]),
        st.booleans(),
    ),
)


def listed(found: list[tuple[str, bool]]) -> list[Running]:
    return [Running(str(number), *each) for number, each in enumerate(found)]


@given(WANTED, RUNNING)
def test_the_plan_ends_at_what_is_wanted_and_never_without_an_answer(
    wanted: Deployment | None, found: list[tuple[str, bool]]
) -> None:
    running = listed(found)
    could_answer = any(each.ready for each in running)
    for turn in range(3):
        todo = plan(wanted, running)
        running = [each for each in running if each.id not in todo.stop]
        if wanted is not None and wanted.wanted() and could_answer:
            assert any(each.ready for each in running), "the last one that answers was ended before another was ready"
        running += [Running(f"{turn}-{number}", version, False) for number, version in enumerate(todo.start)]
        running = [replace(each, ready=True) for each in running]
    assert Counter(each.version for each in running) == Counter({} if wanted is None else wanted.wanted())
    assert plan(wanted, running) == plan(None, [])


def test_an_old_version_waits_for_the_new_one() -> None:
    new = replace(ONE, version="2")
    running = [Running("a", "1", True), Running("b", "1", True)]
    assert plan(new, running).stop == ()
    assert plan(new, running).start == ("2", "2")
    half = [*running, Running("c", "2", True), Running("d", "2", False)]
    assert plan(new, half).stop == ()
    assert plan(new, [*running, Running("c", "2", True), Running("d", "2", True)]).stop == ("a", "b")


def test_calls_go_round_a_version_that_is_not_ready() -> None:
    canary = replace(ONE, canary_version="2", canary_share=0.99)
    assert order(canary, [("1", "a"), ("1", "b")], Random(1))[0] in ("a", "b")
    assert order(canary, [("2", "c")], Random(1)) == ["c"]
    assert order(canary, [], Random(1)) == []
    both = Counter(order(canary, [("1", "a"), ("2", "c")], Random(seed))[0] for seed in range(1000))
    assert both["c"] > 970
    assert sorted(order(canary, [("1", "a"), ("2", "c")], Random(1))) == ["a", "c"], "the others follow, to be tried"


def test_moves() -> None:
    canary = ONE.canary("2", 0.1)
    assert canary.wanted() == {"1": 2, "2": 1}
    promoted = canary.promote()
    assert (promoted.version, promoted.earlier_version, promoted.wanted()) == ("2", "1", {"2": 2})
    assert promoted.rollback().version == "1"
    assert canary.rollback().wanted() == {"1": 2}
    assert ONE.stop().wanted() == {}
    with pytest.raises(Conflict):
        ONE.promote()
    with pytest.raises(Conflict):
        ONE.rollback()
    with pytest.raises(Conflict):
        ONE.stop().canary("2", 0.1)
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(Invalid):
            ONE.canary("2", share)
    with pytest.raises(Invalid):
        ONE.canary("1", 0.5)
    with pytest.raises(Invalid):
        ONE.scale(0)
