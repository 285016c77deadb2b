"""A centre, an edge and two lines between them that can be cut, each as it runs in the field."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from chengnao.kernel.access.model import SYSTEM
from chengnao.kernel.database import Database
from chengnao.kernel.health import read_health
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.edge.model import Edge
from chengnao.sensing.edge.service import register_edge
from tests.support.ports import free_block


class Proxy:
    """One line: a TCP port that leads to another, as well as the line is at the moment.

    `cut`: connections end, new ones are refused. `dead`: nothing is heard any more, as behind a broken radio link.
    `deaf`: what is sent arrives, and the answers are lost.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.mode = "whole"
        self.carried = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    def set(self, mode: str) -> None:
        self.mode = mode
        if mode == "cut":
            for writer in list(self._open):
                writer.transport.abort()

    async def close(self) -> None:
        self.set("cut")
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            there, to = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(to)
        for pair in ((reader, to, False), (there, writer, True)):
            task = asyncio.create_task(self._carry(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                # What comes while a line is dead is gone for good: TCP may send it again, this proxy does not, so the
                # connection is spoilt, as it is when a radio link stays away for long.
                if self.mode == "dead" or (answers and self.mode == "deaf"):
                    await asyncio.sleep(3600)
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open.discard(writer)


class Program:
    """A process of its own, with its log in a file."""

    def __init__(self, name: str, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self._environment = environment
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, prefix: tuple[str, ...] = ()) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *prefix, sys.executable, *self._arguments, env=os.environ | self._environment, stdout=log, stderr=log
            )

    async def ended(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.ended()

    def peak(self) -> int:
        """The most memory it has used so far, in MiB."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")[-4000:]


class Centre(Program):
    """The platform's gateway process over the engines of the tests."""

    def __init__(self, folder: Path, settings: Settings, database_url: str, host: str = "127.0.0.1") -> None:
        secrets = load_secrets(settings.home)
        nats = f"nats://{secrets.nats_user}:{secrets.nats_password}@127.0.0.1:{settings.port('nats')}"
        self.base = free_block()
        self.home = folder / "centre"
        environment = {
            "CHENGNAO_HOME": str(self.home),
            "CHENGNAO_BASE_PORT": str(self.base),
            "CHENGNAO_DATABASE_URL": database_url,
            "CHENGNAO_NATS_URLS": f'["{nats}"]',
            "CHENGNAO_HOST": host,
        }
        super().__init__("centre", folder, ["-m", "chengnao.app.process", "gateway"], environment)
        self.address = ("127.0.0.1", self.base + 10)

    async def start(self, prefix: tuple[str, ...] = ()) -> None:
        await super().start(prefix)
        await until(self._ready, 40, self.text)

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.text()
        health = read_health(self.home, "gateway")
        return health is not None and health.ready and health.at > time.time() - 3 and await answers(self.address)


class EdgeProgram(Program):
    """An edge gateway beside simulated devices."""

    def __init__(self, folder: Path, token: str, primary: str, standby: str | None, **changes: Any) -> None:
        self.home = folder / "edge"
        self.home.mkdir()
        self.http = free_block()
        self.hj212 = self.http + 1
        self.settings = {"token": token, "primary": primary, "standby": standby} | changes
        self.write()
        super().__init__("edge-program", folder, ["-m", "chengnao.sensing.edge", str(self.home)], {})
        self.url = f"http://{self.settings.get('address', '127.0.0.1')}:{self.http}"

    def write(self, **changes: Any) -> None:
        given = self.settings | changes
        lines = [f'token = "{given["token"]}"']
        lines += [f"update_command = {given['update_command']!r}"] if "update_command" in given else []
        lines += ["[primary]", f'url = "{given["primary"]}"']
        lines += [f'interface = "{given["interface"]}"'] if "interface" in given else []
        if given["standby"]:
            lines += ["[standby]", f'url = "{given["standby"]}"', "batch_kilobytes = 64"]
        lines += [
            "[listen]",
            f'host = "{given.get("host", "127.0.0.1")}"',
            f"http = {self.http}",
            "[listen.ports]",
            f"hj212 = {self.hj212}",
        ]
        lines += ["[buffer]", f"megabytes = {given.get('megabytes', 256)}"]
        lines += [f'when_full = "{given.get("when_full", "wait")}"', "[switching]"]
        lines += ["probe_seconds = 0.2", "probe_timeout = 0.5", "failures = 2"]
        lines += [f"return_seconds = {given.get('return_seconds', 1.0)}"]
        (self.home / "edge.toml").write_text("\n".join(lines) + "\n")

    async def start(self, prefix: tuple[str, ...] = ()) -> None:
        await super().start(prefix)
        await until(self._ready, 30, self.text)

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.text()
        health = read_health(self.home, "edge")
        return health is not None and health.ready and health.at > time.time() - 3

    def health(self) -> tuple[int, str]:
        """Readings that wait, and the line in use."""
        health = read_health(self.home, "edge")
        assert health is not None
        return health.lag or 0, health.detail


@dataclass
class Load:
    """Devices that send one reading after another and count only what was acknowledged."""

    url: str
    token: str
    devices: tuple[str, ...]
    rows: int = 20
    pause: float = 0.02
    resend: bool = True
    acknowledged: set[tuple[str, datetime]] = field(default_factory=set)
    sent: int = 0
    slowest: float = 0.0
    _task: asyncio.Task[None] | None = None
    _number: int = 0
    _stopping: bool = False
    _began: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=50))

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def until(self, readings: int, seconds: float = 60.0) -> None:
        """Wait until so many are acknowledged."""

        async def enough() -> bool:
            assert self._task is not None
            if self._task.done():
                await self._task
            return len(self.acknowledged) >= readings

        await until(enough, seconds, lambda: f"{len(self.acknowledged)} acknowledged")

    async def stop(self) -> None:
        """Send no more, and hear the answer to what was sent."""
        assert self._task is not None
        self._stopping = True
        await asyncio.wait_for(self._task, 20)

    async def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10, trust_env=False) as client:
            while not self._stopping:
                batch = self._batch()
                while not await self._post(client, batch) and self.resend and not self._stopping:
                    await asyncio.sleep(0.2)
                await asyncio.sleep(self.pause)

    def _batch(self) -> list[dict[str, Any]]:
        rows = []
        for _ in range(self.rows):
            self._number += 1
            device = self.devices[self._number % len(self.devices)]
            at = self._began + timedelta(milliseconds=self._number)
            value = random.random() * 100
            rows.append({"device": device, "metric": "pressure", "time": at.isoformat(), "value": value})
        return rows

    async def _post(self, client: httpx.AsyncClient, batch: list[dict[str, Any]]) -> bool:
        self.sent += len(batch)
        began = time.monotonic()
        try:
            answer = await client.post("/readings", json=batch)
        except httpx.HTTPError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.status_code == 200, answer.text
        assert answer.json()["rejected"] == [], answer.text
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.acknowledged |= {(row["device"], datetime.fromisoformat(row["time"])) for row in batch}
        return True


async def registered(database: Database, division: str = "500103") -> tuple[Edge, str]:
    """An edge of the division and its token."""
    async with database.unit_of_work() as uow:
        edge, secret = await register_edge(
            uow,
            SYSTEM,
            name="泵房边缘网关",
            place="渝中区泵房",
            lon=None,
            lat=None,
            division_code=division,
            unit_id=None,
        )
        await uow.commit()
    return edge, secret


async def answers(address: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float = 20.0, why: Callable[[], object] = lambda: ""
) -> float:
    """Wait for the condition; how long it took."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {why()}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began
