"""HJ 212 over TCP: stations connect, send frames, and are answered once their readings are on the log's disk."""

import asyncio
import logging
import re
import time
from collections import deque
from dataclasses import dataclass

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.gateways.hj212_frames import DATA_COMMANDS, readings_of
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.hj212 import Frame, Refusal, frame_segment
from chengnao.sensing.protocols.hj212_stream import Framer
from chengnao.sensing.quarantine.model import Form, Source

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
QUIET_SECONDS = 2.0
SPLIT_SECONDS = 60.0
MAX_CONNECTIONS = 5_000
MAX_UNANSWERED = 4_000
MAX_REFUSED_A_MINUTE = 300

# Commands of the station that are themselves answers; they are heard, and answered where they ask for it.
_ANSWERS = frozenset({"9011", "9012", "9013", "9014"})
_CLOCK_REQUEST = "1013"
_DATA_ACK, _NOTICE_ACK, _REQUEST_ANSWER = "9014", "9013", "9011"
_REFUSED, _WRONG_MN, _WRONG_CN = "QnRtn=2", "QnRtn=4", "QnRtn=8"

_MN = re.compile(rb"MN=([^;,&#\r\n]{1,64})")


def answer(frame: Frame, command: str, content: str = "") -> bytes:
    """The platform's answer to a frame, under the same QN."""
    header = frame.header
    qn = f"QN={header['QN']};" if header.get("QN") else ""
    flags = frame.flags
    version = flags.version << 2 if flags else 0
    segment = (
        f"{qn}ST=91;CN={command};PW={header.get('PW', '')};MN={header.get('MN', '')};Flag={version};CP=&&{content}&&"
    )
    return frame_segment(segment.encode("gb18030"))


@dataclass(slots=True)
class _Part:
    """A part of a split message that waits for another part to tell its time."""

    frame: Frame
    entry: Entry
    since: float


class Hj212Gateway:
    """Listens for stations."""

    def __init__(self, intake: Intake, max_connections: int = MAX_CONNECTIONS, idle: float = IDLE_SECONDS) -> None:
        self.intake = intake
        self.max_connections = max_connections
        self.idle = idle
        self.links: set[Link] = set()
        self.frames = 0
        self.unknown: dict[str, float] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.serving = False
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Link(self), host, port, backlog=1024)
        self.serving = True

    async def run(self) -> None:
        """Look after quiet connections until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for link in list(self.links):
                link.look_after(now)

    async def close(self) -> None:
        """Take no more; what was taken is still answered while the links drain."""
        self.serving = False
        if self._server is not None:
            self._server.close()
        for link in list(self.links):
            link.finish()


class Link(asyncio.Protocol):
    """One station's connection."""

    def __init__(self, gateway: Hj212Gateway) -> None:
        self.gateway = gateway
        self.intake = gateway.intake
        self.peer = ""
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._heard = time.monotonic()
        self._answers: dict[asyncio.Future[None], list[bytes]] = {}
        self._unanswered = 0
        self._blocked = False
        self._refused: deque[float] = deque(maxlen=MAX_REFUSED_A_MINUTE)
        self._told_limit = 0.0
        self._split_times: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._parts: list[_Part] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if name else ""
        if len(self.gateway.links) >= self.gateway.max_connections:
            log.warning("HJ 212: too many connections, %s is turned away", self.peer)
            transport.abort()
            return
        self.gateway.links.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.gateway.links.discard(self)
        for piece in self._framer.close():
            self._take(piece)
        self._drop_parts(time.monotonic() + SPLIT_SECONDS)
        self._transport = None

    def pause_writing(self) -> None:
        self._blocked = True
        self._pace()

    def resume_writing(self) -> None:
        self._blocked = False
        self._pace()

    def _pace(self) -> None:
        """Read on only while the station reads its answers and the log keeps up."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._blocked or self._unanswered > MAX_UNANSWERED:
            self._transport.pause_reading()
        elif self._unanswered <= MAX_UNANSWERED // 2:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        for piece in self._framer.feed(data):
            self._take(piece)
        self._pace()

    def look_after(self, now: float) -> None:
        quiet = now - self._heard
        if quiet > QUIET_SECONDS and self._framer.pending:
            for piece in self._framer.hurry():
                self._take(piece)
        self._drop_parts(now)
        if quiet > self.gateway.idle:
            self._close()

    def finish(self) -> None:
        """Read no more; close once what was taken is answered."""
        if self._transport is not None:
            self._transport.pause_reading()
            if not self._answers:
                self._transport.close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _take(self, piece: Frame | Refusal) -> None:
        if isinstance(piece, Refusal):
            self._refuse(piece, Scope())
            return
        self.gateway.frames += 1
        entry = self.intake.cache.addresses.get(piece.mn)
        if entry is not None:
            self._serve(piece, entry)
        elif piece.cn in _ANSWERS:
            self._answer_now(piece, _DATA_ACK)
        elif self.gateway.unknown.get(piece.mn, -60.0) > time.monotonic() - 1.0:
            self._refuse_unknown(piece)
        else:
            task = asyncio.create_task(self._serve_new(piece))
            self.gateway.tasks.add(task)
            task.add_done_callback(self.gateway.tasks.discard)

    async def _serve_new(self, frame: Frame) -> None:
        """The device may have been registered a moment ago."""
        try:
            await self.intake.feed.refresh()
        except Unavailable:
            return  # unanswered: the station sends it again
        entry = self.intake.cache.addresses.get(frame.mn)
        if entry is not None:
            self._serve(frame, entry)
            return
        if len(self.gateway.unknown) > 10_000:
            self.gateway.unknown.clear()
        self.gateway.unknown[frame.mn] = time.monotonic()
        self._refuse_unknown(frame)

    def _refuse_unknown(self, frame: Frame) -> None:
        self._refuse(Refusal("unknown_device", frame.raw, {"field": "MN", "value": frame.mn}), Scope())
        self._answer_now(frame, _REQUEST_ANSWER, _WRONG_MN)

    def _serve(self, frame: Frame, entry: Entry) -> None:
        if frame.cn in DATA_COMMANDS:
            self._serve_data(frame, entry)
        elif frame.cn in _ANSWERS:
            self._answer_now(frame, _DATA_ACK)
        elif frame.cn == _CLOCK_REQUEST:
            self._answer_now(frame, _NOTICE_ACK)
        else:
            self._refuse(Refusal("command_not_served", frame.raw, {"field": "CN", "value": frame.cn}), _scope(entry))
            self._answer_now(frame, _REQUEST_ANSWER, _WRONG_CN)

    def _serve_data(self, frame: Frame, entry: Entry) -> None:
        if not self.intake.limiter.take(entry.index, max(1, len(frame.factors))):
            limit = int(self.intake.limiter.rate)
            params = {"field": "MN", "value": frame.mn, "limit": limit, "retry_after": 1}
            self._refuse(Refusal("rate_limited", frame.raw, params), _scope(entry), counts=False)
            if time.monotonic() - self._told_limit > 1.0:
                self._told_limit = time.monotonic()
                self._send(answer(frame, _REQUEST_ANSWER, _REFUSED))
            return
        flags = frame.flags
        data_time = None
        if flags is not None and flags.split and "DataTime" not in frame.cp:
            known = self._split_times.get(_message(frame))
            if known is None:
                self._parts.append(_Part(frame, entry, time.monotonic()))
                if len(self._parts) > 100:
                    self._drop_parts(self._parts[0].since + SPLIT_SECONDS)
                return
            data_time = known[0]
        self._commit(frame, entry, data_time)
        if flags is not None and flags.split and "DataTime" in frame.cp:
            self._split_times[_message(frame)] = (frame.cp["DataTime"], time.monotonic())
            waiting, self._parts = self._parts, []
            for part in waiting:
                if _message(part.frame) == _message(frame):
                    self._commit(part.frame, part.entry, frame.cp["DataTime"])
                else:
                    self._parts.append(part)

    def _commit(self, frame: Frame, entry: Entry, data_time: str | None) -> None:
        rows = readings_of(frame, entry, self.intake.now_ms(), data_time)
        if isinstance(rows, Refusal):
            self._refuse(rows, _scope(entry))
            return
        if len(rows) == 0:
            self._answer_now(frame, _DATA_ACK)
            return
        try:
            done = self.intake.committer.add_rows(rows)
        except Unavailable:
            return  # unanswered: the station sends it again
        flags = frame.flags
        self._unanswered += 1
        reply = answer(frame, _DATA_ACK) if flags is not None and flags.ack_required else b""
        waiting = self._answers.get(done)
        if waiting is None:
            self._answers[done] = [reply]
            done.add_done_callback(self._committed)
        else:
            waiting.append(reply)

    def _committed(self, done: asyncio.Future[None]) -> None:
        answers = self._answers.pop(done)
        self._unanswered -= len(answers)
        if done.exception() is None:
            self._send(b"".join(answers))
        self._pace()
        if self._transport is not None and not self.gateway.serving and not self._answers:
            self._transport.close()

    def _answer_now(self, frame: Frame, command: str, content: str = "") -> None:
        flags = frame.flags
        if flags is not None and flags.ack_required:
            self._send(answer(frame, command, content))

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _refuse(self, refusal: Refusal, scope: Scope, *, counts: bool = True) -> None:
        match = _MN.search(refusal.raw)
        hint = match.group(1).decode("latin-1") if match else ""
        self.intake.desk.hold(
            Source.HJ212, self.peer, hint, refusal.code, refusal.params, refusal.raw, Form.FRAME, scope
        )
        if not counts:
            return
        now = time.monotonic()
        if len(self._refused) == MAX_REFUSED_A_MINUTE and now - self._refused[0] < 60:
            log.warning("HJ 212: %s sends little but nonsense and is disconnected", self.peer)
            self._close()
        self._refused.append(now)

    def _drop_parts(self, now: float) -> None:
        while self._parts and now - self._parts[0].since >= SPLIT_SECONDS:
            part = self._parts.pop(0)
            self._refuse(Refusal("split_incomplete", part.frame.raw, {"field": "DataTime"}), _scope(part.entry))
        for key, (_, since) in list(self._split_times.items()):
            if now - since > SPLIT_SECONDS:
                del self._split_times[key]


def _message(frame: Frame) -> tuple[str, str, str]:
    """What the parts of one split message have in common."""
    return frame.mn, frame.cn, frame.header.get("QN", "")


def _scope(entry: Entry) -> Scope:
    return Scope(entry.division_code, entry.unit_id)
