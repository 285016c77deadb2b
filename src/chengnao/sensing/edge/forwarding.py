"""What waits on the edge's log goes to the centre in order, over the line that stands, until the centre has it."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import httpx
import orjson

from chengnao.sensing.edge.buffer import DiskBuffer
from chengnao.sensing.edge.segments import Batch
from chengnao.sensing.edge.uplinks import Line, Uplinks

log = logging.getLogger(__name__)

RECORDS_TYPE = "application/vnd.chengnao.edge-records"
_PAUSE = 0.5
_SEND_SECONDS = 120.0
"""A batch on a slow line takes its time; that the line has died is seen by its probes long before."""


class LineDownError(Exception):
    """The line went down while something was under way."""


async def over(line: Line, method: str, path: str, seconds: float = 10.0, **what: Any) -> httpx.Response:
    """Ask the centre over the line; raises LineDownError as soon as the line is known to be down."""
    asking = asyncio.ensure_future(line.client.request(method, path, **what))
    dying = asyncio.ensure_future(line.down.wait())
    try:
        async with asyncio.timeout(seconds):
            await asyncio.wait({asking, dying}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise LineDownError(line.name)
        return asking.result()
    finally:
        dying.cancel()
        if not asking.done():
            asking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asking


LINE_ERRORS = (httpx.HTTPError, OSError, TimeoutError, LineDownError)


class Forwarder:
    """One batch is under way at a time, and is sent again over either line until the centre says that it has it."""

    def __init__(self, buffer: DiskBuffer, uplinks: Uplinks) -> None:
        self._buffer = buffer
        self._uplinks = uplinks
        self.greeted = asyncio.Event()
        """Set once the centre has said how far it has this log; anew after each time without a line."""
        self.forwarded = 0
        self.oldest_ms: int | None = None
        """When the oldest record that waits was written; None where nothing waits."""
        self.acknowledged_at: float | None = None

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            self._buffer.more.clear()
            while await self._forward_one():
                pass
            await self._buffer.more.wait()

    async def _forward_one(self) -> bool:
        await self._uplinks.standing.wait()
        await self.greeted.wait()
        line = self._uplinks.line
        if line is None:
            return True
        size = line.settings.batch_kilobytes * 1024
        batch = await asyncio.to_thread(self._buffer.segments.read, size)
        if batch is None:
            self.oldest_ms = None
            return False
        self.oldest_ms = batch.oldest
        try:
            answer = await self._send(line, batch)
        except LINE_ERRORS as error:
            self._uplinks.bad(line, error)
            await asyncio.sleep(0 if self._uplinks.line is not line else _PAUSE)
            return True
        if answer is None:
            await asyncio.sleep(_PAUSE)
            return True
        line.good()
        await asyncio.to_thread(self._buffer.segments.acknowledge, batch)
        self.forwarded += batch.readings
        self.acknowledged_at = time.monotonic()
        return True

    async def _send(self, line: Line, batch: Batch) -> dict[str, Any] | None:
        """What the centre answered; None where it is there and cannot take the batch now."""
        epoch = self._buffer.segments.state.epoch
        answer = await over(
            line,
            "POST",
            "/edge/records",
            _SEND_SECONDS,
            content=batch.body,
            headers={"Content-Type": RECORDS_TYPE, "X-Edge-Epoch": epoch},
        )
        if answer.status_code == 200:
            taken: dict[str, Any] = orjson.loads(answer.content)
            return taken if taken["through"] >= batch.last else None
        log.warning("the centre does not take records %d to %d now: %s", batch.first, batch.last, answer.text[:300])
        return None
