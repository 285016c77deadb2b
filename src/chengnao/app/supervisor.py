"""Runs the platform's processes: in order, again after a crash, and down without leaving one behind."""

import asyncio
import fcntl
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import psutil

from chengnao.app.processes import PREPARE, Plan, external, plan
from chengnao.app.runner import Runner
from chengnao.app.spec import Spec
from chengnao.kernel.child import Child
from chengnao.kernel.clock import load_clock
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.logs import RotatingLog, tail
from chengnao.kernel.settings import Settings, load_settings
from chengnao.kernel.status import PlatformStatus, read_status, write_status

log = logging.getLogger(__name__)

START_SECONDS = 180.0
OWN_ENGINES = ("postgres", "nats")
OPEN_FILES = 65_536
CITY = "city"


class AlreadyRunning(ChengnaoError):
    """Another supervisor holds this data folder."""


class StartFailed(ChengnaoError):
    """A process or step that did not come up, with the end of its log."""


class Supervisor:
    """The one supervisor of a data folder."""

    def __init__(self, settings: Settings, make_plan: Callable[[Settings], Plan] = plan) -> None:
        self.settings = settings
        self._make_plan = make_plan
        self.home = settings.home
        self.logs = settings.home / "logs"
        self._stages: dict[str, list[Runner]] = {}
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._status = PlatformStatus(
            "starting",
            os.getpid(),
            time.time(),
            time.time(),
            demonstration=settings.demonstration,
            clock_speed=settings.clock_speed,
            external=external(settings),
        )

    async def run(self) -> None:
        """Bring the platform up and keep it up until SIGTERM or SIGINT; raises StartFailed where that fails."""
        raise_file_limit()
        prepare_home(self.home)
        with lock(self.home):
            await end_leftovers(self.home)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            loop.add_signal_handler(signal.SIGHUP, self._reload.set)
            writing = asyncio.create_task(self._write_status())
            try:
                await self._until_stopped()
            except ChengnaoError as error:
                self._status.error = error.to_dict()
                self._status.state = "failed"
                raise
            finally:
                await self._down()
                writing.cancel()
                self._publish()

    async def _until_stopped(self) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        working = asyncio.create_task(self._work())
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    async def _work(self) -> None:
        load_clock(self.home, self.settings.clock_speed)
        wanted = self._make_plan(self.settings)
        await self._bring_up("engines", wanted.engines)
        await self._prepare(wanted)
        await self._bring_up("services", wanted.services)
        await self._bring_up(CITY, wanted.city)
        self._status.step = ""
        self._status.state = "running"
        while True:
            await self._reload.wait()
            self._reload.clear()
            await self._apply(load_settings(self.home))

    async def _bring_up(self, stage: str, specs: list[Spec]) -> None:
        started = [Runner(spec, self.logs) for spec in specs]
        self._stages[stage] = started
        for runner in started:
            runner.start()
        for runner in started:
            self._status.step = runner.spec.name
            await self._first_ready(runner)

    async def _first_ready(self, runner: Runner) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (runner.ready, runner.gave_up)]
        try:
            await asyncio.wait(waits, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        if not runner.ready.is_set():
            raise StartFailed(
                "start_failed",
                process=runner.spec.name,
                reason=runner.status.detail or f"> {START_SECONDS:.0f} s",
                file=str(runner.log_path),
                tail=tail(runner.log_path),
            )

    async def _prepare(self, wanted: Plan) -> None:
        """Run the one-shot step that brings the database, the streams and the first data up to date."""
        self._status.step = PREPARE
        path = self.logs / f"{PREPARE}.log"
        output = RotatingLog(path)
        child = await Child.start(wanted.prepare, output, signal.SIGTERM)
        try:
            await child.ended.wait()
        finally:
            await child.stop(signal.SIGTERM, 5.0)
            output.close()
        if child.code != 0:
            raise StartFailed(
                "start_failed", process=PREPARE, reason=f"exit {child.code}", file=str(path), tail=tail(path)
            )

    async def _apply(self, settings: Settings) -> None:
        """Take over a change of the demonstration or of the clock without ending the engines."""
        before, self.settings = self.settings, settings
        self._status.demonstration, self._status.clock_speed = settings.demonstration, settings.clock_speed
        if not settings.demonstration:
            await asyncio.gather(*(each.stop() for each in self._stages.pop(CITY, [])))
        if settings.clock_speed != before.clock_speed:
            load_clock(self.home, settings.clock_speed)
            await asyncio.gather(*(each.restart() for each in self._runners if each.spec.name not in OWN_ENGINES))
        if settings.demonstration and not self._stages.get(CITY):
            wanted = self._make_plan(settings)
            await self._prepare(wanted)
            await self._bring_up(CITY, wanted.city)
        self._status.step = ""

    async def _down(self) -> None:
        """Stop stage by stage in reverse order, so that nothing loses what it stands on."""
        if self._status.state != "failed":
            self._status.state = "stopping"
        for stage in reversed(list(self._stages.values())):
            self._status.step = ", ".join(each.spec.name for each in stage)
            await asyncio.gather(*(each.stop() for each in stage))
        self._status.step = ""

    @property
    def _runners(self) -> list[Runner]:
        return [runner for stage in self._stages.values() for runner in stage]

    async def _write_status(self) -> None:
        count = 0
        while True:
            if count % 5 == 0:
                for runner in self._runners:
                    await asyncio.to_thread(runner.measure)
            count += 1
            self._publish()
            await asyncio.sleep(1.0)

    def _publish(self) -> None:
        self._status.at = time.time()
        self._status.processes = [each.status for each in self._runners]
        with suppress(OSError):  # a full disk must not end the platform
            write_status(self.home, self._status)


def raise_file_limit() -> None:
    """Allow the children as many open files as the system lets us: the readings store wants many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard >= 0 else OPEN_FILES, hard))


def prepare_home(home: Path) -> None:
    """Make the data folder: others may pass through it (PostgreSQL's own account must) but not look around."""
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0 and home.stat().st_uid == 0:
        home.chmod(home.stat().st_mode | 0o111)
    for name in ("run", "logs"):
        (home / name).mkdir(exist_ok=True, mode=0o700)


def lock_path(home: Path) -> Path:
    """The file whose lock says that a supervisor holds the data folder; it names that supervisor's number."""
    return home / "run" / "lock"


def lock(home: Path) -> TextIO:
    """Hold the data folder until the returned file is closed; raises AlreadyRunning where another holds it."""
    file = lock_path(home).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        pid = file.read().strip() or "?"
        file.close()
        raise AlreadyRunning("already_running", home=str(home), pid=pid) from error
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


async def end_leftovers(home: Path) -> None:
    """Wait for, then end, the processes of a supervisor that was killed."""
    last = read_status(home)
    if last is None:
        return
    left = []
    for each in last.processes:
        if each.pid is None or each.started is None:
            continue
        with suppress(psutil.Error):
            process = psutil.Process(each.pid)
            if abs(process.create_time() - each.started) < 1.0:
                left.append(process)
    if not left:
        return
    log.info("ending %d processes that a killed supervisor left", len(left))
    for process in left:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, alive = await asyncio.to_thread(psutil.wait_procs, left, 10)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, alive, 5)


def main(make_plan: Callable[[Settings], Plan] = plan) -> None:
    """Run in the foreground with the settings of `CHENGNAO_HOME`; exit code 2 where the platform does not come up."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(Supervisor(load_settings(), make_plan).run())
    except ChengnaoError as error:
        log.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
