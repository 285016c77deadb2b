"""When something late is escalated, and to whom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.incident.model import Incident, Source, State
from chengnao.supervision.escalation import awaited_division, reached_at, upper_division

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
INCIDENT = Incident(
    id="i",
    number="n",
    title="t",
    description="",
    category="other",
    grade=4,
    state=State.NEW,
    source=Source.MANUAL,
    division_code="500103001",
    desk_code="500103",
    unit_id=None,
    lon=None,
    lat=None,
    address="",
    opened_at=NOW,
    entered_at=NOW,
    due_at=NOW + timedelta(hours=2),
    close_by=None,
)


def test_the_second_escalation_comes_after_half_the_time_again() -> None:
    due = NOW + timedelta(hours=2)
    assert reached_at(NOW, due, 1) == due
    assert reached_at(NOW, due, 2) == NOW + timedelta(hours=3)


def test_the_tier_above_is_told() -> None:
    assert [upper_division(code) for code in ("500103001", "500103", "500000")] == ["500103", "500000", "500000"]


@pytest.mark.parametrize(
    ("state", "desk", "awaited"),
    [
        (State.NEW, "500103", "500103"),
        (State.NEW, "500000", "500000"),
        (State.RETURNED, "500103001", "500103001"),
        (State.DISPUTED, "500103001", "500103"),
        (State.DISPUTED, "500103", "500000"),
        (State.DISPUTED, "500000", "500000"),
        (State.DISPATCHED, "500000", "500103001"),
        (State.ACCEPTED, "500103", "500103001"),
        (State.HANDLED, "500103", "500103001"),
    ],
)
def test_who_is_awaited_follows_from_the_state(state: State, desk: str, awaited: str) -> None:
    assert awaited_division(replace(INCIDENT, state=state, desk_code=desk)) == awaited
