"""What the city remembers over a restart: the tanks at midnight, the mains that leak, and when the next one bursts.

All else it finds again by itself: rivers, rain and device faults are functions of time, incidents stand in the API.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

from chengnao.demonstration.water import STEADY_TANKS, Burst
from chengnao.kernel.files import write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    day: date | None = None
    tanks: Mapping[str, float] = field(default_factory=lambda: STEADY_TANKS)
    bursts: tuple[Burst, ...] = ()
    next_burst: datetime | None = None


def memory_path(home: Path) -> Path:
    return home / "city" / "state.json"


def remember(home: Path) -> Memory:
    """What was kept last; an empty memory where there is none or it cannot be read."""
    path = memory_path(home)
    try:
        raw = json.loads(path.read_text("utf-8"))
        return Memory(
            date.fromisoformat(raw["day"]) if raw["day"] else None,
            {str(name): float(level) for name, level in raw["tanks"].items()},
            tuple(_burst(each) for each in raw["bursts"]),
            _moment(raw["next_burst"]),
        )
    except FileNotFoundError:
        return Memory()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the city starts afresh, %s cannot be read: %r", path, error)
        return Memory()


def keep(home: Path, memory: Memory) -> None:
    write_atomically(memory_path(home), json.dumps(asdict(memory), default=str, ensure_ascii=False).encode())


def _burst(raw: Mapping[str, object]) -> Burst:
    starts_at = datetime.fromisoformat(str(raw["starts_at"]))
    seen_by = raw["seen_by"]
    if not isinstance(seen_by, list):
        raise TypeError("seen_by is a list")
    return Burst(
        str(raw["id"]),
        str(raw["node"]),
        float(str(raw["coefficient"])),
        starts_at,
        _moment(raw["ends_at"]),
        tuple(map(str, seen_by)),
    )


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
