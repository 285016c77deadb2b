"""The command line against a whole platform."""

import json
import subprocess
from collections.abc import Iterator

import httpx
import psutil
import pytest

from chengnao.app.control import running_pid
from tests.support.platform import COMMAND, Platform, running_platform

pytestmark = pytest.mark.engines

PROCESSES = {"postgres", "nats", "store", "gateway", "writer", "worker", "web"}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        yield running


def test_every_process_is_ready_after_up(platform: Platform) -> None:
    processes = platform.processes()
    assert set(processes) == PROCESSES
    assert {each["state"] for each in processes.values()} == {"ready"}
    assert httpx.get(f"{platform.address}/healthz").status_code == 200


def test_up_again_changes_nothing(platform: Platform) -> None:
    before = {name: each["pid"] for name, each in platform.processes().items()}
    again = platform.run("up")
    assert "already running" in again.stdout
    assert platform.address in again.stdout
    assert {name: each["pid"] for name, each in platform.processes().items()} == before


def test_doctor_finds_nothing_wrong_with_a_running_platform(platform: Platform) -> None:
    lines = [json.loads(line) for line in platform.run("doctor", "--json").stdout.splitlines()]
    assert [each for each in lines if each["level"] == "error"] == []


def test_up_without_the_demonstration_shows_no_accounts(platform: Platform) -> None:
    assert "chengnao-demo" not in platform.run("up").stdout


def test_a_wrong_setting_is_an_error_on_standard_error_with_exit_code_2(platform: Platform) -> None:
    environment = {**platform.environment, "CHENGNAO_BASE_PORT": "many"}
    done = subprocess.run([COMMAND, "status"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "CHENGNAO_BASE_PORT" in done.stderr


def test_help_is_a_tour_in_both_languages() -> None:
    done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True)
    for command in ("up", "down", "status", "doctor", "demo", "decode"):
        assert command in done.stdout
    assert "启动平台" in done.stdout
    assert "Start the platform" in done.stdout


def test_down_ends_every_process(platform: Platform) -> None:
    pid = running_pid(platform.home)
    assert pid is not None
    family = psutil.Process(pid).children(recursive=True)
    assert len(family) >= len(PROCESSES)
    platform.run("down")
    assert running_pid(platform.home) is None
    assert psutil.wait_procs(family, 1)[1] == []
    assert platform.run("status", check=False).returncode == 1
    assert "not running" in platform.run("down").stdout
