"""Figures in sentences, and options compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.supervision.writing.model import (
    Better,
    Facts,
    Figure,
    Line,
    Option,
    compare,
    paper_of,
    said,
    unsupported,
)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure("立案数", 120, 100, "件"), "立案数 120 件，环比上升 20%"),
        (Figure("立案数", 80, 100, "件"), "立案数 80 件，环比下降 20%"),
        (Figure("结案率", 92.5, 90.0, "%"), "结案率 92.5%，环比上升 2.5 个百分点"),
        (Figure("满意率", 95.0, 95.0, "%"), "满意率 95%，与上期持平"),
        (Figure("满意率", None, 92.0, "%"), "满意率暂无数据"),
        (Figure("立案数", 15, 0, "件"), "立案数 15 件，上期为 0"),
        (Figure("立案数", 15, unit="件"), "立案数 15 件"),
    ],
)
def test_a_figure_in_words(figure: Figure, text: str) -> None:
    assert said(figure) == text


def test_what_went_the_wrong_way_comes_forward() -> None:
    figures = [
        Figure("结案率", 80, 90, "%", "higher"),
        Figure("退单率", 2, 4, "%", "lower"),
        Figure("立案数", 9, 3, "件"),
    ]
    paper = paper_of(Facts("周报", "本周", [Line("解放碑路灯不亮。")], figures))
    assert paper.paragraphs[1] == "需要关注：结案率 80%，环比下降 10 个百分点。"
    assert paper.paragraphs[-1] == "解放碑路灯不亮。"
    assert "结案率" in paper.suggestion


def test_numbers_that_no_fact_has_are_told() -> None:
    facts = ["立案数 1,200 件，环比上升 20%", "CQ-20261125-000012 已办结"]
    assert unsupported("本周立案 1200 件，上升 20%，一是加强巡查，第二，抓整改。", facts) == []
    assert unsupported("本周立案 1300 件，上升 8.3%。", facts) == ["1300", "8.3"]


def options(**figures: dict[str, float | None]) -> list[Option]:
    return [Option(name, each) for name, each in figures.items()]


def test_the_better_option_leads_and_the_reason_is_told() -> None:
    better: dict[str, Better] = {"费用": "lower", "受益": "higher"}
    found = compare(options(甲={"费用": 40, "受益": 9}, 乙={"费用": 60, "受益": 5}), better, {})
    assert found.best is not None
    assert found.best.name == "甲"
    assert list(found.told_by) == ["费用", "受益"]
    assert [each.worse_than for each in found.weighed] == [None, "甲"]


def test_weights_turn_it_and_equals_are_left_to_people() -> None:
    both = options(快={"天": 3, "万元": 40}, 慢={"天": 12, "万元": 22})
    better: dict[str, Better] = {"天": "lower", "万元": "lower"}
    assert compare(both, better, {}).best is None
    fast, cheap = compare(both, better, {"天": 3.0}), compare(both, better, {"万元": 3.0})
    assert fast.best is not None
    assert cheap.best is not None
    assert (fast.best.name, cheap.best.name) == ("快", "慢")


def test_a_figure_that_is_missing_counts_for_nobody() -> None:
    better: dict[str, Better] = {"返工率": "lower", "响应": "lower"}
    found = compare(options(甲={"返工率": 2, "响应": 30}, 乙={"返工率": 5, "响应": None}), better, {})
    assert found.best is not None
    assert found.best.name == "甲"
    assert compare(options(甲={}, 乙={}), better, {}).best is None


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=6),
    st.sampled_from(["higher", "lower"]),
)
def test_an_option_that_is_better_in_everything_is_never_behind(rows: list[tuple[float, float]], way: Better) -> None:
    made = [Option(f"o{number}", {"a": a, "b": b}) for number, (a, b) in enumerate(rows)]
    found = compare(made, {"a": way, "b": way}, {})
    scores = {each.option.name: each.score for each in found.weighed}
    for each in found.weighed:
        if each.worse_than is not None:
            mine, theirs = each.score, scores[each.worse_than]
            assert mine is not None
            assert theirs is not None
            assert mine <= theirs
