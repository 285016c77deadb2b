"""The edge's log: numbered records in files of a few megabytes, kept until the centre has them.

What `write` has returned for is on the disk and survives a kill and a power cut. A record that a crash has torn was
acknowledged to nobody; it is cut off, and its number is never used again.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_secret
from chengnao.sensing.edge.records import Found, Kind, Record, find, pack

SEGMENT_BYTES = 8 * 2**20
JUMP = 1 << 20
"""Numbers left out after damage: more than a segment can hold, so none that was ever sent is used twice."""


class Entry(NamedTuple):
    """A record before it has a number."""

    at: int
    kind: Kind
    rows: int
    payload: bytes


class Batch(NamedTuple):
    """Records as they lie in the log, ready for the line; `body` holds nothing else."""

    first: int
    last: int
    readings: int
    pieces: int
    oldest: int
    body: bytes


@dataclass
class State:
    """What must outlive the process. `epoch` names this log: numbers count within it."""

    epoch: str
    acknowledged: int = 0
    dropped_through: int = 0
    dropped_readings: int = 0
    dropped_pieces: int = 0
    damaged_bytes: int = 0
    doubtful: tuple[int, int, int] | None = None
    """A batch that was dropped while it was under way: its last number, readings, pieces. It may have arrived."""


@dataclass
class _Segment:
    path: Path
    first: int
    last: int = 0
    size: int = 0
    oldest: int = 0
    rows: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))

    def take(self, record: Record) -> None:
        self.oldest = self.oldest or record.at
        self.last = record.sequence
        self.rows[record.kind] += record.rows

    @property
    def index(self) -> Path:
        return self.path.with_suffix(".idx")


class SegmentLog:
    """One process opens a folder at a time. Every method may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        limit: int,
        *,
        drop_oldest: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self.folder = folder
        self.limit = limit
        self.drop_oldest = drop_oldest
        self._segment_bytes = min(segment_bytes, limit // 16)
        self._sync = sync
        self._lock = threading.Lock()
        self._segments: list[_Segment] = []
        self._active: int | None = None
        self._cursor = (0, 0, 0)  # where the last read ended: the segment's first number, offset, the record's number
        self._waiting = dict.fromkeys(Kind, 0)
        self._under_way: Batch | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.state = self._load_state()
        self._next = max(self.state.acknowledged, self.state.dropped_through) + 1
        self._recover()

    @property
    def next_sequence(self) -> int:
        return self._next

    @property
    def bytes_used(self) -> int:
        return sum(segment.size for segment in list(self._segments))

    @property
    def waiting_readings(self) -> int:
        return self._waiting[Kind.READINGS]

    @property
    def waiting_pieces(self) -> int:
        return self._waiting[Kind.HELD]

    def write(self, entries: Sequence[Entry]) -> int:
        """Put the entries on the disk, all or none; returns the last one's number.

        Raises Unavailable where there is no room, or the disk does not take them.
        """
        with self._lock:
            records = [Record(self._next + number, *entry) for number, entry in enumerate(entries)]
            packed = [pack(record) for record in records]
            self._make_room(sum(map(len, packed)))
            try:
                segment, fd = self._open_active()
                _write_whole(fd, b"".join(packed))
                self._sync(fd)
            except OSError as error:
                self._give_up_active()
                raise Unavailable("edge_disk", reason=str(error), retry_after=5) from error
            segment.size += sum(map(len, packed))
            for record in records:
                segment.take(record)
                self._waiting[record.kind] += record.rows
            self._next = records[-1].sequence + 1
            if segment.size >= self._segment_bytes:
                self._seal()
            return records[-1].sequence

    def read(self, max_bytes: int) -> Batch | None:
        """The oldest records that the centre does not have yet, at least one; None where it has all."""
        with self._lock:
            after = self.state.acknowledged
            for segment in list(self._segments):
                if segment.last > after:
                    start = self._cursor[1] if (self._cursor[0], self._cursor[2]) == (segment.first, after) else 0
                    batch = self._read_in(segment, start, after, max_bytes)
                    if batch is not None:
                        self._under_way = batch
                        return batch
            return None

    def acknowledge(self, batch: Batch) -> None:
        """The centre has the batch; what is not needed any more is removed."""
        with self._lock:
            if batch.last <= self.state.acknowledged:
                return
            self.state.acknowledged = batch.last
            self._arrived(batch.last)
            if batch.last > self.state.dropped_through:
                self._waiting[Kind.READINGS] -= batch.readings
                self._waiting[Kind.HELD] -= batch.pieces
            done = [each for each in self._segments if each.last <= batch.last and not self._is_active(each)]
            if done:
                self._save()
                for segment in done:
                    self._remove(segment)

    def arrived(self, through: int) -> None:
        """The centre's last number of this log, before more is sent: what was dropped and is there was not lost."""
        with self._lock:
            self._arrived(through)

    def renew_epoch(self) -> None:
        """Go on under a new name: the centre has numbers of the old one that this disk knows nothing of."""
        with self._lock:
            self.state = replace(self.state, epoch=new_secret(9))
            self._save()

    def save(self) -> None:
        """Keep how far the centre has come; without it only more is sent a second time after a crash."""
        with self._lock:
            self._save()

    def close(self) -> None:
        with self._lock:
            self._seal()
            self._save()

    # What follows is called with the lock held.

    def _arrived(self, through: int) -> None:
        if self.state.doubtful is not None:
            last, readings, pieces = self.state.doubtful
            if through == last:
                self.state.dropped_readings -= readings
                self.state.dropped_pieces -= pieces
            self.state.doubtful = None

    def _read_in(self, segment: _Segment, start: int, after: int, max_bytes: int) -> Batch | None:
        with segment.path.open("rb") as file:
            for size in (max_bytes, segment.size):
                file.seek(start)
                data = file.read(min(size, segment.size - start))
                wanted = [found for found in find(data) if found.record.sequence > after]
                if wanted:
                    wanted = wanted[: _fitting(wanted, max_bytes)]
                    self._cursor = (segment.first, start + wanted[-1].end, wanted[-1].record.sequence)
                    return _batch(data, wanted)
        # Nothing of this file can be read any more: pass it by, and say so.
        self.state.damaged_bytes += segment.size - start
        lost = segment.last
        self._cursor = (0, 0, 0)
        if not self._is_active(segment):
            self.state.dropped_through = max(self.state.dropped_through, lost)
            self._save()
            self._remove(segment)
        return None

    def _make_room(self, size: int) -> None:
        if self.bytes_used + size <= self.limit:
            return
        if not self.drop_oldest:
            raise Unavailable("edge_buffer_full", limit=self.limit // 2**20, retry_after=10)
        self._seal()
        while self._segments and self.bytes_used + size > self.limit:
            oldest = self._segments[0]
            rows = self._rows_after(oldest, self.state.acknowledged)
            self.state.dropped_through = max(self.state.dropped_through, oldest.last)
            self.state.dropped_readings += rows[Kind.READINGS]
            self.state.dropped_pieces += rows[Kind.HELD]
            sent = self._under_way
            if sent is not None and self.state.acknowledged < sent.last <= oldest.last:
                self.state.doubtful = (sent.last, sent.readings, sent.pieces)
                self._under_way = None
            for kind, number in rows.items():
                self._waiting[kind] -= number
            self._save()
            self._remove(oldest)

    def _rows_after(self, segment: _Segment, after: int) -> dict[Kind, int]:
        if segment.first > after:
            return dict(segment.rows)
        rows = dict.fromkeys(Kind, 0)
        for found in find(segment.path.read_bytes()):
            if found.record.sequence > after:
                rows[found.record.kind] += found.record.rows
        return rows

    def _open_active(self) -> tuple[_Segment, int]:
        if self._active is not None:
            return self._segments[-1], self._active
        path = self.folder / f"{self._next:020d}.seg"
        self._active = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._segments.append(_Segment(path, self._next))
        self._sync_folder()
        return self._segments[-1], self._active

    def _give_up_active(self) -> None:
        """After an error nothing is certain of what was not on the disk before: cut it off and begin anew."""
        self._next += JUMP
        if self._active is None:
            return
        segment = self._segments[-1]
        with suppress(OSError):
            os.ftruncate(self._active, segment.size)
        with suppress(OSError):
            os.close(self._active)
        self._active = None
        if segment.size == 0:
            self._remove(segment)

    def _seal(self) -> None:
        if self._active is None:
            return
        os.close(self._active)
        self._active = None
        segment = self._segments[-1]
        if segment.size == 0 or segment.last <= self.state.acknowledged:
            self._remove(segment)
            return
        index = {"last": segment.last, "size": segment.size, "oldest": segment.oldest}
        rows = {kind.name: number for kind, number in segment.rows.items()}
        with suppress(OSError):  # found again by reading the segment
            write_atomically(segment.index, orjson.dumps(index | {"rows": rows}))

    def _is_active(self, segment: _Segment) -> bool:
        return self._active is not None and segment is self._segments[-1]

    def _remove(self, segment: _Segment) -> None:
        self._segments.remove(segment)
        for path in (segment.path, segment.index):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _load_state(self) -> State:
        try:
            return State(**orjson.loads((self.folder / "state.json").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            # Another name: everything that waits is sent, and what the centre has already is the same readings again.
            return State(new_secret(9))

    def _save(self) -> None:
        with suppress(OSError):
            write_atomically(self.folder / "state.json", orjson.dumps(asdict(self.state)))

    def _recover(self) -> None:
        paths = sorted(self.folder.glob("*.seg"))
        damaged = False
        for path in paths:
            segment, clean = self._recovered(path)
            damaged |= not clean
            if segment.last <= max(self.state.acknowledged, self.state.dropped_through) or segment.size == 0:
                self._segments.append(segment)
                self._remove(segment)
                continue
            self._segments.append(segment)
            self._next = max(self._next, segment.last + 1)
            for kind, number in self._rows_after(segment, self.state.acknowledged).items():
                self._waiting[kind] += number
        if damaged:
            self._next += JUMP
        self._save()

    def _recovered(self, path: Path) -> tuple[_Segment, bool]:
        """The segment as far as it is whole, and whether nothing of it had to be cut off."""
        segment = _Segment(path, int(path.stem))
        size = path.stat().st_size
        known = _read_index(segment.index)
        if known is not None and known["size"] == size:
            segment.last, segment.size, segment.oldest = known["last"], size, known["oldest"]
            segment.rows = {kind: known["rows"][kind.name] for kind in Kind}
            return segment, True
        end = 0
        for found in find(path.read_bytes()):
            if found.start > end:
                self.state.damaged_bytes += found.start - end
            segment.take(found.record)
            end = found.end
        segment.size = end
        if end < size:
            os.truncate(path, end)
        return segment, end == size


def _fitting(found: Sequence[Found], max_bytes: int) -> int:
    """How many of the records fit, one at least."""
    begin = found[0].start
    return max(1, sum(1 for each in found if each.end - begin <= max_bytes))


def _batch(data: bytes, found: Sequence[Found]) -> Batch:
    rows = dict.fromkeys(Kind, 0)
    for each in found:
        rows[each.record.kind] += each.record.rows
    return Batch(
        found[0].record.sequence,
        found[-1].record.sequence,
        rows[Kind.READINGS],
        rows[Kind.HELD],
        found[0].record.at,
        b"".join(data[each.start : each.end] for each in found),
    )


def _write_whole(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_index(path: Path) -> dict[str, Any] | None:
    try:
        known = orjson.loads(path.read_bytes())
        return known if isinstance(known, dict) and {"last", "size", "oldest", "rows"} <= known.keys() else None
    except (FileNotFoundError, ValueError):
        return None
