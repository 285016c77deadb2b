"""From gateways onto the edge's log: many senders share one write and one fsync."""

import asyncio
import logging
import time

import orjson

from chengnao.kernel.clock import Clock
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.edge.records import Kind
from chengnao.sensing.edge.segments import Entry, SegmentLog
from chengnao.sensing.gateways.desk import Desk
from chengnao.sensing.quarantine.model import Held
from chengnao.sensing.readings.model import decode

log = logging.getLogger(__name__)

_TOGETHER = 256
SAVE_SECONDS = 2.0


class DiskBuffer:
    """Puts records on the log's disk; who appends is answered once they are there."""

    def __init__(self, segments: SegmentLog) -> None:
        self.segments = segments
        self.more = asyncio.Event()
        """Set when there is something new to forward."""
        self._queue: list[tuple[Entry, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()

    async def append(self, kind: Kind, rows: int, payload: bytes) -> None:
        """Return once the payload is on the disk; raises Unavailable where it is full or broken."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((Entry(time.time_ns() // 1_000_000, kind, rows, payload), done))
        self._wake.set()
        await done

    async def publish_readings(self, payload: bytes) -> None:
        """What a Committer of an edge publishes with."""
        await self.append(Kind.READINGS, len(decode(payload)), payload)

    async def run(self) -> None:
        """Write until cancelled."""
        saved = time.monotonic()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                part, self._queue = self._queue[:_TOGETHER], self._queue[_TOGETHER:]
                await self._write(part)
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                await asyncio.to_thread(self.segments.save)

    async def _write(self, part: list[tuple[Entry, asyncio.Future[None]]]) -> None:
        problem: Exception | None = None
        try:
            await asyncio.to_thread(self.segments.write, [entry for entry, _ in part])
        except Unavailable as error:
            problem = error
        except Exception as error:
            log.exception("%d records could not be written", len(part))
            problem = Unavailable("edge_disk", reason=type(error).__name__)
        for _, done in part:
            if done.done():
                continue
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)
        if problem is None:
            self.more.set()


class BufferDesk(Desk):
    """Refused pieces wait on the edge's log and come into the centre's quarantine."""

    def __init__(self, buffer: DiskBuffer, clock: Clock) -> None:
        super().__init__(clock)
        self._buffer = buffer

    async def _write(self, pieces: list[Held], more: dict[str, int]) -> None:
        for start in range(0, max(1, len(pieces)), 20):
            part = pieces[start : start + 20]
            counts = more if start == 0 else {}
            await self._buffer.append(Kind.HELD, len(part) + sum(counts.values()), encode_held(part, counts))


def encode_held(pieces: list[Held], more: dict[str, int]) -> bytes:
    """Refused pieces, and how many more like earlier ones there were, as JSON; the bytes in hex."""
    return orjson.dumps(
        {
            "pieces": [
                {name: getattr(piece, name) for name in _PLAIN}
                | {"params": dict(piece.params), "payload": piece.payload.hex(), "received_at": piece.received_at}
                for piece in pieces
            ],
            "more": more,
        },
        default=str,
    )


_PLAIN = ("id", "source", "peer", "device_hint", "reason", "form", "count", "division_code", "unit_id")
