"""Processes are killed in the middle of runs, again and again: nothing is written twice, and every run ends.

`CHENGNAO_KILLS` says how often; the default is small.
"""

import asyncio
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from chengnao.agents.runtime.model import ApprovalState, By
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.service import decide, real_now, start_run
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from tests.support.agents import EFFECTS, answers, calls, definition, draft
from tests.support.loop import DISPATCHER, DUTY_OFFICER
from tests.support.vendor import Asked, Said, Vendor

KILLS = int(os.environ.get("CHENGNAO_KILLS", "8"))
PROCESSES = 3
UNDER_WAY = 6

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300 + 30 * KILLS)]


def script(asked: Asked) -> Said:
    """Search, note, answer the citizen, answer; each with the words that the run was given."""
    assert asked.body is not None
    messages = asked.body["messages"]
    found = re.search(r"word-\d+", messages[1]["content"])
    assert found is not None
    steps: list[dict[str, Any]] = [
        calls("papers.search", words="水压"),
        calls("desk.note", words=f"note {found[0]}"),
        calls("citizen.answer", words=f"answer {found[0]}"),
        answers("已查并答复", "e1"),
    ]
    said = json.dumps(steps[len(messages) // 2 - 1], ensure_ascii=False)
    return Said(said, delay=random.uniform(0, 0.15))


class Processes:
    """Several that run agents; one that is killed is replaced."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._arguments = ("-m", "tests.support.agents_process", url, str(settings.home))
        self.ready: list[asyncio.subprocess.Process] = []
        self._starting: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        task = asyncio.create_task(self._start())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, *self._arguments, stdout=pipe)
        assert process.stdout is not None
        try:
            assert await asyncio.wait_for(process.stdout.readline(), 120) == b"ready\n"
        except BaseException:
            process.kill()
            raise
        self.ready.append(process)

    async def kill(self) -> None:
        """Kill one that works, while another is left."""
        while len(self.ready) < 2:
            await asyncio.sleep(0.05)
        process = self.ready.pop(random.randrange(len(self.ready)))
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        self.start()

    async def close(self) -> None:
        for task in list(self._starting):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for process in self.ready:
            process.kill()
            await process.wait()


@pytest.fixture
async def processes(database_url: str, settings: Settings) -> AsyncIterator[Processes]:
    made = Processes(database_url, settings)
    for _ in range(PROCESSES):
        made.start()
    yield made
    await made.close()


async def grant_everything(database: Database) -> None:
    authority = Authority.load()
    while True:
        async with database.unit_of_work() as uow:
            page = await ApprovalRepository(uow.session).approvals(
                Scope(), ApprovalState.OPEN, real_now(), PageRequest(size=50)
            )
            for each in page.items:
                await decide(uow, authority, DUTY_OFFICER, each.id, grant=True, reason="")
            await uow.commit()
        await asyncio.sleep(0.1)


async def keep_under_way(database: Database, started: list[str]) -> None:
    """Start runs so that some are always in the middle."""
    agent = definition(tools=["papers.search", "desk.note", "citizen.answer"], limits={"seconds": 600, "steps": 9})
    while True:
        async with database.unit_of_work() as uow:
            query = "SELECT count(*) FROM agent_runs WHERE state IN ('queued', 'running', 'waiting')"
            for _ in range(UNDER_WAY - (await uow.session.scalar(text(query)) or 0)):
                run = await start_run(uow, DISPATCHER, draft(agent), {"text": f"word-{len(started)}"})
                started.append(run.id)
            await uow.commit()
        await asyncio.sleep(0.1)


async def test_no_kill_writes_twice_and_every_run_ends(
    database: Database, settings: Settings, processes: Processes
) -> None:
    started: list[str] = []
    async with database.unit_of_work() as uow:
        await uow.session.execute(text(EFFECTS))
        await uow.commit()
    with Vendor(settings.port("models")) as vendor:
        vendor.respond = script
        starting = asyncio.create_task(keep_under_way(database, started))
        granting = asyncio.create_task(grant_everything(database))
        for _ in range(KILLS):
            await processes.kill()
            await asyncio.sleep(random.uniform(0.2, 1.5))
        starting.cancel()
        await all_end(database, 120)
        granting.cancel()
    await check(database, started)


async def all_end(database: Database, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        async with database.unit_of_work() as uow:
            query = "SELECT count(*) FROM agent_runs WHERE state NOT IN ('done', 'failed', 'cancelled')"
            if not await uow.session.scalar(text(query)):
                return
        await asyncio.sleep(0.3)
    async with database.unit_of_work() as uow:
        left = (await uow.session.execute(text("SELECT id, state, tries FROM agent_runs WHERE ended_at IS NULL"))).all()
    pytest.fail(f"runs that do not end: {left}")


async def check(database: Database, started: list[str]) -> None:
    async with database.unit_of_work() as uow:
        runs = [await RunRepository(uow.session).get(Scope(), each) for each in started]
        effects = Counter((await uow.session.scalars(text("SELECT words FROM effects"))).all())
        asked = [each for run in started for each in await ApprovalRepository(uow.session).of_run(run)]
        resumed = await uow.session.scalar(
            text("SELECT count(*) FROM agents.workflow_status WHERE queue_name IS NOT NULL")
        )
        steps = await uow.session.scalar(text("SELECT count(*) FROM agent_steps"))
    print(f"\n{KILLS} kills, {len(started)} runs, {steps} steps, {resumed} runs taken up by another process")
    assert [(run.state, run.error or run.reason) for run in runs if run and run.by is not By.MODEL] == []
    numbers = range(len(started))
    assert effects == Counter([f"note word-{n}" for n in numbers] + [f"answer word-{n}" for n in numbers])
    assert Counter(each.state for each in asked) == {ApprovalState.USED: len(started)}
    assert resumed or KILLS < 5, "no kill came in the middle of a run"
