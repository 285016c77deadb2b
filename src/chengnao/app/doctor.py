"""Finds what keeps the platform from running, and says what to do about it."""

import errno
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import psutil
import psycopg

from chengnao.app.control import current_status, running_pid
from chengnao.app.engines import nats, postgres
from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.clock import CST
from chengnao.kernel.database import plain_url
from chengnao.kernel.engines import LONGEST_SOCKET_PATH, POSTGRES_SOCKET, database_url, postgres_socket_folder
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.messages import Language, message
from chengnao.kernel.settings import Port, Settings
from chengnao.kernel.status import read_status

OLDEST_PYTHON = (3, 11)
DISK_ERROR, DISK_WARNING = 1 * 2**30, 5 * 2**30
MEMORY_WARNING = 2 * 2**30
CLOCK_SECONDS = 5.0
CALENDAR_DAYS = 45
"""The holidays of a year are announced in November of the one before."""
_BUILT = 1_790_000_000.0  # the platform is younger than this moment (2026-09), so a clock before it is wrong


@dataclass(frozen=True)
class Finding:
    """One result of a check; its text stands in the messages under `doctor_<code>`."""

    check: str
    level: Literal["ok", "warning", "error"]
    code: str
    params: dict[str, Any] = field(default_factory=dict)

    def text(self, language: Language) -> str:
        return message(f"doctor_{self.code}", language, **self.params)


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, check by check; a check that finds nothing wrong says so."""
    for name, check in CHECKS.items():
        yield from _findings(name, check, settings)


def preflight(settings: Settings) -> list[Finding]:
    """The errors that a start would run into."""
    wanted = ("python", "folder", "disk", "programs", "ports", "clock")
    found = [each for name in wanted for each in _findings(name, CHECKS[name], settings)]
    return [each for each in found if each.level == "error"]


def _findings(name: str, check: "Callable[[Settings], Iterator[Finding]]", settings: Settings) -> list[Finding]:
    return list(check(settings)) or [Finding(name, "ok", f"{name}_ok")]


def _python(_: Settings) -> Iterator[Finding]:
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("python", "error", "python_old", {"version": sys.version.split()[0], "program": sys.executable})


def _folder(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:  # a full disk is the next check's
            yield Finding("folder", "error", "folder_unwritable", {"home": home, "reason": error.strerror})


def _disk(settings: Settings) -> Iterator[Finding]:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    params = {"home": settings.home, "free": f"{free / 2**30:.1f}"}
    if free < DISK_ERROR:
        yield Finding("disk", "error", "disk_full", params)
    elif free < DISK_WARNING:
        yield Finding("disk", "warning", "disk_low", params)


def _memory(settings: Settings) -> Iterator[Finding]:
    if current_status(settings.home) is not None:
        return
    free = psutil.virtual_memory().available
    if free < MEMORY_WARNING:
        yield Finding("memory", "warning", "memory_low", {"free": f"{free / 2**30:.1f}"})


def _programs(settings: Settings) -> Iterator[Finding]:
    """Each program is really run: a file of another architecture exists but does not start."""
    wanted: list[tuple[str, str, Callable[[], Path]]] = []
    if settings.database_url is None:
        wanted.append(("PostgreSQL", postgres.WHEEL, postgres.server))
    if not settings.nats_urls:
        wanted.append(("NATS", nats.WHEEL, nats.server))
    for engine, wheel, find in wanted:
        try:
            program = find()
            done = postgres.Owner(None, None).run([str(program), "--version"])
        except ChengnaoError:
            yield Finding("programs", "error", "program_missing", {"engine": engine, "wheel": wheel})
        except OSError as error:
            params = {"engine": engine, "wheel": wheel, "reason": error.strerror}
            yield Finding("programs", "error", "program_broken", params)
        else:
            if done.returncode != 0:
                params = {"engine": engine, "wheel": wheel, "reason": done.stderr.strip()[:200]}
                yield Finding("programs", "error", "program_broken", params)


def _ports(settings: Settings) -> Iterator[Finding]:
    own = {each.pid for each in _family(settings)}
    used = {"store": settings.clickhouse_url is None, "mqtt": not settings.nats_urls}
    used |= {"nats": not settings.nats_urls, "nats_monitor": not settings.nats_urls}
    for name in get_args(Port):
        if not used.get(name, True):
            continue
        port = settings.port(name)
        if _free("127.0.0.1" if name.startswith("nats") or name == "store" else settings.host, port):
            continue
        holder = _holder(port)
        if holder is not None and holder.pid in own:
            continue
        params = {"port": port, "name": name, "holder": _describe(holder), "base": settings.base_port}
        yield Finding("ports", "error", "port_taken", params)


def _instance(settings: Settings) -> Iterator[Finding]:
    pid = running_pid(settings.home)
    if pid is None:
        return
    status = read_status(settings.home)
    params = {"home": settings.home, "pid": pid}
    if status is None or status.pid != pid or not status.fresh():
        yield Finding("instance", "error", "supervisor_silent", params)
    with suppress(psutil.Error):
        supervisor = psutil.Process(pid)
        program = Path(supervisor.cwd(), supervisor.cmdline()[0])
        # Two environments may share one interpreter, and one environment names it twice: their folders tell them apart.
        if program.parent != Path(sys.executable).parent:
            yield Finding("instance", "error", "second_instance", params | {"program": program, "own": sys.executable})


def _processes(settings: Settings) -> Iterator[Finding]:
    status = current_status(settings.home)
    if status is None or status.state != "running":
        return
    for each in status.processes:
        if each.state != "ready":
            params = {"process": each.name, "detail": each.detail, "file": settings.home / "logs" / f"{each.name}.log"}
            yield Finding("processes", "error", "process_not_ready", params)


def _clock(settings: Settings) -> Iterator[Finding]:
    now = time.time()
    if now < _BUILT:
        yield Finding("clock", "error", "clock_past", {"now": time.strftime("%Y-%m-%d %H:%M:%S")})
        return
    status = read_status(settings.home)
    if status is not None and status.at - now > CLOCK_SECONDS:
        yield Finding("clock", "error", "clock_back", {"seconds": round(status.at - now)})
    with suppress(OSError), tempfile.NamedTemporaryFile(dir=settings.home) as file:
        file.write(b"x")
        file.flush()
        off = Path(file.name).stat().st_mtime - time.time()
        if abs(off) > CLOCK_SECONDS:
            yield Finding("clock", "error", "clock_disk", {"home": settings.home, "seconds": round(off)})
    if status is None or running_pid(settings.home) is None:
        return
    with suppress(psycopg.Error), psycopg.connect(plain_url(database_url(settings)), connect_timeout=3) as connection:
        row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
        off = row[0] - time.time() if row else 0.0
        if abs(off) > CLOCK_SECONDS:
            yield Finding("clock", "error", "clock_database", {"seconds": round(off)})


def _sockets(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is not None:
        return
    path = (settings.home / "postgres").resolve() / "socket" / POSTGRES_SOCKET
    short = postgres_socket_folder(settings.home)
    if short == path.parent:
        return
    params = {"path": path, "length": len(str(path).encode()), "limit": LONGEST_SOCKET_PATH, "short": short}
    usable = os.access(short.parent, os.W_OK | os.X_OK) and (not short.exists() or short.is_dir())
    yield Finding("sockets", "ok" if usable else "error", "socket_short" if usable else "socket_long", params)


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Engines that the settings give an address of."""
    if settings.database_url is not None:
        try:
            with psycopg.connect(plain_url(settings.database_url), connect_timeout=3) as connection:
                found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
            if found is None:
                yield Finding("addresses", "error", "vector_missing")
        except psycopg.Error as error:
            params = {"engine": "PostgreSQL", "setting": "database_url", "reason": str(error).strip()}
            yield Finding("addresses", "error", "address_unreachable", params)
    others = [("NATS", "nats_urls", url) for url in settings.nats_urls]
    if settings.clickhouse_url is not None:
        others.append(("ClickHouse", "clickhouse_url", settings.clickhouse_url))
    for engine, setting, url in others:
        address = urlsplit(url)
        port = address.port or {"nats": 4222, "http": 8123, "https": 8443}.get(address.scheme, 0)
        try:
            socket.create_connection((address.hostname or "", port), 3).close()
        except OSError as error:
            params = {"engine": engine, "setting": setting, "reason": f"{address.hostname}:{port} {error}"}
            yield Finding("addresses", "error", "address_unreachable", params)


def _calendar(settings: Settings) -> Iterator[Finding]:
    """Beyond the years whose holidays are known, deadlines in working time take each weekday for one of work."""
    own: dict[date, bool] = {}
    if running_pid(settings.home) is not None:
        with suppress(psycopg.Error), psycopg.connect(plain_url(database_url(settings)), connect_timeout=3) as known:
            own = dict(known.execute("select day, working from calendar_days").fetchall())
    last = WorkingCalendar(own).known_until()
    today = datetime.fromtimestamp(time.time(), CST).date()
    if (last - today).days < CALENDAR_DAYS:
        yield Finding("calendar", "warning", "calendar_ends", {"last": last, "year": last.year + 1})


CHECKS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "python": _python,
    "folder": _folder,
    "disk": _disk,
    "memory": _memory,
    "programs": _programs,
    "sockets": _sockets,
    "ports": _ports,
    "instance": _instance,
    "processes": _processes,
    "clock": _clock,
    "addresses": _addresses,
    "calendar": _calendar,
}


def _free(host: str, port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> psutil.Process | None:
    with suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return psutil.Process(each.pid)
    return None


def _describe(process: psutil.Process | None) -> str:
    if process is None:
        return "?"
    with suppress(psutil.Error):
        return f"{process.name()} (pid {process.pid}, {process.username()})"
    return f"pid {process.pid}"


def _family(settings: Settings) -> list[psutil.Process]:
    pid = running_pid(settings.home)
    if pid is None:
        return []
    with suppress(psutil.Error):
        supervisor = psutil.Process(pid)
        return [supervisor, *supervisor.children(recursive=True)]
    return []
