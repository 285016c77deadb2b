from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Amount, Budget, Hold, Period, Use, covering, decide
from chengnao.models.gateway.model import Caller

NOW = datetime(2026, 11, 25, 2, 30, 20, tzinfo=UTC)  # 10:30:20 in the city


def budget(**values: Any) -> Budget:
    fields: dict[str, Any] = {
        "id": "b",
        "name": "街道日预算",
        "division_code": "500103",
        "unit_id": None,
        "key_id": None,
        "route": None,
        "period": Period.DAY,
        "requests": None,
        "tokens": None,
        "money": None,
    }
    return Budget(**fields | values)


def hold(number: int, worst: Amount, *budgets: Budget) -> Hold:
    caller = Caller("500103003")
    return Hold(
        str(number), str(number), NOW, NOW + timedelta(minutes=1), caller, "chat", DataClass.PUBLIC, worst, budgets
    )


def test_periods_are_those_of_the_citys_calendar() -> None:
    late = datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)  # 23:59:59 on the last day of the month
    assert Period.MINUTE.start(late) == datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    assert Period.DAY.start(late) == datetime(2026, 11, 29, 16, tzinfo=UTC)
    assert Period.MONTH.start(late) == datetime(2026, 10, 31, 16, tzinfo=UTC)
    for period in Period:
        assert period.end(period.start(late)) == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_a_budget_covers_its_key_or_its_unit_or_its_division_with_all_in_it() -> None:
    caller = Caller("500103003", "unit-1", "key-1")
    assert budget().covers(caller, "chat")
    assert budget(division_code="500000").covers(caller, "chat")
    assert not budget(division_code="500108").covers(caller, "chat")
    assert not budget(division_code="500103003").covers(Caller("500103"), "chat")
    assert budget(unit_id="unit-1").covers(caller, "chat")
    assert not budget(unit_id="unit-2").covers(caller, "chat")
    assert budget(key_id="key-1").covers(caller, "chat")
    assert not budget(key_id="key-1").covers(Caller("500103003", "unit-1"), "chat")
    both = [budget(id="all"), budget(id="chat", route="chat"), budget(id="other", route="embedding")]
    assert [each.id for each in covering(both, caller, "chat")] == ["all", "chat"]


def test_what_is_reserved_counts_like_what_is_spent() -> None:
    day = budget(money=100)
    window = (day.id, Period.DAY.start(NOW))
    used = {window: Use(Amount(money=50), Amount(money=40))}
    assert [each.id for each in decide([hold(1, Amount(money=10), day)], used, NOW).granted] == ["1"]
    refused = decide([hold(1, Amount(money=11), day)], used, NOW).refused["1"]
    assert (refused.measure, refused.limit, refused.left, refused.wanted) == ("money", 100, 10, 11)
    assert refused.retry_after == 2, "calls under way will give back what they do not need"


def test_a_spent_budget_says_when_its_period_ends() -> None:
    minute = budget(period=Period.MINUTE, requests=1)
    used = {(minute.id, Period.MINUTE.start(NOW)): Use(Amount(requests=1))}
    assert decide([hold(1, Amount(requests=1), minute)], used, NOW).refused["1"].retry_after == 40


def test_a_call_needs_room_in_all_its_budgets_and_takes_none_where_one_is_full() -> None:
    wide, narrow = budget(id="wide", requests=10), budget(id="narrow", requests=1)
    made = decide([hold(n, Amount(requests=1), wide, narrow) for n in range(3)], {}, NOW)
    assert [each.id for each in made.granted] == ["0"]
    assert made.reserved[("wide", Period.DAY.start(NOW))] == Amount(requests=1)
    assert made.refused["1"].budget.id == "narrow"


amounts = st.builds(Amount, st.integers(0, 3), st.integers(0, 2_000), st.integers(0, 2_000))


@given(
    st.lists(amounts, max_size=20),
    amounts,
    amounts,
    st.tuples(*[st.none() | st.integers(0, 5_000)] * 3),
)
def test_whatever_is_asked_no_limit_is_passed(
    asked: list[Amount], spent: Amount, reserved: Amount, limits: tuple[int | None, int | None, int | None]
) -> None:
    one = budget(requests=limits[0], tokens=limits[1], money=limits[2])
    window = (one.id, Period.DAY.start(NOW))
    made = decide([hold(n, each, one) for n, each in enumerate(asked)], {window: Use(spent, reserved)}, NOW)
    after = spent + reserved + made.reserved.get(window, Amount())
    for measure, limit in zip(("requests", "tokens", "money"), limits, strict=True):
        before = getattr(spent + reserved, measure)
        assert limit is None or getattr(after, measure) <= max(limit, before)
    assert len(made.granted) + len(made.refused) == len(asked)
    assert sum((each.worst.money for each in made.granted), 0) == made.reserved.get(window, Amount()).money
