import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.knowledge.grounding.facts import Amount, amounts
from chengnao.knowledge.text import article_number, bare, clocks, numeral, plain, query_terms, sentences, terms


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("十五", 15),
        ("一百零五", 105),
        ("二千", 2000),
        ("三万", 30000),
        ("二〇二六", 2026),
        ("两", 2),
        ("甲", None),
    ],
)
def test_numerals(text: str, value: int | None) -> None:
    assert numeral(text) == value


@given(st.integers(1, 99_999_999))
def test_every_number_comes_back_from_its_numeral(value: int) -> None:
    assert numeral(_written(value)) == value


def _written(value: int) -> str:
    if value >= 10_000:
        rest = value % 10_000
        return _written(value // 10_000) + "万" + (("零" if rest < 1000 else "") + _written(rest) if rest else "")
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        if digit:
            text += ("零" if zero and text else "") + "零一二三四五六七八九"[digit] + name
            zero = False
        else:
            zero = True
    return text


def test_an_article_is_the_same_however_its_number_is_written() -> None:
    assert plain("第十条") == plain("第10条") == "第10条"
    assert article_number("第十条之一 甲") == "10-1"
    assert article_number("第 十 条 甲") is None or article_number("第十条") == "10"
    assert set(query_terms("第10条")) <= set(terms("依照第十条办理"))


def test_words_that_look_like_numbers_stay_words() -> None:
    assert plain("一般情况下统一办理") == "一般情况下统一办理"


def test_two_characters_are_found_and_words_across_a_mark_are_not() -> None:
    assert "积水" in terms("下穿隧道积水严重")
    assert "水严" in terms("下穿隧道积水严重")
    assert "水下" not in terms("积水，下穿隧道")
    assert query_terms("井") == ["井"]


def test_hours_however_they_are_written() -> None:
    assert clocks("晚上十点至次日六时") == ["22:00", "06:00"]
    assert clocks("22:00到6点半") == ["22:00", "06:30"]
    assert clocks("下午2点") == ["14:00"]


def test_amounts_know_units_and_bounds() -> None:
    assert amounts("不超过五万元") == amounts("5万元以下") == {Amount("50000", "元", "<=")}
    assert Amount("30", "分钟") in amounts("三十分钟到场")
    assert Amount("7", "工作日") in amounts("七个工作日")
    assert Amount("-03-01", "date") in amounts("3月1日")
    assert amounts("三日内") != amounts("三个工作日内")


def test_quotations_are_compared_without_blanks_and_marks() -> None:
    assert bare("应当，在 三日内。") == bare("应当在3日内")


def test_sentences_lose_nothing() -> None:
    text = "第一条 甲；乙。\n丙！“丁。”戊"
    assert bare("".join(sentences(text))) == bare(text)


@given(st.text(max_size=200))
def test_any_text_has_terms(text: str) -> None:
    terms(text)
    query_terms(text)
    amounts(text)
