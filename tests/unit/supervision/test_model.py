from datetime import UTC, datetime

from chengnao.supervision.service import midnight

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def test_a_day_begins_at_local_midnight() -> None:
    assert midnight(datetime(2026, 11, 25, 15, 59, tzinfo=UTC)) == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    assert midnight(datetime(2026, 11, 25, 16, 0, tzinfo=UTC)) == datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
