"""Nothing is stranded after a dead worker: another takes its deadlines up, once, and on time."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.spec import Spec
from chengnao.incident.model import Incident
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.durable import sweeper
from chengnao.kernel.durable.repository import Executor
from chengnao.kernel.durable.sweeper import DEAD_AFTER, Sweeper
from chengnao.kernel.settings import Settings
from chengnao.supervision.deadlines import Deadlines
from tests.integration.supervision.test_deadlines import BOTH, late_at, reached, urges
from tests.support.loop import make_city
from tests.support.stack import Stack

pytestmark = pytest.mark.engines

WORKER = """
import asyncio, sys
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.durable import sweeper
from chengnao.supervision.deadlines import Deadlines
from chengnao.kernel.durable.repository import Executor

sweeper.SECONDS = 0.2

async def main():
    clock = SystemClock()
    deadlines = Deadlines(Database.connect(sys.argv[1], clock), clock)
    await deadlines.launch()
    running = asyncio.create_task(deadlines.run())
    print("ready", flush=True)
    for stay in (await asyncio.to_thread(sys.stdin.readline)).split():
        incident, entry = stay.split(":")
        await deadlines.watch(incident, int(entry))
    print("watching", flush=True)
    await running

asyncio.run(main())
"""


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


class Workers:
    """Processes that wait for deadlines as the worker does; what still runs at the end is killed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[asyncio.subprocess.Process] = []

    async def start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, self._url, stdin=pipe, stdout=pipe)
        self._all.append(process)
        await self._said(process, b"ready\n")
        return process

    async def watch(self, process: asyncio.subprocess.Process, *incidents: Incident) -> None:
        """Let a process that has been started wait for these."""
        assert process.stdin is not None
        process.stdin.write(" ".join(f"{each.id}:{each.entry}" for each in incidents).encode() + b"\n")
        await self._said(process, b"watching\n")

    async def _said(self, process: asyncio.subprocess.Process, line: bytes) -> None:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == line

    async def kill(self, *processes: asyncio.subprocess.Process) -> None:
        for process in processes or self._all:
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()


@pytest.fixture
async def workers(city: Database, database_url: str) -> AsyncIterator[Workers]:
    made = Workers(database_url)
    yield made
    await made.kill()


async def test_the_living_take_up_what_a_killed_one_left_once_and_on_time(city: Database, workers: Workers) -> None:
    first, _, _ = [await workers.start() for _ in range(3)]
    incidents = [await late_at(city, 15.0, limit=4.0) for _ in range(8)]
    await workers.watch(first, *incidents)
    await workers.kill(first)
    assert incidents[0].due_at is not None
    assert datetime.now(UTC) < incidents[0].due_at, "the kill came too late to be before the deadline"
    for incident in incidents:
        await reached(city, incident, 2)
    await asyncio.sleep(1)
    async with city.unit_of_work() as uow:
        for incident in incidents:
            assert await urges(city, incident) == BOTH
            timeline = await IncidentRepository(uow.session).timeline_of(incident.id)
            first_urge = next(entry.at for entry in timeline if entry.action == "urge")
            assert incident.due_at is not None
            assert timedelta() <= first_urge - incident.due_at < timedelta(seconds=4)
        states = Counter((await uow.session.scalars(text("SELECT status FROM dbos.workflow_status"))).all())
    assert states == {"SUCCESS": len(incidents)}


async def test_a_worker_that_starts_when_all_were_killed_takes_everything_up(city: Database, workers: Workers) -> None:
    first = await workers.start()
    incidents = [await late_at(city, 8.0, limit=4.0) for _ in range(3)]
    await workers.watch(first, *incidents)
    await workers.kill(first)
    assert incidents[0].due_at is not None
    assert datetime.now(UTC) < incidents[0].due_at, "the kill came too late to be in the middle"
    await asyncio.sleep(9)
    for incident in incidents:
        assert await urges(city, incident) == []
    await workers.start()
    for incident in incidents:
        await reached(city, incident, 2)
    await asyncio.sleep(0.5)
    for incident in incidents:
        assert await urges(city, incident) == BOTH


async def test_who_leaves_in_peace_leaves_its_deadlines_to_the_next(city: Database, workers: Workers) -> None:
    incident = await late_at(city, 5.0, limit=2.0)
    leaving = Deadlines(city, SystemClock())
    await leaving.launch()
    await leaving.watch(incident.id, incident.entry)
    await leaving.close()
    await workers.start()
    await reached(city, incident, 2)
    assert await urges(city, incident) == BOTH


async def test_a_database_restarted_in_the_middle_of_a_recovery(
    city: Database, workers: Workers, stack: Stack, settings: Settings
) -> None:
    first = await workers.start()
    incidents = [await late_at(city, 8.0, limit=4.0) for _ in range(30)]
    await workers.watch(first, *incidents)
    await workers.kill(first)
    await workers.start()
    await workers.start()
    server = Postgres(settings.home)
    spec = Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL)
    # Twice: while the dead one is being noticed, and when its deadlines are just being taken up.
    for _ in range(2):
        await asyncio.to_thread(stack.stop, "postgres")
        await asyncio.sleep(1)
        await asyncio.to_thread(stack.start, spec)
        await asyncio.sleep(1.2)
    for incident in incidents:
        await reached(city, incident, 2, seconds=90)
    for incident in incidents:
        assert await urges(city, incident) == BOTH


class Left:
    """Stands for the workflows of gone executors, and counts how often they are taken up."""

    def __init__(self, **left: int) -> None:
        self.left = left
        self.taken: Counter[str] = Counter()

    async def take_up(self, executor: str) -> int:
        await asyncio.sleep(0.05)
        found = self.left.pop(executor, 0)
        self.taken[executor] += found
        return found


async def known(database: Database) -> set[str]:
    async with database.unit_of_work() as uow:
        return set((await uow.session.scalars(text("SELECT id FROM executors"))).all())


async def test_one_that_beats_is_never_swept_and_a_still_one_is(database: Database) -> None:
    left = Left(a=3)
    a, b = Sweeper(database, "a", left.take_up), Sweeper(database, "b", left.take_up)
    for _ in range(3 * DEAD_AFTER):
        await a.beat()
        await b.sweep()
    assert left.taken["a"] == 0
    for _ in range(DEAD_AFTER - 1):
        await b.sweep()
    assert left.taken["a"] == 0
    await b.sweep()
    assert left.taken["a"] == 3


async def test_two_sweepers_at_once_take_up_once(database: Database) -> None:
    left = Left(dead=5)
    one, other = Sweeper(database, "one", left.take_up), Sweeper(database, "other", left.take_up)
    await Sweeper(database, "dead", left.take_up).beat()
    for _ in range(DEAD_AFTER + 2):
        await asyncio.gather(one.sweep(), other.sweep())
    assert left.taken["dead"] == 5


async def test_a_beat_after_the_last_look_saves_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    left = Left(slow=5)
    slow, other = Sweeper(database, "slow", left.take_up), Sweeper(database, "other", left.take_up)
    await slow.beat()
    for _ in range(DEAD_AFTER):
        await other.sweep()
    take_over = other._take_over

    async def late(executor: Executor) -> None:
        await slow.beat()
        await take_over(executor)

    monkeypatch.setattr(other, "_take_over", late)
    await other.sweep()
    assert left.taken["slow"] == 0


async def test_a_sweep_that_fails_is_done_again_by_another(database: Database) -> None:
    left = Left(dead=5)

    async def fails(executor: str) -> int:
        if executor == "dead":
            raise OSError("the machine went down")
        return 0

    one, other = Sweeper(database, "one", fails), Sweeper(database, "other", left.take_up)
    await Sweeper(database, "dead", left.take_up).beat()
    for _ in range(DEAD_AFTER):
        await one.sweep()
    with pytest.raises(OSError, match="went down"):
        await one.sweep()
    for _ in range(DEAD_AFTER + 1):
        await other.sweep()
    assert left.taken["dead"] == 5


async def test_what_an_earlier_release_left_is_taken_up_and_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Left(worker=7)
    monkeypatch.setattr(sweeper, "_FORGET_AFTER", 3)
    now = Sweeper(database, "now", left.take_up)
    await now.beat()
    await now.sweep()
    assert left.taken["worker"] == 7
    assert await known(database) == {"now", "worker"}
    for _ in range(3):
        await now.sweep()
    assert await known(database) == {"now"}


async def test_one_kind_neither_takes_up_nor_forgets_what_another_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Left(**{"agents-1": 2})
    monkeypatch.setattr(sweeper, "_FORGET_AFTER", 1)
    await Sweeper(database, "agents-1", left.take_up).beat()
    worker = Sweeper(database, "worker-1", left.take_up, kind="worker")
    for _ in range(DEAD_AFTER + 5):
        await worker.sweep()
    assert (left.taken.total(), await known(database)) == (0, {"agents-1"})
    agents = Sweeper(database, "agents-2", left.take_up, kind="agents")
    for _ in range(DEAD_AFTER + 1):
        await agents.sweep()
    assert left.taken["agents-1"] == 2


async def test_a_database_that_was_away_kills_nobody(database: Database, stack: Stack, settings: Settings) -> None:
    left = Left(a=1, b=1)
    a, b = Sweeper(database, "a", left.take_up), Sweeper(database, "b", left.take_up)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeper, "SECONDS", 0.1)
        running = [asyncio.create_task(each.run()) for each in (a, b)]
        await asyncio.sleep(1)
        server = Postgres(settings.home)
        await asyncio.to_thread(stack.stop, "postgres")
        await asyncio.sleep(2)
        await asyncio.to_thread(stack.start, Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL))
        await asyncio.sleep(2)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert left.taken.total() == 0
