"""Jobs in real processes: progress, cancel, resume, kills, limits, order."""

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict
from chengnao.models.registry.service import require_model, require_version
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.model import ATTEMPTS, Job, JobState, Limits
from chengnao.models.training.repository import TrainingRepository
from chengnao.models.training.service import cancel_job, resume_job
from tests.integration.models.training.jobs import (
    AUTHORITY,
    OPERATOR,
    at_percent,
    ended,
    job_now,
    kill,
    processes_of,
    runner_process,
    running,
    started,
    until,
)

pytestmark = pytest.mark.engines


async def cancel(database: Database, job: Job) -> Job:
    async with database.unit_of_work() as uow:
        found = await cancel_job(uow, AUTHORITY, OPERATOR, job.id)
        await uow.commit()
    return found


async def resume(database: Database, home: Path, job: Job, *, fresh: bool = False) -> Job:
    async with database.unit_of_work() as uow:
        found = await resume_job(uow, AUTHORITY, home, OPERATOR, job.id, fresh=fresh)
        await uow.commit()
    return found


def attempts(home: Path, job: Job) -> list[int]:
    """The step that each attempt began at; the checkpoints of a job that is done are gone."""
    return [int(line) for line in (JobFolder.of(home, job.id).checkpoints / "attempts").read_text().split()]


async def test_a_job_tells_how_far_it_is_and_ends_in_the_registry(database: Database, home: Path) -> None:
    job = await started(database, home, steps=60, seconds=0.05)
    seen = []
    async with running(database, home):
        middle = await at_percent(database, job, 20)
        while (now := await job_now(database, job)).state is JobState.RUNNING:
            seen.append((now.progress.percent, now.progress.seconds_left))
            await asyncio.sleep(0.2)
        done = await ended(database, job)
    assert middle.runner is not None
    assert done.state is JobState.DONE
    assert done.progress.percent == 100.0
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    left = [seconds for _, seconds in seen if seconds is not None]
    assert left
    assert left[-1] < 3.0
    assert done.result is not None
    assert done.result["evaluation"] == {"score": 0.5}
    folder = JobFolder.of(home, job.id)
    steps, values = folder.curves()["loss"]
    assert (steps[0], steps[-1], values[0]) == (1, 60, 1.0)
    assert "step 60 of 60" in folder.log_tail()[0]
    assert not folder.checkpoints.exists()
    async with database.unit_of_work() as uow:
        version = await require_version(uow, "test-counter", done.result["version"])
    assert {each.metric: each.value for each in version.card.evals} == {"score": 0.5, "score (baseline)": 0.1}
    assert version.card.trained_on is not None
    assert job.data.sha256 in version.card.trained_on.zh
    assert version.folder is not None
    assert (home / version.folder / "weights.safetensors").is_file()


async def test_a_better_result_is_proposed_and_never_switched_by_itself(database: Database, home: Path) -> None:
    async with running(database, home):
        first = await ended(database, await started(database, home, score=0.5))
        better = await ended(database, await started(database, home, score=0.7))
        worse = await ended(database, await started(database, home, score=0.55))
    assert first.result is not None
    assert better.result is not None
    assert worse.result is not None
    assert (better.result["better"], better.result["candidate"]) == (True, True)
    assert (worse.result["better"], worse.result["candidate"]) == (False, False)
    async with database.unit_of_work() as uow:
        aliases = (await require_model(uow, "test-counter")).aliases
    assert aliases == {"champion": first.result["version"], "candidate": better.result["version"]}


async def test_cancelled_in_the_middle_it_stops_within_seconds_and_goes_on_later(
    database: Database, home: Path
) -> None:
    job = await started(database, home, steps=200, seconds=0.05)
    async with running(database, home):
        await at_percent(database, job, 10)
        began = time.monotonic()
        assert (await cancel(database, job)).state is JobState.STOPPING
        cancelled = await ended(database, job)
        assert time.monotonic() - began < 5.0
        assert cancelled.state is JobState.CANCELLED
        assert cancelled.ended_at is not None
        assert processes_of(home, job) == []
        with pytest.raises(Conflict):
            await cancel(database, job)
        steps = JobFolder.of(home, job.id).curves()["loss"][0][-1]
        await resume(database, home, job)
        await until(database, job, lambda _: len(attempts(home, job)) == 2)
        assert attempts(home, job) == [0, steps]
        await cancel(database, job)
        await ended(database, job)
        await resume(database, home, job, fresh=True)
        await until(database, job, lambda now: now.state is JobState.RUNNING and 0 < now.progress.percent < 10)
        assert attempts(home, job) == [0]


async def test_a_job_that_does_not_listen_is_stopped_all_the_same(database: Database, home: Path) -> None:
    job = await started(database, home, misbehave="deaf")
    async with running(database, home):
        await until(database, job, lambda now: now.progress.percent > 0)
        await cancel(database, job)
        assert (await ended(database, job, 10)).state is JobState.CANCELLED
    assert processes_of(home, job) == []


async def test_one_that_waits_is_cancelled_at_once(database: Database, home: Path) -> None:
    job = await started(database, home)
    assert (await cancel(database, job)).state is JobState.CANCELLED
    async with running(database, home):
        await asyncio.sleep(1.0)
    assert (await job_now(database, job)).state is JobState.CANCELLED
    assert not JobFolder.of(home, job.id).log.exists()


async def test_kill_9_of_its_process_and_it_goes_on_from_its_checkpoint(database: Database, home: Path) -> None:
    job = await started(database, home, steps=60, seconds=0.05)
    async with running(database, home):
        await at_percent(database, job, 40)
        kill(processes_of(home, job)[0])
        again = await until(database, job, lambda now: now.attempts == 2 and now.progress.percent > 60)
        assert again.error is not None
        assert "SIGKILL" in again.error["message"]
        assert attempts(home, job)[1] >= 20
        done = await ended(database, job)
    assert done.state is JobState.DONE
    assert done.error is None
    assert JobFolder.of(home, job.id).curves()["loss"][0] == list(range(1, 61))


async def test_one_that_always_dies_fails_with_the_reason(database: Database, home: Path) -> None:
    job = await started(database, home, misbehave="die")
    async with running(database, home):
        failed = await ended(database, job)
    assert (failed.state, failed.attempts) == (JobState.FAILED, ATTEMPTS)
    assert failed.error is not None
    assert failed.error["code"] == "training_process_lost"


async def test_kill_9_of_its_runner_leaves_no_phantom(database: Database, database_url: str, home: Path) -> None:
    job = await started(database, home, steps=100, seconds=0.05)
    async with runner_process(database_url, home) as process:
        before = await at_percent(database, job, 30)
        process.kill()
        await process.wait()
    end = time.monotonic() + 7.0
    while processes_of(home, job):
        assert time.monotonic() < end, "its process outlived its runner"
        await asyncio.sleep(0.1)
    async with running(database, home) as runner:
        taken = await until(database, job, lambda now: now.runner == runner.id)
        assert taken.attempts == 2
        assert (await ended(database, job)).state is JobState.DONE
    assert before.runner != runner.id


async def test_a_dead_runners_job_that_was_being_cancelled_is_cancelled(
    database: Database, database_url: str, home: Path
) -> None:
    job = await started(database, home, steps=400, seconds=0.05)
    async with runner_process(database_url, home) as process:
        await at_percent(database, job, 2)
        process.kill()
        await process.wait()
    await cancel(database, job)
    async with running(database, home):
        assert (await ended(database, job)).state is JobState.CANCELLED


async def test_the_platform_goes_down_in_good_order(database: Database, home: Path) -> None:
    job = await started(database, home, steps=200, seconds=0.05)
    async with running(database, home):
        await at_percent(database, job, 5)
    waiting = await job_now(database, job)
    assert (waiting.state, waiting.runner, waiting.attempts) == (JobState.QUEUED, None, 0)
    assert processes_of(home, job) == []
    assert (JobFolder.of(home, job.id).checkpoints / "step").exists()


@pytest.mark.parametrize(
    ("misbehave", "limits", "code"),
    [
        ("memory", Limits(memory_mb=512), "training_memory"),
        ("disk", Limits(memory_mb=2048, disk_mb=8), "training_disk"),
        ("deaf", Limits(memory_mb=2048, seconds=2), "training_time"),
        ("raise", Limits(memory_mb=2048), "training_data_few"),
    ],
)
async def test_what_goes_beyond_a_limit_fails_and_says_which(
    database: Database, home: Path, misbehave: str, limits: Limits, code: str
) -> None:
    job = await started(database, home, limits=limits, misbehave=misbehave)
    async with running(database, home):
        failed = await ended(database, job)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert failed.error["code"] == code
    assert failed.attempts == 1
    assert processes_of(home, job) == []


async def test_a_result_that_cannot_be_kept_fails_and_is_not_running_for_ever(database: Database, home: Path) -> None:
    job = await started(database, home, misbehave="nul")
    async with running(database, home):
        failed = await ended(database, job)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert failed.error["code"] == "training_broke"


async def test_a_talkative_job_is_no_burden(database: Database, home: Path) -> None:
    job = await started(database, home, misbehave="chatter")
    async with running(database, home):
        assert (await ended(database, job)).state is JobState.DONE
    folder = JobFolder.of(home, job.id)
    tail, _ = folder.log_tail()
    assert "step 20 of 20" in tail
    assert len(tail.encode()) <= 16_384
    assert sum(path.stat().st_size for path in folder.path.glob("log*")) < 45 * 2**20


async def test_jobs_run_in_their_order_one_at_a_time(database: Database, home: Path) -> None:
    jobs = [await started(database, home, steps=10, seconds=0.03) for _ in range(3)]
    async with database.unit_of_work() as uow:
        assert [await TrainingRepository(uow.session).ahead_of(job) for job in jobs] == [0, 1, 2]
    most = 0
    async with running(database, home):
        while (await job_now(database, jobs[-1])).state is not JobState.DONE:
            async with database.unit_of_work() as uow:
                most = max(most, len(await TrainingRepository(uow.session).held()))
            await asyncio.sleep(0.05)
    ends = [await job_now(database, job) for job in jobs]
    times = [each.started_at for each in ends]
    assert times == sorted(times, key=lambda each: each or ends[0].created_at)
    for before, after in pairwise(ends):
        assert before.ended_at is not None
        assert after.started_at is not None
        assert before.ended_at <= after.started_at
    assert most == 1


async def test_two_runners_never_take_one_job_twice(database: Database, home: Path) -> None:
    jobs = [await started(database, home, steps=5) for _ in range(4)]
    async with running(database, home), running(database, home):
        ends = [await ended(database, job) for job in jobs]
    assert [each.state for each in ends] == [JobState.DONE] * 4
    assert [each.attempts for each in ends] == [1] * 4


async def test_a_recipe_that_is_gone_fails_its_job(database: Database, home: Path) -> None:
    job = await started(database, home)
    async with database.unit_of_work() as uow:
        repository = TrainingRepository(uow.session)
        found = await repository.get(Scope(), job.id)
        assert found is not None
        await repository.save(replace(found, kind="no-such-recipe"))
        await uow.commit()
    async with running(database, home):
        failed = await ended(database, job)
    assert failed.error is not None
    assert failed.error["code"] == "training_kind_unknown"
