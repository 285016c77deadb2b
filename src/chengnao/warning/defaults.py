"""The rules that this module's data file carries."""

from importlib.resources import files

import yaml

from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.vocabulary import Level
from chengnao.warning.model import Direction, ThresholdRule


def default_rules() -> list[ThresholdRule]:
    """The rules in force where nobody has changed anything."""
    entries = yaml.safe_load((files("chengnao.warning") / "thresholds.yaml").read_text("utf-8"))
    return [
        ThresholdRule(
            id=entry["id"],
            device_class=entry["class"],
            device_id=None,
            metric=entry["metric"],
            direction=Direction(entry["direction"]),
            levels={Level(level): float(value) for level, value in entry["levels"].items()},
            duration_seconds=entry["duration_seconds"],
            hysteresis=entry["hysteresis"],
            category=entry["category"],
            source=entry["source"],
            division_code=CITY,
            unit_id=None,
        )
        for entry in entries
    ]
