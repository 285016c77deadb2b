from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chengnao.incident.model import Incident, Source, State, Tally, total_of
from chengnao.supervision.escalation import escalates_at, upper_division
from chengnao.supervision.model import evaluate, indicators
from chengnao.supervision.routes import EvaluationRow
from chengnao.supervision.service import midnight

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
TALLY = Tally(
    opened=10,
    dismissed=2,
    closed=6,
    overdue_open=1,
    dispatched=12,
    accept_due=10,
    accepted_on_time=9,
    handle_due=8,
    handled_on_time=6,
    returned=3,
    reworked=1,
)


def test_rates_are_what_their_definitions_say() -> None:
    values = evaluate(TALLY)
    assert values["accept_rate"] == 0.9
    assert values["handle_rate"] == 0.75
    assert values["close_rate"] == 0.75
    assert values["return_rate"] == 0.25
    assert values["rework_rate"] == round(1 / 12, 4)


def test_a_rate_over_nothing_is_unknown() -> None:
    assert all(evaluate(Tally())[rate.key] is None for rate in indicators().rates)


def test_every_figure_that_is_shown_is_defined() -> None:
    defined = {each.key for each in indicators().counts} | {each.key for each in indicators().rates}
    assert set(EvaluationRow.model_fields) - {"key", "name"} == defined == evaluate(TALLY).keys()


def test_tallies_add_up() -> None:
    assert total_of([TALLY, TALLY]).dispatched == 24
    assert total_of([]) == Tally()


def test_the_second_escalation_comes_after_half_the_time_again() -> None:
    incident = Incident(
        "i", "n", "t", "", "other", 4, State.NEW, Source.MANUAL, "500103001", None, None, None, "", NOW, NOW,
        NOW + timedelta(hours=2),
    )  # fmt: skip
    assert escalates_at(incident, 1) == NOW + timedelta(hours=2)
    assert escalates_at(incident, 2) == NOW + timedelta(hours=3)
    assert escalates_at(replace(incident, due_at=None), 1) is None


def test_the_tier_above_is_told() -> None:
    assert [upper_division(code) for code in ("500103001", "500103", "500000")] == ["500103", "500000", "500000"]


def test_a_day_begins_at_local_midnight() -> None:
    assert midnight(datetime(2026, 11, 25, 15, 59, tzinfo=UTC)) == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    assert midnight(datetime(2026, 11, 25, 16, 0, tzinfo=UTC)) == datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
