"""Connections of field devices: a socket, a framer and a dialogue each.

One class serves every protocol over TCP and UDP. What a device sends is answered once its readings are on the log's
disk; what cannot be taken in is held in the quarantine, and neither a flood nor nonsense costs others anything.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.shape import (
    Act,
    Command,
    Frame,
    Hangup,
    Now,
    Picture,
    Receipt,
    Refusal,
    Refused,
    Reply,
    Report,
    Wire,
)
from chengnao.sensing.quarantine.model import Form

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
QUIET_SECONDS = 2.0
MAX_CONNECTIONS = 5_000
MAX_UNANSWERED = 4_000
MAX_REFUSED_A_MINUTE = 300
DATAGRAM_ROOM = 4 * 1024 * 1024
"""Bytes of datagrams that wait to be read; the system may grant less (`net.core.rmem_max`)."""
_MAX_UNKNOWN = 10_000


class LineGateway:
    """Listens for the devices of one protocol."""

    def __init__(
        self, wire: Wire[Any], intake: Intake, max_connections: int = MAX_CONNECTIONS, idle: float = IDLE_SECONDS
    ) -> None:
        assert wire.dialogue is not None
        self.wire = wire
        self.intake = intake
        self.max_connections = max_connections
        self.idle = idle
        self.links: set[Link] = set()
        self.of_device: dict[str, Link] = {}
        """The connection that a device last spoke on, by the device's id."""
        self.frames = 0
        self.unknown: dict[str, float] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.serving = False
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self, host: str, port: int, *, shared: bool = False) -> None:
        """Listen; `shared`: other processes listen on the same port, and the system deals the connections out."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Link(self), host, port, backlog=1024, reuse_port=shared or None)
        if self.wire.datagram:
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), (host, self.address[1]), reuse_port=shared or None
            )
            # The system's own room holds about a hundred messages, and thousands of devices may speak at once.
            self._datagrams.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_ROOM)
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
        if self._datagrams is not None:
            self._datagrams.close()

    def command(self, device_id: str, command: Command) -> bool:
        """Give the command to the device; False where it is not connected here.

        Raises Invalid where its protocol has no such command.
        """
        entry = self.intake.cache.devices.get(device_id)
        if entry is None:
            return False
        link = self.of_device.get(device_id) or self.of_device.get(str(entry.settings.get("via")))
        if link is None:
            return False
        return link.order(command, entry)


class Link(asyncio.Protocol):
    """One connection, or over UDP all datagrams of one sender."""

    def __init__(self, gateway: LineGateway) -> None:
        assert gateway.wire.dialogue is not None
        self.gateway = gateway
        self.intake = gateway.intake
        self.peer = ""
        self._transport: asyncio.Transport | _Sender | None = None
        self._framer = gateway.wire.framer()
        self._dialogue = gateway.wire.dialogue()
        self._heard = time.monotonic()
        self._answers: dict[asyncio.Future[None], list[bytes]] = {}
        self._unanswered = 0
        self._blocked = False
        self._ending = False
        self._refused: deque[float] = deque(maxlen=MAX_REFUSED_A_MINUTE)
        self._told_limit = 0.0
        self._speaker: Entry | None = None
        self._devices: set[str] = set()
        """That took this connection for theirs at some time."""
        self._lost: set[str] = set()
        """Devices that spoke here before they spoke on another connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport | _Sender)
        self._transport = transport
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if name else ""
        if len(self.gateway.links) >= self.gateway.max_connections:
            log.warning("%s: too many connections, %s is turned away", self.gateway.wire.name, self.peer)
            transport.abort()
            return
        self.gateway.links.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.gateway.links.discard(self)
        for piece in self._framer.close():
            self._take(piece)
        self._do(self._dialogue.close(), self._speaker)
        for device_id in self._devices:
            if self.gateway.of_device.get(device_id) is self:
                del self.gateway.of_device[device_id]
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

    def datagram(self, data: bytes) -> None:
        """A datagram holds whole frames; one that is cut is refused, and spoils none after it."""
        self._heard = time.monotonic()
        framer = self.gateway.wire.framer()
        for piece in [*framer.feed(data), *framer.close()]:
            self._take(piece)

    def look_after(self, now: float) -> None:
        quiet = now - self._heard
        if quiet > QUIET_SECONDS and self._framer.pending:
            for piece in self._framer.hurry():
                self._take(piece)
        self._do(self._dialogue.tick(self._now()), self._speaker)
        if quiet > self.gateway.idle:
            self._close()

    def finish(self) -> None:
        """Read no more; close once what was taken is answered."""
        self._ending = True
        if self._transport is not None:
            self._transport.pause_reading()
            if not self._answers:
                self._transport.close()

    def order(self, command: Command, entry: Entry) -> bool:
        """Send the command; False where the connection is going."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._send(self._dialogue.command(command, entry, self._now()))
        return True

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _now(self) -> Now:
        return Now(self.intake.clock.now(), time.monotonic(), self.peer)

    def _take(self, piece: Frame | Refusal) -> None:
        if isinstance(piece, Refusal):
            self._refuse(piece, self._speaker)
            return
        self.gateway.frames += 1
        address = self._dialogue.address(piece)
        entry = self.intake.cache.of_address(self.gateway.wire.name, address)
        if entry is not None:
            self._serve(piece, entry)
        elif self.gateway.unknown.get(address, -60.0) > time.monotonic() - 1.0:
            self._refuse_unknown(piece, address)
        else:
            task = asyncio.create_task(self._serve_new(piece, address))
            self.gateway.tasks.add(task)
            task.add_done_callback(self.gateway.tasks.discard)

    async def _serve_new(self, frame: Frame, address: str) -> None:
        """The device may have been registered a moment ago."""
        try:
            await self.intake.feed.refresh()
        except Unavailable:
            return  # unanswered: the station sends it again
        entry = self.intake.cache.of_address(self.gateway.wire.name, address)
        if entry is not None:
            self._serve(frame, entry)
            return
        if len(self.gateway.unknown) > _MAX_UNKNOWN:
            self.gateway.unknown.clear()
        self.gateway.unknown[address] = time.monotonic()
        self._refuse_unknown(frame, address)

    def _refuse_unknown(self, frame: Frame, address: str) -> None:
        refusal = Refusal("unknown_device", frame.raw, {"field": "address", "value": address})
        self._refuse(refusal, None, hint=address)
        self._send(self._dialogue.unknown(frame, self._now()))

    def _serve(self, frame: Frame, entry: Entry) -> None:
        self._speaker = entry
        other = self.gateway.of_device.get(entry.id)
        if other is not self:
            if entry.id in self._lost:
                # It spoke here, then there, and here again: two are alive that call themselves the same.
                params = {
                    "field": "address",
                    "value": entry.address,
                    "peer": self.peer,
                    "other": other.peer if other else "",
                }
                self._refuse(Refusal("address_claimed_twice", frame.raw, params), entry, counts=False)
            if other is not None:
                other._lost.add(entry.id)
            self._take_over(entry)
        self._do(self._dialogue.hear(frame, entry, self._now()), entry)

    def _take_over(self, entry: Entry) -> None:
        """Commands to the device go this way from now on."""
        self.gateway.of_device[entry.id] = self
        self._devices.add(entry.id)

    def _do(self, acts: list[Act], speaker: Entry | None) -> None:
        """Do what one frame led to. Its readings go onto the log together, so that an answer stands for all of them."""
        rows, replies = Rows(), []
        for act in acts:
            match act:
                case Report():
                    replies.append(self._measure(act, speaker, rows))
                case Reply():
                    self._send(act.data)
                case Refused():
                    self._refuse(act.refusal, speaker)
                    self._send(act.reply)
                case Receipt():
                    answering = self._at(act.device, speaker)
                    if answering is not None:
                        self.intake.receipts(answering.id, act)
                case Picture():
                    if speaker is not None:
                        self.intake.pictures(speaker.id, act)
                case Hangup():
                    self.finish()
        if len(rows):
            self._commit(rows, b"".join(replies))
        else:
            self._send(b"".join(replies))

    def _at(self, address: str | None, speaker: Entry | None) -> Entry | None:
        """The device with the address; the speaker where none is named."""
        return speaker if address is None else self.intake.cache.of_address(self.gateway.wire.name, address)

    def _measure(self, report: Report, speaker: Entry | None, rows: Rows) -> bytes:
        """Add the readings of the report to `rows`; what is to be answered once they are on the log's disk."""
        entry = self._at(report.device, speaker)
        if entry is None:
            address = report.device or ""
            refusal = Refusal("unknown_device", report.raw, {"field": "address", "value": address})
            self._refuse(refusal, None, hint=address)
            return b""
        if entry is not speaker:
            self._take_over(entry)
        if not self.intake.limiter.take(entry.index, max(1, len(report.values))):
            params = {"field": "address", "value": entry.address, "limit": int(self.intake.limiter.rate)}
            self._refuse(Refusal("rate_limited", report.raw, params | {"retry_after": 1}), entry, counts=False)
            if time.monotonic() - self._told_limit < 1.0:
                return b""
            self._told_limit = time.monotonic()
            return report.busy
        found = rows_of(report, entry, self.intake.now_ms())
        if isinstance(found, Refusal):
            self._refuse(found, entry)
            return report.wrong
        rows.extend(found)
        return report.reply

    def _commit(self, rows: Rows, reply: bytes) -> None:
        try:
            done = self.intake.committer.add_rows(rows)
        except Unavailable:
            return  # unanswered: the station sends it again
        self._unanswered += 1
        waiting = self._answers.get(done)
        if waiting is None:
            self._answers[done] = [reply]
            done.add_done_callback(self._committed)
        else:
            waiting.append(reply)

    def _committed(self, done: asyncio.Future[None]) -> None:
        answers = self._answers.pop(done)
        self._unanswered -= len(answers)
        if done.exception() is None and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(answers)
        self._pace()
        if self._transport is not None and self._ending and not self._answers:
            self._transport.close()

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _refuse(self, refusal: Refusal, entry: Entry | None, *, hint: str = "", counts: bool = True) -> None:
        scope = Scope() if entry is None else Scope(entry.division_code, entry.unit_id)
        name = hint or (self.gateway.wire.hint(refusal.raw) if entry is None else entry.address)
        source = Protocol(self.gateway.wire.name)
        self.intake.desk.hold(source, self.peer, name, refusal.code, refusal.params, refusal.raw, Form.FRAME, scope)
        if not counts:
            return
        now = time.monotonic()
        if len(self._refused) == MAX_REFUSED_A_MINUTE and now - self._refused[0] < 60:
            log.warning("%s: %s sends little but nonsense and is disconnected", source, self.peer)
            self._close()
        self._refused.append(now)


class _Sender:
    """The other end of a link over UDP, as far as a link needs it of a transport."""

    def __init__(self, owner: "_Datagrams", peer: tuple[str, int]) -> None:
        self._owner = owner
        self._peer = peer

    def get_extra_info(self, name: str) -> tuple[str, int] | None:
        return self._peer if name == "peername" else None

    def write(self, data: bytes) -> None:
        self._owner.send(data, self._peer)

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if line:
                self.write(line)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """A sender of datagrams cannot be held back; what is too much is dropped, and it sends again."""

    def resume_reading(self) -> None:
        """Nothing was paused."""

    def close(self) -> None:
        self._owner.forget(self._peer)

    abort = close


class _Datagrams(asyncio.DatagramProtocol):
    """One socket, and a link for each sender."""

    def __init__(self, gateway: LineGateway) -> None:
        self._gateway = gateway
        self._links: dict[tuple[str, int], Link] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own transport of datagrams is no subclass of its abstract one.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        link = self._links.get(peer)
        if link is None:
            if len(self._gateway.links) >= self._gateway.max_connections:
                return
            link = self._links[peer] = Link(self._gateway)
            link.connection_made(_Sender(self, peer))  # type: ignore[arg-type]
        link.datagram(data)

    def send(self, data: bytes, peer: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(data, peer)

    def forget(self, peer: tuple[str, int]) -> None:
        link = self._links.pop(peer, None)
        if link is not None:
            link.connection_lost(None)
