"""Domain events: what happened, as frozen dataclasses in the past tense, carried in CloudEvents 1.0 envelopes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, TypeVar

_REGISTRY: dict[str, type["DomainEvent"]] = {}
_E = TypeVar("_E", bound="DomainEvent")


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """Something that happened to one thing (`subject`, its id) of one division and, where known, one unit.

    Fields of subclasses are JSON values; `type` is set by `domain_event`.
    """

    type: ClassVar[str]

    subject: str
    division_code: str
    unit_id: str | None = None


def domain_event(name: str) -> Callable[[type[_E]], type[_E]]:
    """Register an event class under its name, such as `warning.opened`; raises ValueError where the name is taken."""

    def register(kind: type[_E]) -> type[_E]:
        if _REGISTRY.setdefault(name, kind) is not kind:
            raise ValueError(f"event {name} is already registered by {_REGISTRY[name].__qualname__}")
        kind.type = name
        return kind

    return register


def event_types() -> tuple[str, ...]:
    """The names of all events of the modules that this process has loaded."""
    return tuple(sorted(_REGISTRY))


def envelope(event: DomainEvent, event_id: str, at: datetime) -> dict[str, Any]:
    """The event as a CloudEvents 1.0 JSON object."""
    data = asdict(event)
    for key in ("subject", "division_code", "unit_id"):
        del data[key]
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/chengnao",
        "type": event.type,
        "subject": event.subject,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "divisioncode": event.division_code,
        "unitid": event.unit_id,
        "data": data,
    }


def parse_event(document: dict[str, Any]) -> DomainEvent | None:
    """The event of an envelope; None for a type that this release does not know. Unknown data fields are dropped."""
    kind = _REGISTRY.get(document["type"])
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}
    data = {key: value for key, value in document["data"].items() if key in known}
    return kind(
        subject=document["subject"],
        division_code=document["divisioncode"],
        unit_id=document["unitid"],
        **data,
    )
