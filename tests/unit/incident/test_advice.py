"""What a search looks for, what is alike, and where a citizen is sent. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.advice.model import Intent, likeness, pieces, understood
from chengnao.incident.advice.searching import find_pages, pages
from chengnao.incident.advice.talking import next_step
from chengnao.kernel.access.model import Principal, Role


@pytest.mark.parametrize(
    ("text", "intent", "word"),
    [
        ("CQ-20261125-000012 办到哪了", Intent.INCIDENT, "CQ-20261125-000012"),
        ("查一下解放碑的路灯", Intent.INCIDENT, "解放碑"),
        ("养犬管理条例怎么规定", Intent.KNOWLEDGE, "养犬管理"),
        ("朝天门水位站", Intent.DEVICE, "朝天门水位站"),
        ("渝中区红色预警", Intent.WARNING, "渝中区红色"),
        ("打开督办", Intent.PAGE, "督办"),
    ],
)
def test_what_is_looked_for(text: str, intent: Intent, word: str) -> None:
    found = understood(text)
    assert found.intent is intent
    assert word in found.words


@given(st.text(min_size=1, max_size=200))
def test_any_text_is_a_question(text: str) -> None:
    found = understood(text)
    assert 1 <= len(found.words) <= 6
    assert len(pieces(found.words)) <= 16


def test_likeness_is_of_letters() -> None:
    assert likeness("人和街路灯不亮", "人和街的路灯不亮了") > 0.7
    assert likeness("人和街路灯不亮", "餐馆油烟扰民") == 0.0
    assert likeness("", "") == 0.0


def test_pages_are_those_of_the_own_work() -> None:
    def of(role: Role) -> list[str]:
        asker = Principal("x", "x", "user", frozenset({role}), "500103")
        return [hit.path for hit in find_pages(asker, "督办清单", understood("督办清单"))]

    assert of(Role.DUTY_OFFICER)[0] == "/supervision"
    assert of(Role.HANDLER) == []
    assert len({page.path for page in pages()}) == len(pages())


@pytest.mark.parametrize(
    ("question", "step"),
    [
        ("楼下着火了", "call"),
        ("我上周反映的路灯办到哪了", "track"),
        ("我要投诉楼下油烟", "report"),
        ("请转人工客服", "call"),
        ("电梯多久保养一次？", "none"),
    ],
)
def test_where_a_citizen_is_sent(question: str, step: str) -> None:
    assert next_step(question) == step
