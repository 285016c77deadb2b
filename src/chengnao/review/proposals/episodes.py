"""Warnings as a replay finds them, and what a change makes of them. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chengnao.kernel.vocabulary import Level
from chengnao.warning.model import Step


@dataclass(frozen=True)
class Episode:
    """One warning of a device, from its opening to its end; times in milliseconds since the epoch."""

    device_id: str
    opened_at: int
    peak: Level
    cleared_at: int | None = None

    def overlaps(self, other: "Episode") -> bool:
        return (other.cleared_at is None or self.opened_at <= other.cleared_at) and (
            self.cleared_at is None or other.opened_at <= self.cleared_at
        )


def episodes(steps: Iterable[Step]) -> list[Episode]:
    """The warnings that the steps of one rule open and clear, by device and time."""
    running: dict[str, Episode] = {}
    found: list[Episode] = []
    for step in steps:
        device, level, at = step.state.device_id, step.state.level, step.state.last_time
        known = running.get(device)
        if level is None:
            if known is not None:
                found.append(replace(running.pop(device), cleared_at=at))
        elif known is None:
            running[device] = Episode(device, at, level)
        else:
            running[device] = replace(known, peak=min(known.peak, level))
    return sorted([*found, *running.values()], key=lambda each: (each.device_id, each.opened_at))


def compared(was: Sequence[Episode], would: Sequence[Episode]) -> list[tuple[str, Episode | None, Episode | None]]:
    """Each warning before the change beside what would have become of it.

    `kept`, `level_changed`, `gone` (there would have been none), `new` (there was none). Two that overlap are the same.
    """
    rows: list[tuple[str, Episode | None, Episode | None]] = []
    before, after = _by_device(was), _by_device(would)
    for device in sorted(before.keys() | after.keys()):
        rows += [("gone", each, None) for each in before[device] if not _overlapping(after[device], each)]
        for each in after[device]:
            same = _overlapping(before[device], each)
            if not same:
                rows.append(("new", None, each))
            else:
                rows.append(("kept" if same.peak is each.peak else "level_changed", same, each))
    return rows


def _by_device(found: Iterable[Episode]) -> defaultdict[str, list[Episode]]:
    by_device: defaultdict[str, list[Episode]] = defaultdict(list)
    for each in found:
        by_device[each.device_id].append(each)
    return by_device


def _overlapping(ordered: Sequence[Episode], one: Episode) -> Episode | None:
    """The last of the episodes of a device, which do not overlap each other, that overlaps the one."""
    end = float("inf") if one.cleared_at is None else one.cleared_at
    last = bisect_right(ordered, end, key=lambda each: each.opened_at) - 1
    return ordered[last] if last >= 0 and ordered[last].overlaps(one) else None
