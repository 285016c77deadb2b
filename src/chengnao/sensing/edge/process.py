"""The edge gateway's one process: devices on one side, two lines on the other, its own disk in between."""

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn

from chengnao.kernel.clock import SystemClock
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.serving import Server
from chengnao.sensing.edge.buffer import BufferDesk, DiskBuffer
from chengnao.sensing.edge.configuration import EdgeInvalid, EdgeSettings, load_edge_settings
from chengnao.sensing.edge.contact import Contact, News
from chengnao.sensing.edge.forwarding import Forwarder
from chengnao.sensing.edge.model import Change
from chengnao.sensing.edge.segments import SegmentLog
from chengnao.sensing.edge.snapshot import EdgeTokens, SnapshotFeed
from chengnao.sensing.edge.uplinks import Uplinks
from chengnao.sensing.edge.wanted import RESTART, RestartError, TuningKeeper, Updater
from chengnao.sensing.gateways.batching import Committer
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.limits import DeviceLimiter
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.registry import RegistryCache
from chengnao.sensing.protocols.wires import wire

log = logging.getLogger(__name__)


def main(home: Path) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises EdgeInvalid where the settings cannot be used."""
    settings = load_edge_settings(home)
    lock = _lock(home)
    try:
        return asyncio.run(_until_told(home, settings))
    finally:
        os.close(lock)


def _lock(home: Path) -> int:
    """Two processes on one log would spoil it."""
    home.mkdir(parents=True, exist_ok=True)
    lock = os.open(home / ".edge.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise EdgeInvalid("edge_busy", field="home", value=str(home)) from None
    return lock


async def _until_told(home: Path, settings: EdgeSettings) -> int:
    task = asyncio.ensure_future(run(home, settings))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    with suppress(asyncio.CancelledError):
        try:
            await task
        except RestartError:
            return RESTART
    return 0


async def run(home: Path, settings: EdgeSettings) -> None:
    """Serve until cancelled, then finish what was taken in. Raises RestartError after an update."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        beat = await stack.enter_async_context(Heartbeat(home, "edge"))
        segments = await asyncio.to_thread(
            SegmentLog,
            home / "log",
            settings.buffer.megabytes * 2**20,
            drop_oldest=settings.buffer.when_full == "drop_oldest",
        )
        stack.callback(segments.close)
        uplinks = Uplinks(settings, clock)
        stack.push_async_callback(uplinks.close)
        news = News()
        news.tell(Change.STARTED, {"version": version("chengnao")})

        def tune(tuned: EdgeSettings) -> None:
            segments.limit = tuned.buffer.megabytes * 2**20
            segments.drop_oldest = tuned.buffer.when_full == "drop_oldest"
            uplinks.switching = tuned.switching

        tuning = TuningKeeper(settings, home / "tuning.json", tune, news.tell)
        updater = Updater(settings.update_command, version("chengnao"), home / "update.json", news.tell)
        cache = RegistryCache()
        feed = SnapshotFeed(cache, uplinks, home / "registry.json")
        buffer = DiskBuffer(segments)
        writing = asyncio.create_task(buffer.run())
        stack.push_async_callback(_ended, writing)
        desk = BufferDesk(buffer, clock)
        stack.push_async_callback(_last_flush, desk)
        committer = Committer(buffer.publish_readings)
        stack.push_async_callback(committer.close)
        intake = Intake(cache, feed, DeviceLimiter(), committer, desk, clock)
        lines = [LineGateway(wire(name), intake) for name in settings.listen.ports]
        forwarder = Forwarder(buffer, uplinks)
        contact = Contact(version("chengnao"), intake, buffer, uplinks, forwarder, feed, news, tuning, updater, lines)
        intake.receipts = contact.hear
        uplinks.changed = contact.line_changed
        for line in lines:
            await line.start(settings.listen.host, settings.listen.ports[line.wire.name])
            stack.push_async_callback(line.close)
        duties = [uplinks.run(), forwarder.run(), contact.run(), desk.run(), *(line.run() for line in lines)]
        server = _server(settings, intake, EdgeTokens(uplinks, home / "tokens.json"))
        await _serve(beat, server, contact, [*duties, *([server.serve()] if server else [])])


def _server(settings: EdgeSettings, intake: Intake, tokens: EdgeTokens) -> Server | None:
    if settings.listen.http is None:
        return None
    return Server(
        uvicorn.Config(
            HttpGateway(intake, tokens).app,
            host=settings.listen.host,
            port=settings.listen.http,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
    )


async def _serve(
    beat: Heartbeat, server: Server | None, contact: Contact, duties: list[Coroutine[Any, Any, None]]
) -> None:
    tasks = [asyncio.ensure_future(duty) for duty in duties]
    try:
        while True:
            beat.ready = server is None or server.started
            status = contact.status()
            beat.lag = status["buffer"]["readings"]
            beat.detail = f"line {status['line'] or '-'}" + (f", refused: {contact.refused}" if contact.refused else "")
            done, _ = await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task  # a duty ends only by an error, and then the process must not pretend to work
                return
    finally:
        beat.ready = False
        if server is not None:
            server.should_exit = True
            with suppress(asyncio.CancelledError, SystemExit):
                await tasks[-1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _last_flush(desk: BufferDesk) -> None:
    try:
        await desk.flush()
    except Unavailable as error:
        log.warning("the last refused pieces are lost: %s", error)
