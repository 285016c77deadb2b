from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from chengnao.kernel.events import DomainEvent, domain_event, envelope, parse_event


@domain_event("test.happened")
@dataclass(frozen=True, kw_only=True)
class Happened(DomainEvent):
    number: int


EVENT = Happened(subject="thing-1", division_code="500103", unit_id=None, number=7)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_event_survives_its_envelope() -> None:
    document = envelope(EVENT, "id-1", AT)
    assert document["specversion"] == "1.0"
    assert (document["type"], document["subject"], document["time"]) == ("test.happened", "thing-1", AT.isoformat())
    assert parse_event(document) == EVENT


def test_what_a_later_release_adds_is_passed_over() -> None:
    document = envelope(EVENT, "id-1", AT)
    document["data"]["added_later"] = True
    assert parse_event(document) == EVENT
    assert parse_event(document | {"type": "test.unknown"}) is None


def test_a_name_belongs_to_one_event() -> None:
    with pytest.raises(ValueError, match=r"test\.happened"):

        @domain_event("test.happened")
        @dataclass(frozen=True, kw_only=True)
        class Other(DomainEvent):
            pass
