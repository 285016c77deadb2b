import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.model import Kind, ModelRoute, Target
from chengnao.models.gateway.targets import arranged, eligible

PUBLIC = Target("provider:abroad", "big", data=DataClass.PUBLIC)
INTERNAL = Target("provider:cloud", "big", data=DataClass.INTERNAL, rank=2)
OWN = Target("deployment:chat", "small", data=DataClass.SENSITIVE, rank=3)
ROUTE = ModelRoute("chat", Kind.CHAT, "对话", (OWN, PUBLIC, INTERNAL))


def test_no_target_below_the_class_of_the_data_is_eligible() -> None:
    assert set(eligible(ROUTE, DataClass.PUBLIC)) == {PUBLIC, INTERNAL, OWN}
    assert set(eligible(ROUTE, DataClass.INTERNAL)) == {INTERNAL, OWN}
    assert eligible(ROUTE, DataClass.SENSITIVE) == [OWN]


def test_the_lower_rank_goes_first() -> None:
    assert list(arranged(ROUTE.targets, random.Random(1))) == [PUBLIC, INTERNAL, OWN]


def test_within_a_rank_the_weight_shares() -> None:
    canary, main = Target("deployment:new", "m", weight=1), Target("deployment:old", "m", weight=9)
    chance = random.Random(7)
    first = Counter(next(arranged([canary, main], chance)).source for _ in range(2000))
    assert 120 < first["deployment:new"] < 280


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), max_size=8), st.integers(0, 99))
def test_each_target_comes_once(described: list[tuple[int, int]], seed: int) -> None:
    targets = [Target(f"provider:{n}", "m", rank=rank, weight=weight) for n, (rank, weight) in enumerate(described)]
    order = list(arranged(targets, random.Random(seed)))
    assert sorted(each.source for each in order) == sorted(each.source for each in targets)
    assert [each.rank for each in order] == sorted(each.rank for each in order)


def test_a_price_is_rounded_up_and_never_down() -> None:
    target = Target("provider:a", "m", price_in=1_000, price_out=3_000, price_call=7)
    assert target.price(0, 0) == 7
    assert target.price(1, 0) == 8
    assert target.price(1_001, 1) == 7 + 1_004
    assert Target("provider:a", "m", price_in=1).price(1, 0) == 1
