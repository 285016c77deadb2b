"""What is known of one route, and parts of requests to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.world import PLACES, Records


@dataclass(frozen=True)
class Route:
    """The action that a route asks for, and a well-formed request to it; None where it names no record."""

    action: str
    options: Callable[[Records], dict[str, Any]] = lambda records: {}
    also: str | None = None
    """A second right that is needed on the record itself."""


def json(**body: Any) -> dict[str, Any]:
    return {"json": body}


def lonlat(records: Records) -> dict[str, float]:
    return {"lon": PLACES[records.division].lon, "lat": PLACES[records.division].lat}
