from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chengnao.incident.model import Incident, Source, State
from chengnao.supervision.escalation import escalates_at, upper_division
from chengnao.supervision.service import midnight

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def test_the_second_escalation_comes_after_half_the_time_again() -> None:
    incident = Incident(
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
    assert escalates_at(incident, 1) == NOW + timedelta(hours=2)
    assert escalates_at(incident, 2) == NOW + timedelta(hours=3)
    assert escalates_at(replace(incident, due_at=None), 1) is None


def test_the_tier_above_is_told() -> None:
    assert [upper_division(code) for code in ("500103001", "500103", "500000")] == ["500103", "500000", "500000"]


def test_a_day_begins_at_local_midnight() -> None:
    assert midnight(datetime(2026, 11, 25, 15, 59, tzinfo=UTC)) == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    assert midnight(datetime(2026, 11, 25, 16, 0, tzinfo=UTC)) == datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
