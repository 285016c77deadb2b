"""The edge's talk with the centre, every two seconds over whichever line stands: how it is, what is wanted of it, the
commands for its devices and their answers."""

import asyncio
import logging
import resource
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from chengnao.kernel.errors import ChengnaoError, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.sensing.edge.buffer import DiskBuffer
from chengnao.sensing.edge.forwarding import LINE_ERRORS, Forwarder, over
from chengnao.sensing.edge.model import Change
from chengnao.sensing.edge.snapshot import SnapshotFeed
from chengnao.sensing.edge.uplinks import Line, Uplinks
from chengnao.sensing.edge.wanted import TuningKeeper, Updater
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.shape import Command, Receipt

log = logging.getLogger(__name__)

HELLO_SECONDS = 2.0
_MAX_TOLD = 500
_MAX_RECEIPTS = 10_000


class News:
    """What has happened at the edge and the centre has not been told of yet; the oldest is let go where it is much."""

    def __init__(self) -> None:
        self.waiting: deque[dict[str, Any]] = deque(maxlen=_MAX_TOLD)

    def tell(self, kind: Change, detail: dict[str, Any], at: datetime | None = None) -> None:
        moment = at or datetime.now(UTC)
        self.waiting.append({"id": new_id(), "at": moment.isoformat(), "kind": kind.value, "detail": detail})


class Contact:
    """One for each edge process."""

    def __init__(
        self,
        version: str,
        intake: Intake,
        buffer: DiskBuffer,
        uplinks: Uplinks,
        forwarder: Forwarder,
        feed: SnapshotFeed,
        news: News,
        tuning: TuningKeeper,
        updater: Updater,
        lines: Sequence[LineGateway],
    ) -> None:
        self._version = version
        self._intake = intake
        self._buffer = buffer
        self._uplinks = uplinks
        self._forwarder = forwarder
        self._feed = feed
        self._news = news
        self._tuning = tuning
        self._updater = updater
        self._lines = lines
        self._receipts: deque[tuple[str, Receipt]] = deque(maxlen=_MAX_RECEIPTS)
        self._wake = asyncio.Event()
        self._dropped = buffer.segments.state.dropped_readings
        self._began = datetime.now(UTC)
        self.refused = ""
        """Why the centre does not take this edge; empty where it does."""

    def hear(self, device_id: str, receipt: Receipt) -> None:
        """Take a device's answer to a command."""
        self._receipts.append((device_id, receipt))
        self._wake.set()

    def line_changed(self) -> None:
        """Speak now and not only when it is due; after a time without a line, before anything else is sent."""
        if self._uplinks.line is None:
            self._forwarder.greeted.clear()
        self._wake.set()

    async def run(self) -> None:
        """Speak until cancelled; raises RestartError where the edge is to be started again."""
        while True:
            line = self._uplinks.line
            if line is not None:
                try:
                    await self._speak(line)
                except LINE_ERRORS as error:
                    self._uplinks.bad(line, error)
                except (Unavailable, ValueError, KeyError, TypeError) as error:
                    log.warning("the centre answers what is not understood: %s", error)
            self._tuning.check()
            await self._updater.check()
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def status(self) -> dict[str, Any]:
        """What the edge says of itself."""
        segments = self._buffer.segments
        state = segments.state
        oldest = self._forwarder.oldest_ms
        return {
            "version": self._version,
            "started_at": self._began.isoformat(),
            "line": self._uplinks.current,
            "lines": {name: line.shown() for name, line in self._uplinks.lines.items()},
            "buffer": {
                "bytes": segments.bytes_used,
                "limit": segments.limit,
                "when_full": "drop_oldest" if segments.drop_oldest else "wait",
                "readings": segments.waiting_readings,
                "pieces": segments.waiting_pieces,
                "oldest_seconds": None if oldest is None else round(max(0.0, time.time() - oldest / 1000), 1),
                "dropped_readings": state.dropped_readings,
                "dropped_pieces": state.dropped_pieces,
                "damaged_bytes": state.damaged_bytes,
            },
            "links": {line.wire.name: len(line.links) for line in self._lines},
            "taken": self._intake.committer.committed,
            "forwarded": self._forwarder.forwarded,
            "refused": self._intake.desk.refused,
            "devices": len(self._intake.cache.devices),
            "tuning": self._tuning.shown,
            "switching": self._uplinks.switching.model_dump(),
            "memory_mb": round(_resident() / 2**20, 1),
        }

    async def _speak(self, line: Line) -> None:
        self._note()
        told = list(self._news.waiting)
        hello = {
            "epoch": self._buffer.segments.state.epoch,
            "at": datetime.now(UTC).isoformat(),
            "status": self.status(),
            "told": told,
        }
        answer = await over(line, "POST", "/edge/hello", json=hello)
        if answer.status_code != 200:
            self._refuse(answer)
            return
        self.refused = ""
        line.good()
        reply = orjson.loads(answer.content)
        for each in told:
            if self._news.waiting and self._news.waiting[0] is each:
                self._news.waiting.popleft()
        await self._greet(reply["sequence"])
        self._tuning.confirm()
        self._updater.confirm()
        if self._receipts:
            await self._send_receipts(line)
        for device in reply["commands"]:
            await self._command(line, device)
        await self._feed.follow(reply["registry"])
        self._tuning.want(reply["wanted_revision"], reply["wanted"])
        await self._updater.want(reply["wanted_version"])

    async def _greet(self, sequence: int) -> None:
        """The centre has this number of our log already."""
        if sequence >= self._buffer.segments.next_sequence:
            log.warning("the centre has record %d, which this disk knows nothing of: a new epoch begins", sequence)
            await asyncio.to_thread(self._buffer.segments.renew_epoch)
        else:
            self._buffer.segments.arrived(sequence)
        self._forwarder.greeted.set()

    def _refuse(self, answer: httpx.Response) -> None:
        try:
            code = str(orjson.loads(answer.content)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            code = f"HTTP {answer.status_code}"
        if code != self.refused:
            self.refused = code
            log.error("%s", ChengnaoError("edge_refused", code=code))

    def _note(self) -> None:
        switches = self._uplinks.switches
        while switches:
            switch = switches.popleft()
            detail = {"before": switch.before, "after": switch.after, "reason": switch.reason}
            self._news.tell(Change.SWITCHED, detail, switch.at)
        dropped = self._buffer.segments.state.dropped_readings
        if dropped > self._dropped:
            self._news.tell(Change.DROPPED, {"readings": dropped - self._dropped, "all": dropped})
        self._dropped = dropped

    async def _command(self, line: Line, device: str) -> None:
        gateway = next((each for each in self._lines if device in each.of_device), None)
        if gateway is None:
            return
        answer = await over(line, "POST", "/edge/commands", json={"device": device})
        given = orjson.loads(answer.content).get("command") if answer.status_code == 200 else None
        if given is None:
            return
        problem: dict[str, Any] = {}
        try:
            if gateway.command(device, Command(given["key"], given["name"], given["arguments"])):
                return
        except ChengnaoError as error:
            problem = {"code": error.code, "params": error.params}
        await over(line, "POST", f"/edge/commands/{given['id']}/unsent", content=orjson.dumps(problem, default=str))

    async def _send_receipts(self, line: Line) -> None:
        part = list(self._receipts)[:200]
        told = [
            {"device": device, "key": receipt.key, "ok": receipt.ok, "detail": dict(receipt.detail)}
            for device, receipt in part
        ]
        answer = await over(line, "POST", "/edge/receipts", content=orjson.dumps({"receipts": told}, default=str))
        if answer.status_code == 200:
            for _ in part:
                self._receipts.popleft()


def _resident() -> int:
    """Bytes of memory in use now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
