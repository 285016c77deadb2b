"""Many simulated devices at work: a connection each, one pace for all of them."""

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from chengnao.kernel.clock import Clock, SystemClock
from chengnao.sensing.simulators.shape import Device, Simulation

CONNECTING_AT_ONCE = 200
RECONNECT_SECONDS = 1.0
FINISH_SECONDS = 5.0
"""So long the last reports may wait for their acknowledgement."""
LOST_SECONDS = 2.0
"""With no rate: after so long without any acknowledgement those under way are taken for lost."""
_STEP_SECONDS = 0.01
_MAX_QUEUED = 262_144


@dataclass(frozen=True)
class Load:
    """What is to be simulated. Devices are numbered from `first`."""

    simulation: Simulation
    host: str
    port: int
    """Of a simulation that listens: the port of the first device; each has its own."""
    count: int = 1
    first: int = 0
    rate: float | None = 1.0
    """Reports a second of all devices together; None: each sends on as it is acknowledged."""
    window: int = 1
    """With no rate: reports that a device has under way."""
    seconds: float = 10.0


@dataclass
class Tally:
    """How far it has come."""

    connected: int = 0
    sent: int = 0
    acknowledged: int = 0
    errors: int = 0
    """Connections that failed or were closed by the other side."""
    last_error: str = ""
    seconds: float = 0.0


async def simulate(
    load: Load,
    show: Callable[[Tally], None] = lambda _: None,
    moments: Callable[[], datetime] | None = None,
    clock: Clock | None = None,
) -> Tally:
    """Play the devices for the time given and return the final count; `show` is called twice a second.

    `moments` gives the time that each report carries, where that is not the present. Cancelled, it closes what it
    opened.
    """
    _allow_files(load.count)
    run = _Run(load, clock or SystemClock(), moments)
    shower = asyncio.create_task(run.show(show))
    try:
        await run.connect()
        await run.report()
        await run.finish()
    finally:
        shower.cancel()
        await run.close()
    show(run.count())
    return run.tally


class _Run:
    def __init__(self, load: Load, clock: Clock, moments: Callable[[], datetime] | None) -> None:
        self.load = load
        self.clock = clock
        self.moments = moments or clock.now
        self.tally = Tally()
        self.lines = [_Line(self, number) for number in range(load.first, load.first + load.count)]
        self._began = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        """Return when each device has tried once; those that failed, or are cut off, go on trying."""
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._tasks = [asyncio.create_task(line.run(gate)) for line in self.lines]
        await asyncio.gather(*(line.tried.wait() for line in self.lines))

    async def report(self) -> None:
        self._began = time.monotonic()
        end = self._began + self.load.seconds
        turn = 0
        while (now := time.monotonic()) < end:
            if self.load.rate is None:
                for line in self.lines:
                    line.look()
                for _ in range(self.load.window):  # one each, so that none is far ahead of the others
                    for line in self.lines:
                        if line.under_way < self.load.window:
                            line.send()
            else:
                due = int((now - self._began) * self.load.rate) + 1 - self.tally.sent
                looked = 0
                while due > 0 and looked < len(self.lines):
                    line = self.lines[turn % len(self.lines)]
                    turn += 1
                    if line.send():
                        due -= 1
                        looked = 0
                    else:
                        looked += 1
            await asyncio.sleep(_STEP_SECONDS)

    async def finish(self) -> None:
        until = time.monotonic() + FINISH_SECONDS
        while time.monotonic() < until and self.count().acknowledged < self.tally.sent:
            await asyncio.sleep(_STEP_SECONDS)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def show(self, shown: Callable[[Tally], None]) -> None:
        while True:
            await asyncio.sleep(0.5)
            shown(self.count())

    def count(self) -> Tally:
        self.tally.connected = sum(line.open for line in self.lines)
        self.tally.acknowledged = sum(line.device.acknowledged for line in self.lines)
        self.tally.seconds = time.monotonic() - self._began
        return self.tally

    def wrong(self, error: object) -> None:
        self.tally.errors += 1
        self.tally.last_error = str(error)


class _Line(asyncio.Protocol, asyncio.DatagramProtocol):
    """One device and its connection, of whatever kind."""

    def __init__(self, run: _Run, number: int) -> None:
        self.device: Device = run.load.simulation.make(number)
        self.tried = asyncio.Event()
        self._run = run
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._sent = 0
        self._answered = 0
        self._progress = time.monotonic()
        self._closing = False

    @property
    def open(self) -> bool:
        return self._transport is not None

    async def run(self, gate: asyncio.Semaphore) -> None:
        """Keep the device connected until cancelled."""
        loop = asyncio.get_running_loop()
        load = self._run.load
        if load.simulation.transport == "listen":
            await self._listen(loop, load.host, load.port + self._number - load.first)
            return
        try:
            while True:
                self._lost.clear()
                try:
                    async with gate, asyncio.timeout(10):
                        if load.simulation.transport == "udp":
                            await loop.create_datagram_endpoint(lambda: self, remote_addr=(load.host, load.port))
                        else:
                            await loop.create_connection(lambda: self, load.host, load.port)
                except (OSError, TimeoutError) as error:
                    self._run.wrong(error)
                else:
                    self.tried.set()
                    await self._lost.wait()
                self.tried.set()
                await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self._close()

    async def _listen(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> None:
        try:
            server = await loop.create_server(lambda: self, host, port)
        except OSError as error:
            self._run.wrong(error)
            return
        finally:
            self.tried.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            self._close()

    def send(self) -> bool:
        """One report; False where the device cannot report now."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self.device.ready:
            return False
        if transport.get_write_buffer_size() > _MAX_QUEUED:
            return False
        data = self.device.report(self._run.moments())
        if not data:
            return False
        self._write(data)
        self._sent += 1
        self._run.tally.sent += 1
        return True

    @property
    def under_way(self) -> int:
        return self._sent - self._answered

    def look(self) -> None:
        """Take note of what was acknowledged, and of what never will be."""
        if self.device.acknowledged != self._answered:
            self._answered, self._progress = self.device.acknowledged, time.monotonic()
        elif time.monotonic() - self._progress > LOST_SECONDS:
            self._sent, self._progress = self._answered, time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # asyncio's own one of datagrams is one too
        self._transport = transport
        self._write(self.device.hello(self._run.clock.now()))

    def data_received(self, data: bytes) -> None:
        self._write(self.device.hear(data, self._run.clock.now()))

    def datagram_received(self, data: bytes, peer: object) -> None:
        self.data_received(data)

    def error_received(self, error: Exception) -> None:
        self._run.wrong(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._sent = self.device.acknowledged  # what was under way is not answered any more
        self._lost.set()
        if not self._closing and self._run.load.simulation.transport != "listen":
            self._run.wrong(error or "closed by the other side")

    def _write(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        if self._run.load.simulation.transport == "udp":
            cast(asyncio.DatagramTransport, self._transport).sendto(data)
        else:
            self._transport.write(data)

    def _close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()


def _allow_files(count: int) -> None:
    """Each connection is a file to the system, and a shell's own limit is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
