"""Scorers, and the statistics of small sets, held against values worked out elsewhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chengnao.agents.evals.model import Item, SetFile
from chengnao.agents.evals.scoring import Given, cited_passages, judge
from chengnao.agents.evals.statistics import compare, mcnemar, wilson


def item(expected: dict[str, Any], *scorers: dict[str, Any]) -> Item:
    return Item.model_validate({"id": "i1", "input": {}, "expected": expected, "scorer": scorers})


def score(expected: dict[str, Any], result: dict[str, Any] | None, *scorers: dict[str, Any]) -> tuple[float, bool]:
    found = judge(item(expected, *scorers), Given(result))
    assert found.passed or found.reasons
    return round(found.score, 3), found.passed


@pytest.mark.parametrize(
    ("expected", "result", "scorer", "wanted"),
    [
        ({"category": "noise"}, {"category": " Ｎoise"}, {"kind": "exact"}, (1.0, True)),
        ({"category": "noise"}, {"category": "rubbish"}, {"kind": "exact"}, (0.0, False)),
        ({"category": "noise"}, {}, {"kind": "exact"}, (0.0, False)),
        ({"category": "noise"}, None, {"kind": "exact"}, (0.0, False)),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"kind": "exact"}, (0.5, False)),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"kind": "exact", "mark": 0.5}, (0.5, True)),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"kind": "exact", "fields": ["a"]}, (1.0, True)),
        ({"ok": True}, {"ok": 1}, {"kind": "exact"}, (0.0, False)),
        ({"n": 1}, {"n": 1.0}, {"kind": "exact"}, (1.0, True)),
        ({"x.y": "甲"}, {"x": {"y": "甲"}}, {"kind": "exact"}, (1.0, True)),
        ({"x.1": "乙"}, {"x": ["甲", "乙"]}, {"kind": "exact"}, (1.0, True)),
        ({"unit": ["水利局", "供水公司"]}, {"unit": "供水公司"}, {"kind": "choice"}, (1.0, True)),
        ({"unit": ["水利局", "供水公司"]}, {"unit": "城管局"}, {"kind": "choice"}, (0.0, False)),
        ({"tags": ["a", "b", "c"]}, {"tags": ["b", "A"]}, {"kind": "set_f1", "mark": 0.8}, (0.8, True)),
        ({"tags": ["a", "b", "c"]}, {"tags": ["b", "x"]}, {"kind": "set_f1", "mark": 0.8}, (0.4, False)),
        ({"tags": []}, {"tags": []}, {"kind": "set_f1"}, (1.0, True)),
        ({"text": ["停水", "8小时"]}, {"text": "预计停水 ８ 小时"}, {"kind": "contains"}, (1.0, True)),
        ({"text": ["停水", "9小时"]}, {"text": "预计停水 8 小时"}, {"kind": "contains"}, (0.0, False)),
        ({"text": "停水"}, {"text": "停水", "more": "忽略"}, {"kind": "contains", "absent": ["忽略"]}, (0.0, False)),
        ({"n": 100}, {"n": "1０4"}, {"kind": "number", "relative": 0.05}, (1.0, True)),
        ({"n": 100}, {"n": 106}, {"kind": "number", "relative": 0.05}, (0.0, False)),
        ({"n": 0}, {"n": 0.4}, {"kind": "number", "tolerance": 0.5}, (1.0, True)),
        ({"n": 0}, {"n": "很多"}, {"kind": "number", "tolerance": 0.5}, (0.0, False)),
        ({"n": 1}, {"n": float("nan")}, {"kind": "number", "tolerance": 9}, (0.0, False)),
    ],
)  # fmt: skip
def test_scorers(expected: dict[str, Any], result: dict[str, Any] | None, scorer: dict[str, Any], wanted: Any) -> None:
    assert score(expected, result, scorer) == wanted


def test_a_rubric_gives_the_weighted_share_of_what_is_met() -> None:
    rubric = {
        "kind": "rubric",
        "mark": 0.7,
        "criteria": [
            {"field": "reply", "all_of": ["已派单"], "weight": 2, "text": "说明已派单"},
            {"any_of": ["电话", "热线"], "text": "给出联系方式"},
            {"none_of": ["保证", "绝对"], "text": "不作保证"},
            {"field": "reply", "min_chars": 5, "max_chars": 30, "text": "长短合适"},
        ],
    }
    assert score({}, {"reply": "您反映的问题已派单。", "tail": "热线 12345"}, rubric) == (1.0, True)
    assert score({}, {"reply": "您反映的问题已派单，绝对解决。"}, rubric) == (0.6, False)
    reasons = judge(item({}, rubric), Given({"reply": "好"})).reasons
    assert reasons == ["说明已派单", "给出联系方式", "长短合适"]


def test_with_several_scorers_all_must_be_satisfied() -> None:
    both = ({"kind": "exact", "fields": ["a"]}, {"kind": "schema"})
    asked = item({"a": 1}, *both)
    assert judge(asked, Given({"a": 1})).passed
    refused = judge(asked, Given({"a": 1}, fault="b: 缺少"))
    assert (refused.score, refused.passed) == (0.0, False)


def test_a_citation_counts_only_where_its_words_stand_in_the_passage() -> None:
    asked = item({"found": True}, {"kind": "citation"})
    passages = {"p1": "第三条　占道经营的，处二百元以下罚款。", "p2": "第四条 其他。"}

    def answer(*citations: tuple[str, str]) -> Given:
        cited = [{"passage_id": passage, "quote": quote} for passage, quote in citations]
        return Given({"found": True, "sentences": [{"text": "可罚款。", "citations": cited}]}, passages=passages)

    assert judge(asked, answer(("p1", "占道经营的,处二百元以下罚款"))).passed
    for wrong in (("p2", "占道经营的"), ("p1", "处五百元以下罚款"), ("p9", "占道经营的"), ("p1", "")):
        assert not judge(asked, answer(wrong)).passed
        assert judge(asked, answer(wrong, ("p1", "第三条"))).score == 0.5
    assert not judge(asked, answer()).passed
    assert not judge(asked, Given({"found": False, "sentences": []}, passages=passages)).passed
    none = item({"found": False}, {"kind": "citation"})
    assert judge(none, Given({"found": False})).passed
    assert not judge(none, answer(("p1", "第三条"))).passed
    evidence = [{"kind": "document", "id": "p1", "title": "条例", "quote": "第三条"}]
    assert judge(asked, Given({"found": True}, evidence, passages=passages)).passed
    assert cited_passages({"found": True}, evidence) == {"p1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"expected": {}, "scorer": {"kind": "exact"}},
        {"expected": {"a": 1}, "scorer": {"kind": "exact", "fields": ["b"]}},
        {"expected": {"a": 1}, "scorer": {"kind": "rubric"}},
        {"expected": {"a": 1}, "scorer": {"kind": "exact", "criteria": [{"all_of": ["x"]}]}},
        {"expected": {"a": 1}, "scorer": []},
        {"expected": {"a": 1}, "scorer": {"kind": "vibes"}},
    ],
)
def test_an_item_that_every_answer_would_satisfy_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"id": "i1", "input": {}} | wrong)


def test_a_set_has_a_scorer_for_all_and_each_id_once() -> None:
    one = {"id": "a", "input": {}, "expected": {"x": 1}}
    other = one | {"id": "b", "scorer": {"kind": "number", "tolerance": 1}}
    head = {"id": "some-cases", "name": {"zh": "案例", "en": "Cases"}, "scorer": {"kind": "exact"}}
    read = SetFile.model_validate(head | {"items": [one, other]})
    assert [each.scorer[0].kind for each in read.items] == ["exact", "number"]
    with pytest.raises(ValidationError, match="twice"):
        SetFile.model_validate(head | {"items": [one, one]})


@pytest.mark.parametrize(
    ("passed", "of", "low", "high"),
    # As statsmodels' proportion_confint(method="wilson") gives them.
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (54, 60, 0.7985, 0.9534), (0, 0, 0.0, 1.0)],
)
def test_wilson(passed: int, of: int, low: float, high: float) -> None:
    assert wilson(passed, of) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [(0, 0, 1.0), (1, 9, 0.021484375), (5, 5, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (6, 0, 0.03125)],
)
def test_mcnemar(lost: int, won: int, p: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p)


def test_a_small_difference_is_undecided_and_a_clear_one_is_not() -> None:
    def pair(both: int, lost: int, won: int, neither: int) -> tuple[list[bool], list[bool]]:
        first = [True] * (both + lost) + [False] * (won + neither)
        second = [True] * both + [False] * lost + [True] * won + [False] * neither
        return first, second

    assert compare(*pair(30, 2, 5, 3)).verdict == "undecided"
    clear = compare(*pair(20, 1, 14, 5))
    assert (clear.verdict, clear.only_first, clear.only_second) == ("better", 1, 14)
    assert clear.difference == pytest.approx(13 / 40)
    assert clear.low > 0
    assert compare(*pair(20, 14, 1, 5)).verdict == "worse"
    assert compare([], []).verdict == "undecided"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_comparing_the_other_way_round_turns_the_verdict(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [each[0] for each in pairs], [each[1] for each in pairs]
    there, back = compare(first, second), compare(second, first)
    assert there.p == back.p
    assert there.difference == pytest.approx(-back.difference)
    assert {"better": "worse", "worse": "better"}.get(there.verdict, "undecided") == back.verdict
    assert there.low <= there.high
