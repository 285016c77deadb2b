"""The supervisor with real engines: order, restarts, one instance, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chengnao.app import control, settings_file
from chengnao.kernel.status import PlatformStatus, ProcessStatus, read_status
from tests.support.ports import free_block
from tests.support.stack import make_home, remove_home

pytestmark = pytest.mark.engines


class Stub:
    """One supervisor in a data folder of its own."""

    def __init__(self) -> None:
        self.home = make_home()
        self.base_port = free_block()
        self.process: subprocess.Popen[str] | None = None

    def spawn(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.stub_supervisor"],
            env={
                **os.environ,
                "CHENGNAO_HOME": str(self.home),
                "CHENGNAO_BASE_PORT": str(self.base_port),
                **environment,
            },
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self, **environment: str) -> PlatformStatus:
        self.process = self.spawn(**environment)
        return self.wait(lambda status: status.state == "running")

    def wait(self, wanted: Callable[[PlatformStatus], bool], seconds: float = 30.0) -> PlatformStatus:
        """The first status of the present supervisor that is as wanted."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        status = None
        while time.monotonic() < deadline:
            status = read_status(self.home)
            if status is not None and status.pid == self.process.pid and wanted(status):
                return status
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {status}")

    def status(self) -> PlatformStatus:
        """The status once all is ready."""
        return self.wait(lambda status: all(each.state == "ready" for each in status.processes))

    def family(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    """A supervisor that is up, for the tests that leave it so."""
    made = Stub()
    made.start()
    yield made
    made.end()
    remove_home(made.home)


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end()
    remove_home(made.home)


def _named(status: PlatformStatus, name: str) -> ProcessStatus:
    return next(each for each in status.processes if each.name == name)


def _gone(processes: list[psutil.Process], seconds: float = 15.0) -> bool:
    return not psutil.wait_procs(processes, seconds)[1]


def test_services_start_after_the_engines_are_ready(running: Stub) -> None:
    status = running.status()
    assert [each.name for each in status.processes] == ["postgres", "nats", "worker", "web"]
    assert all(each.state == "ready" for each in status.processes)
    engines = max(_named(status, name).started or 0 for name in ("postgres", "nats"))
    assert engines < min(_named(status, name).started or 0 for name in ("worker", "web"))
    assert _named(status, "worker").lag == 7


@pytest.mark.parametrize("name", ["postgres", "nats", "worker", "web"])
def test_a_killed_process_is_back_soon(running: Stub, name: str) -> None:
    before = _named(running.status(), name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    after = _named(running.wait(lambda status: _is_back(status, before), 10.0), name)
    assert after.restarts == before.restarts + 1


def test_postgres_is_back_although_sessions_of_the_dead_server_live_on(running: Stub) -> None:
    """A stopped session keeps the old shared memory, with which PostgreSQL refuses to start."""
    before = _named(running.status(), "postgres")
    assert before.pid is not None
    helpers = psutil.Process(before.pid).children()
    helpers[0].suspend()
    os.kill(before.pid, signal.SIGKILL)
    running.wait(lambda status: _is_back(status, before), 20.0)


def test_a_second_instance_on_the_same_folder_is_refused(running: Stub) -> None:
    assert running.process is not None
    second = running.spawn()
    output, _ = second.communicate(timeout=20)
    assert second.returncode == 2
    assert str(running.home) in output
    assert str(running.process.pid) in output
    assert "chengnao down" in output
    assert running.process.poll() is None


def test_stopping_leaves_no_process(stub: Stub) -> None:
    stub.start(STUB_DEAF="worker")
    family = stub.family()
    assert len(family) > 4
    assert stub.end() == 0
    assert _gone(family, 0.5)


def test_killing_the_supervisor_leaves_no_process(stub: Stub) -> None:
    stub.start()
    family = stub.family()
    stub.end(signal.SIGKILL)
    assert _gone(family)


def test_the_next_supervisor_ends_what_outlived_a_killed_one(stub: Stub) -> None:
    """The death of its supervisor asks a child to end; one that is deaf to it must not block the next start."""
    deaf = _named(stub.start(STUB_DEAF="worker"), "worker")
    stub.end(signal.SIGKILL)
    assert deaf.pid is not None
    assert psutil.pid_exists(deaf.pid)
    status = stub.start()
    assert not psutil.pid_exists(deaf.pid)
    assert all(each.state == "ready" for each in status.processes)


def test_a_process_that_cannot_start_ends_the_start_with_its_reason(stub: Stub) -> None:
    stub.process = stub.spawn(STUB_BROKEN="web")
    output, _ = stub.process.communicate(timeout=60)
    assert stub.process.returncode == 2
    assert "web" in output
    status = read_status(stub.home)
    assert status is not None
    assert status.state == "failed"
    assert status.error is not None
    assert "this one is broken" in str(status.error["params"])
    assert all(each.state == "stopped" for each in status.processes)


def test_the_city_is_switched_while_the_platform_runs(stub: Stub) -> None:
    before = stub.start()
    settings_file.set_values(stub.home, {"demonstration": True})
    assert control.reload(stub.home)
    status = stub.wait(lambda status: any(each.name == "city" and each.state == "ready" for each in status.processes))
    assert _named(status, "postgres").pid == _named(before, "postgres").pid
    settings_file.set_values(stub.home, {"demonstration": False})
    control.reload(stub.home)
    stub.wait(lambda status: all(each.name != "city" for each in status.processes))


def _is_back(status: PlatformStatus, before: ProcessStatus) -> bool:
    now = _named(status, before.name)
    return now.state == "ready" and now.pid not in (None, before.pid)
