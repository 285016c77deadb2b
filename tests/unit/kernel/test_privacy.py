import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.privacy.model import Finding, Kind, find_personal, mask
from tests.support.personal import detail, lookalikes, samples

PIECES = st.lists(
    st.one_of(
        st.builds(
            lambda kind, seed: detail(kind, random.Random(seed)), st.sampled_from(list(Kind)), st.integers(0, 10**6)
        ),
        st.sampled_from(
            [
                "我叫",
                "先生",
                "电话",
                "微信",
                "QQ",
                "身份证",
                "卡号",
                "订单号",
                "*",
                "@",
                "-",
                " ",
                "，",
                "张",
                "一三八",
                "转",
            ]
        ),
        st.text("0123456789０１〇一二三abX·.@-* 张王欧阳先生", max_size=12),
        st.text(max_size=6),
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13800138000", "电话138****8000"),
        ("电话 138-0013-8000 晚上打", "电话 138-****-8000 晚上打"),
        ("１３８００１３８０００", "１３８****８０００"),
        ("一三八零零一三八零零零", "一三八****八零零零"),
        ("身份证500103199001011239", "身份证5001**********1239"),
        ("身份证号是500103199001011230", "身份证号是5001**********1230"),
        ("老身份证号500103900101123", "老身份证号5001*******1123"),
        ("卡号6222 0202 0011 2233 445", "卡号6222 **** **** ***3 445"),
        ("我叫张伟。", "我叫张*。"),
        ("请联系张伟13812345678", "请联系张*138****5678"),
        ("可找李建国（电话：13812345678）", "可找李**（电话：138****5678）"),
        ("联系社区13812345678", "联系社区138****5678"),
        ("张伟先生和李女士", "张先生和李女士"),
        ("姓名：欧阳修文", "姓名：欧阳**"),
        ("邮箱 zhangsan@163.com", "邮箱 z***@163.com"),
        ("渝A12345、渝AD12345和粤B·12345", "渝A***45、渝A****45和粤B·***45"),
        ("护照E12345678", "护照E******78"),
        ("座机023-68001234转801", "座机023-********转801"),
        ("微信：zhang_san88", "微信：zh***_****8"),
        ("QQ12345678", "QQ12*****8"),
        ("我叫王小二，请找王小二", "我叫王**，请找王**"),
    ],
)
def test_details_are_hidden_and_the_rest_stays_readable(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("kind", list(Kind))
def test_hardly_a_detail_is_missed_and_none_that_is_found_is_left(kind: Kind) -> None:
    made = samples(kind, 400, seed=1)
    missed = [each.text for each in made if each.detail in mask(each.text)]
    assert len(missed) <= 4, missed[:10]
    told = [each.text for each in made if all(finding.kind is not kind for finding in find_personal(each.text))]
    assert len(told) <= 20, told[:10]


def test_other_numbers_are_left_alone() -> None:
    made = lookalikes(2_000, seed=1)
    wrong = [(text, mask(text)) for text in made if mask(text) != text]
    assert len(wrong) <= 10, wrong[:10]


@given(PIECES)
@settings(max_examples=400)
def test_masking_twice_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(PIECES)
@settings(max_examples=400)
def test_a_masked_text_holds_no_detail_that_was_found(text: str) -> None:
    masked = mask(text)
    for finding in find_personal(text):
        assert text[finding.start : finding.end] not in masked
    assert find_personal(masked) == []


@given(PIECES)
def test_findings_are_in_order_and_apart(text: str) -> None:
    found = find_personal(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_a_finding_says_what_and_where() -> None:
    assert find_personal("打13800138000") == [Finding(Kind.MOBILE, 1, 12)]


def test_a_long_text_takes_no_long_time() -> None:
    for piece in ("1", "6222 ", "a@", "我叫张", "身份证", "订单号", "-", "(0"):
        assert isinstance(mask(piece * (4000 // len(piece))), str)
