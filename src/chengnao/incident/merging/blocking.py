"""Which pairs are worth comparing among many: near in place and time, or naming the same place; never all with all."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from chengnao.incident.merging.features import Evidence, Indices

_UNPLACED = 200
"""A row of which no place is known at all is compared with so many of its kind before it."""
_CROWD = 400
"""A row that has a place only by name is compared with so many of that name before it."""


def candidate_pairs(evidence: Evidence, metres: float, hours: float) -> tuple[Indices, Indices]:
    """Pairs of rows, each once, the earlier row of the input first."""
    order = np.argsort(np.nan_to_num(evidence.seconds, nan=-np.inf), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    parts = list(_by_grid(evidence, order, metres, hours))
    parts += list(_by_name(evidence, order, hours))
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    low = np.concatenate([np.minimum(one, other) for one, other in parts])
    high = np.concatenate([np.maximum(one, other) for one, other in parts])
    keys = np.unique(low.astype(np.int64) * len(order) + high)
    return keys // len(order), keys % len(order)


def _by_grid(evidence: Evidence, order: Indices, metres: float, hours: float) -> Iterator[tuple[Indices, Indices]]:
    """Placed rows of the same or of neighbouring cells, no farther apart than `metres` and `hours`."""
    placed = order[~np.isnan(evidence.lon[order])]
    lat_cell = np.floor(evidence.lat * 111_195 / metres)
    narrow = np.cos(np.radians(np.nan_to_num(np.floor(evidence.lat))))
    lon_cell = np.floor(evidence.lon * 111_195 * narrow / metres)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in placed:
        cells[int(lon_cell[row]), int(lat_cell[row])].append(int(row))
    ready = {cell: np.array(rows, dtype=np.int64) for cell, rows in cells.items()}
    for (x, y), rows in ready.items():
        for step in ((0, 0), (1, 0), (-1, 1), (0, 1), (1, 1)):
            others = ready.get((x + step[0], y + step[1]))
            if others is None:
                continue
            one, other = _within(evidence, rows, others, hours, same=step == (0, 0))
            near = evidence.metres(one, other) <= metres
            yield one[near], other[near]


def _within(evidence: Evidence, rows: Indices, others: Indices, hours: float, *, same: bool) -> tuple[Indices, Indices]:
    """Pairs of two lists in order of time that are no farther apart than `hours`; unknown times go with all."""
    times = np.nan_to_num(evidence.seconds[others], nan=-np.inf)
    own = evidence.seconds[rows]
    unknown = np.isnan(own)
    first = np.where(unknown, 0, np.searchsorted(times, np.nan_to_num(own) - hours * 3600, "left"))
    last = np.where(unknown, len(others), np.searchsorted(times, np.nan_to_num(own) + hours * 3600, "right"))
    if same:
        first = np.arange(len(rows)) + 1
        last = np.maximum(last, first)
    counts = last - first
    one = np.repeat(rows, counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs = one, others[np.repeat(first, counts) + offsets]
    nameless = int(np.isnan(evidence.seconds[others]).sum())
    if same or not nameless:
        return pairs
    timed = rows[~unknown]
    extra = np.repeat(timed, nameless), np.tile(others[:nameless], len(timed))
    return np.concatenate([pairs[0], extra[0]]), np.concatenate([pairs[1], extra[1]])


def _by_name(evidence: Evidence, order: Indices, hours: float) -> Iterator[tuple[Indices, Indices]]:
    """Rows without a place, with the rows before and after that name the same place or, like them, none at all."""
    unplaced = np.isnan(evidence.lon)
    blocks: dict[str, list[int]] = defaultdict(list)
    for row in order:
        for key in evidence.named[row].names or (("",) if unplaced[row] else ()):
            blocks[key].append(int(row))
    for key, rows in blocks.items():
        limit = _CROWD if key else _UNPLACED
        pairs = [
            (other, row)
            for at, row in enumerate(rows)
            for other in rows[max(0, at - limit) : at]
            if (unplaced[row] or unplaced[other]) and not abs(_gap(evidence, row, other)) > hours
        ]
        if pairs:
            found = np.array(pairs, dtype=np.int64)
            yield found[:, 0], found[:, 1]


def _gap(evidence: Evidence, one: int, other: int) -> float:
    return float(evidence.seconds[one] - evidence.seconds[other]) / 3600
