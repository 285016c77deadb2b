"""What keeps a platform from running is found, named in both languages, and comes with a remedy."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from chengnao.app import doctor
from chengnao.app.doctor import Finding
from chengnao.app.engines import nats, postgres
from chengnao.app.spec import EngineError
from chengnao.app.supervisor import lock, prepare_home
from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.settings import Settings, load_settings
from chengnao.kernel.status import PlatformStatus, write_status
from tests.support.ports import free_block, free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    prepare_home(tmp_path)
    return load_settings(tmp_path, base_port=free_block())


@pytest.fixture
def found(settings: Settings) -> Callable[[str], list[Finding]]:
    """The findings of one check that are not fine."""

    def find(check: str) -> list[Finding]:
        return [each for each in doctor.CHECKS[check](settings) if each.level != "ok"]

    return find


def _only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    finding = findings[0]
    for language in ("zh", "en"):
        text = finding.text(language)
        assert not text.startswith("doctor_"), "no text"
        assert "?" not in text, f"a placeholder without a value: {text}"
    return finding


def test_a_sound_machine_has_nothing_wrong(settings: Settings) -> None:
    findings = list(doctor.examine(settings))
    assert {each.check for each in findings} == set(doctor.CHECKS)
    assert [each for each in findings if each.level == "error"] == []


def test_a_taken_port_is_named_with_who_took_it(settings: Settings, found: Callable[[str], list[Finding]]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", settings.port("gateway")))
        listener.listen()
        finding = _only(found("ports"))
    assert str(settings.port("gateway")) in finding.text("zh")
    assert f"pid {os.getpid()}" in finding.text("en")
    assert "CHENGNAO_BASE_PORT" in finding.text("en")


def test_a_full_disk(found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200 * 2**20))
    assert _only(found("disk")).level == "error"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**30))
    assert _only(found("disk")).level == "warning"


def test_an_old_python(found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert "3.11" in _only(found("python")).text("zh")


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = load_settings(tmp_path / "file" / "home")
    finding = _only(list(doctor.CHECKS["folder"](settings)))
    assert "CHENGNAO_HOME" in finding.text("zh")


def test_a_missing_program(found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise EngineError("engine_missing", engine="NATS", wheel=nats.WHEEL)

    monkeypatch.setattr(nats, "server", missing)
    assert nats.WHEEL in _only(found("programs")).text("en")


def test_a_program_of_another_machine(
    found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "postgres"
    program.write_bytes(b"\x7fELF of another architecture")
    program.chmod(0o755)
    monkeypatch.setattr(postgres, "server", lambda: program)
    assert _only(found("programs")).code == "program_broken"


def test_a_clock_that_was_set_back(settings: Settings, found: Callable[[str], list[Finding]]) -> None:
    write_status(settings.home, PlatformStatus("running", 1, time.time(), time.time() + 3_600))
    assert _only(found("clock")).code == "clock_back"


def test_a_clock_in_the_past(found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert _only(found("clock")).code == "clock_past"


def test_a_calendar_that_soon_ends(found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch) -> None:
    last = datetime.combine(WorkingCalendar().known_until(), datetime.min.time(), UTC)
    monkeypatch.setattr(time, "time", (last - timedelta(days=60)).timestamp)
    assert found("calendar") == []
    monkeypatch.setattr(time, "time", (last - timedelta(days=40)).timestamp)
    finding = _only(found("calendar"))
    assert finding.level == "warning"
    assert str(last.date()) in finding.text("zh")


@pytest.fixture
def held(settings: Settings) -> Iterator[Settings]:
    """A data folder that another supervisor (this process) holds."""
    with lock(settings.home):
        yield settings


def test_a_supervisor_that_fell_silent(held: Settings, found: Callable[[str], list[Finding]]) -> None:
    write_status(held.home, PlatformStatus("running", os.getpid(), time.time() - 900, time.time() - 600))
    finding = _only(found("instance"))
    assert finding.code == "supervisor_silent"
    assert str(os.getpid()) in finding.text("en")


def test_another_installation_on_the_same_data_folder(
    held: Settings, found: Callable[[str], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_status(held.home, PlatformStatus("running", os.getpid(), time.time(), time.time()))
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    assert _only(found("instance")).code == "second_instance"


def test_an_engine_whose_address_does_not_answer(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        database_url=f"postgresql://city@127.0.0.1:{free_port()}/city",
        nats_urls=[f"nats://127.0.0.1:{free_port()}"],
        clickhouse_url=f"http://127.0.0.1:{free_port()}",
    )
    findings = list(doctor.CHECKS["addresses"](settings))
    assert [each.params["setting"] for each in findings] == ["database_url", "nats_urls", "clickhouse_url"]
    assert list(doctor.CHECKS["programs"](settings)) == []


def test_a_socket_path_that_is_too_long_is_told_with_what_is_used_instead(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / ("x" * 100))
    findings = list(doctor.CHECKS["sockets"](settings))
    assert [each.code for each in findings] == ["socket_short"]
    assert "/tmp/chengnao-" in findings[0].text("zh")
