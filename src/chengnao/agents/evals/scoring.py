"""Judging one answer by rules. Pure: the same answer gets the same score, and the reasons can be read."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chengnao.agents.evals.model import Criterion, Item, Scorer

_MISSING = object()


@dataclass(frozen=True)
class Given:
    """What an agent answered: `fault` says where it does not fit the output schema, `passages` are texts by id."""

    result: dict[str, Any] | None
    evidence: Sequence[Mapping[str, Any]] = ()
    fault: str | None = None
    passages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """A score in 0..1, whether that is right, and what was missing."""

    score: float
    passed: bool
    reasons: list[str]


def judge(item: Item, given: Given) -> Score:
    """The item's scorers over the answer: the lowest of their scores, right where each says so."""
    if given.result is None:
        return Score(0.0, False, ["没有结果"])
    found = [(scorer, *_KINDS[scorer.kind](scorer, item.expected, given)) for scorer in item.scorer]
    passed = all(score >= scorer.mark for scorer, score, _ in found)
    return Score(min(score for _, score, _ in found), passed, [each for _, _, reasons in found for each in reasons])


Judged = tuple[float, list[str]]


def _exact(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    return _share(scorer, expected, given, same, "应为")


def _choice(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    def one_of(want: Any, got: Any) -> bool:
        return any(same(each, got) for each in (want if isinstance(want, list) else [want]))

    return _share(scorer, expected, given, one_of, "应为其一")


def _number(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    def near(want: Any, got: Any) -> bool:
        wanted, found = _as_number(want), _as_number(got)
        if wanted is None or found is None:
            return False
        return abs(wanted - found) <= max(scorer.tolerance, scorer.relative * abs(wanted))

    return _share(scorer, expected, given, near, "应接近")


def _contains(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    def holds(want: Any, got: Any) -> bool:
        text = _text(got)
        return all(norm(str(each)) in text for each in (want if isinstance(want, list) else [want]))

    score, reasons = _share(scorer, expected, given, holds, "应包含")
    shown = _text(given.result)
    unwanted = [each for each in scorer.absent if norm(each) in shown]
    return (0.0, [*reasons, f"不应出现：{'、'.join(unwanted)}"]) if unwanted else (score, reasons)


def _set_f1(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    names = scorer.fields or tuple(expected)
    scores, reasons = [], []
    for name in names:
        want, got = _members(expected.get(name)), _members(_at(given.result, name))
        both = len(want & got)
        score = 1.0 if not want and not got else 2 * both / (len(want) + len(got))
        scores.append(score)
        if score < 1:
            missing, extra = sorted(want - got), sorted(got - want)
            reasons.append(f"{name}：缺少 {'、'.join(missing) or '无'}，多出 {'、'.join(extra) or '无'}")
    return _mean(scores), reasons


def _schema(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    return (1.0, []) if given.fault is None else (0.0, [f"不符合输出格式：{given.fault}"])


def _citation(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    says_none = _at(given.result, "found") is False
    if expected.get("found") is False:
        return (1.0, []) if says_none else (0.0, ["没有依据的问题，应答未找到依据"])
    cited = list(_citations(given))
    if says_none or not cited:
        return 0.0, ["没有引用" if not says_none else "有依据的问题，答了未找到依据"]
    bad = [quote for passage, quote in cited if not quote or norm(quote) not in norm(given.passages.get(passage, ""))]
    return 1.0 - len(bad) / len(cited), [f"引文不在原文中：{each[:40]}" for each in bad]


def _rubric(scorer: Scorer, expected: Mapping[str, Any], given: Given) -> Judged:
    met = [(each, _met(each, given)) for each in scorer.criteria]
    whole = sum(each.weight for each, _ in met)
    reasons = [each.text or f"未满足：{each.model_dump(exclude_defaults=True)}" for each, fine in met if not fine]
    return sum(each.weight for each, fine in met if fine) / whole, reasons


def _met(criterion: Criterion, given: Given) -> bool:
    value = _at(given.result, criterion.field) if criterion.field else given.result
    text = "" if value is _MISSING else _text(value)
    plain = "" if value is _MISSING else "".join(_leaves(value))
    return (
        all(norm(each) in text for each in criterion.all_of)
        and (not criterion.any_of or any(norm(each) in text for each in criterion.any_of))
        and not any(norm(each) in text for each in criterion.none_of)
        and criterion.min_chars <= len(plain) <= (criterion.max_chars or len(plain))
    )


_KINDS: Mapping[str, Callable[[Scorer, Mapping[str, Any], Given], Judged]] = {
    "exact": _exact,
    "choice": _choice,
    "set_f1": _set_f1,
    "contains": _contains,
    "number": _number,
    "schema": _schema,
    "citation": _citation,
    "rubric": _rubric,
}


def _share(
    scorer: Scorer, expected: Mapping[str, Any], given: Given, fits: Callable[[Any, Any], bool], word: str
) -> Judged:
    """The share of the fields that fit what is expected of them."""
    names = scorer.fields or tuple(expected)
    scores, reasons = [], []
    for name in names:
        want, got = expected.get(name), _at(given.result, name)
        fine = got is not _MISSING and fits(want, got)
        scores.append(1.0 if fine else 0.0)
        if not fine:
            shown = "缺失" if got is _MISSING else _short(got)
            reasons.append(f"{name}：{word} {_short(want)}，实为 {shown}")
    return _mean(scores), reasons


def norm(text: str) -> str:
    """The text as it is compared: width, case and white space make no difference."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def same(want: Any, got: Any) -> bool:
    """Equal, where texts are compared by `norm` and numbers by value; true is not 1."""
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, str) and isinstance(got, str):
        return norm(want) == norm(got)
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(same(one, other) for one, other in zip(want, got, strict=True))
    if isinstance(want, dict) and isinstance(got, dict):
        return want.keys() == got.keys() and all(same(want[key], got[key]) for key in want)
    return bool(want == got)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(unicodedata.normalize("NFKC", str(value)).replace(",", ""))
    except ValueError:
        return None


def _members(value: Any) -> set[str]:
    if value is _MISSING or value is None:
        return set()
    values = value if isinstance(value, list) else [value]
    return {
        norm(each) if isinstance(each, str) else json.dumps(each, ensure_ascii=False, sort_keys=True) for each in values
    }


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield str(value)


def _text(value: Any) -> str:
    return norm("\n".join(_leaves(value)))


def _citations(given: Given) -> Iterator[tuple[str, str]]:
    """Passage and quote of each citation: those in the answer's sentences, or else the evidence."""
    sentences = _at(given.result, "sentences")
    cited = [
        each
        for sentence in (sentences if isinstance(sentences, list) else [])
        for each in (sentence.get("citations") or [{}] if isinstance(sentence, Mapping) else [])
    ]
    if cited:
        yield from ((str(each.get("passage_id", "")), str(each.get("quote", ""))) for each in cited)
    else:
        yield from (
            (str(each.get("id", "")), str(each.get("quote", ""))) for each in given.evidence if each.get("quote")
        )


def cited_passages(result: Mapping[str, Any] | None, evidence: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids of the passages whose texts `judge` needs."""
    return {passage for passage, _ in _citations(Given(dict(result or {}), evidence)) if passage}


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores) if scores else 1.0


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
