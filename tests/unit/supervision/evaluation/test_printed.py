from datetime import UTC, datetime, timedelta

from chengnao.incident.measures import Span, Spread
from chengnao.supervision.evaluation.export import SHEETS
from chengnao.supervision.evaluation.model import Evaluation, Group
from chengnao.supervision.evaluation.printed import page

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
SPAN = Span(NOW - timedelta(days=1), NOW, NOW)


def test_a_group_that_opened_nothing_is_printed_too() -> None:
    group = Group(
        "2026-11-25", "<b>二十五日</b>", {"handle_due": 4, "handled_on_time": 3}, {"time_whole": Spread(2, 7)}
    )
    for by in SHEETS:
        text = page(Evaluation([group], group), by, SPAN, "重庆市", "噪声<扰民>")
        assert "&lt;b&gt;二十五日&lt;/b&gt;" in text
        assert "噪声&lt;扰民&gt;" in text
        assert "75%" in text
        assert "<td>7</td>" in text  # the odd ones are shown, not averaged


def test_nothing_at_all_is_printed_without_bars() -> None:
    text = page(Evaluation([], Group("total", "合计")), "unit", SPAN, "重庆市", None)
    assert "<svg" not in text
    assert "2026-11-24 12:00 至 2026-11-25 12:00" in text
