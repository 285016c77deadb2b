"""No planted claim may pass; nearly all that hold must."""

import gzip
import json
from collections import Counter

import pytest

from chengnao.knowledge.evals.planted import planted
from chengnao.knowledge.evals.sets import city_texts
from chengnao.knowledge.grounding.marks import misplaced
from chengnao.knowledge.grounding.verify import Fault, quoted, supports
from chengnao.knowledge.reading.plain import read_markdown
from chengnao.knowledge.splitting import split
from tests.support.shared import shared

NOISE = (
    "第三条 夜间施工噪声投诉，执法人员应当在一小时内到达现场；其他噪声投诉，应当在一个工作日内到达现场。\n"
    "未经批准的，不得在22时后施工；违反的，处一万元以上十万元以下罚款。"
)


@pytest.mark.parametrize(
    "claim",
    [
        "夜间施工噪声投诉，执法人员应当在1小时内到达现场。",
        "根据规定，其他噪声投诉应在一个工作日内到达现场。",
        "未经批准的，不得在晚上10点后施工。",
        "违反的，处1万元以上10万元以下罚款。",
    ],
)
def test_what_the_text_says_is_supported(claim: str) -> None:
    assert supports(NOISE, claim).holds


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ("夜间施工噪声投诉，执法人员应当在二小时内到达现场。", Fault.AMOUNT),
        ("夜间施工噪声投诉，执法人员应当在一个工作日内到达现场。", Fault.AMOUNT),
        ("违反的处十万元以下一万元以上罚款。", Fault.AMOUNT),
        ("违反的处一万元以下罚款。", Fault.AMOUNT),
        ("夜间施工噪声投诉，公安机关应当在一小时内到达现场。", Fault.BODY),
        ("未经批准的，可以在22时后施工。", Fault.DENIAL),
        ("经批准的，不得在22时后施工。", Fault.DENIAL),
        ("夜间施工噪声投诉，执法人员应当在一小时内到达现场，并当场处罚。", Fault.WORDS),
        ("噪声扰民可以获得经济补偿。", Fault.DENIAL),
        ("养犬人应当办理登记。", Fault.DENIAL),
    ],
)
def test_what_it_does_not_say_is_not(claim: str, fault: Fault) -> None:
    support = supports(NOISE, claim)
    assert not support.holds
    assert support.fault in (fault, Fault.WORDS, Fault.DENIAL)


def test_a_quotation_must_stand_there_word_for_word_blanks_and_marks_aside() -> None:
    assert quoted("执法人员应当在 1小时内,到达现场", NOISE)
    assert not quoted("执法人员应当在二小时内到达现场", NOISE)
    assert supports(NOISE, "应当在一小时内到达现场。", quote="应当在三小时内").fault is Fault.QUOTE


def test_the_title_lends_words_and_no_amounts() -> None:
    text = "第二条 应当在六小时内完成修复。"
    assert supports(text, "井盖应当在六小时内完成修复。", context="井盖管理规定").holds
    assert not supports(text, "井盖应当在八小时内完成修复。", context="井盖八小时修复规定").holds


def test_none_of_the_planted_claims_passes() -> None:
    texts = [
        passage.text
        for each in city_texts()
        for passage in split(each.key, read_markdown(each.text, "markdown").blocks)
    ]
    _hold(texts, least=0.98)


def test_nor_in_articles_of_laws() -> None:
    path = shared("data", "cn_law_articles.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        _hold([json.loads(line)["text"] for line in lines][3::20], least=0.95)


def _hold(texts: list[str], least: float) -> None:
    counted: Counter[tuple[bool, bool]] = Counter()
    passed = []
    for each in planted(texts):
        support = supports(each.text, each.claim)
        counted[each.wrong is None, support.holds] += 1
        if each.wrong is not None and support.holds:
            passed.append((each.wrong, each.claim))
    assert passed == []
    assert counted[False, False] > 500
    assert counted[True, True] >= least * (counted[True, True] + counted[True, False])


SELLING = "禁止销售未取得许可生产的设备，未经检验的设备，或者已经报废的设备。取得许可的，可以销售；没有检验的不得使用。"


@pytest.mark.parametrize(
    "claim",
    [
        "禁止销售取得许可生产的设备，未经检验的设备，或者已经报废的设备。",
        "可以销售未取得许可生产的设备，未经检验的设备，或者已经报废的设备。",
        "取得许可的，不得销售。",
        "未取得许可的，可以销售。",
        "检验的不得使用。",
    ],
)
def test_a_denial_stands_where_the_source_has_it_even_among_others(claim: str) -> None:
    assert not supports(SELLING, claim).holds


def test_a_denial_in_another_word_for_it_is_the_same() -> None:
    assert not misplaced("严禁销售未取得许可生产的设备。", SELLING)
    assert not misplaced("未检验的不能使用。", SELLING)
