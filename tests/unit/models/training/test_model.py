"""The states of a training job, against a table written by hand and against all orders of things that can happen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.models.training.model import ATTEMPTS, ENDED, HELD, Data, Job, JobState, Limits, Progress, better

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WHY = ChengnaoError("training_runner_lost", attempts=1)
JOB = Job(
    id="a",
    name="试",
    kind="incident-classifier",
    config={},
    limits=Limits(),
    data=Data("a.csv", 10, "0" * 64),
    state=JobState.QUEUED,
    division_code="500103",
    unit_id=None,
    created_at=NOW,
    created_by="u",
    created_by_name="甲",
    queued_at=NOW,
)
STEPS = {
    "start": lambda job: job.start("r", NOW),
    "finish": lambda job: job.finish({"evaluation": {}}, NOW),
    "fail": lambda job: job.fail(WHY, NOW),
    "cancel": lambda job: job.cancel(NOW),
    "stopped": lambda job: job.stopped(NOW),
    "lose": lambda job: job.lose(WHY, NOW),
    "resume": lambda job: job.resume(NOW),
}
TABLE = {
    "queued": {"start": "running", "cancel": "cancelled"},
    "running": {"finish": "done", "fail": "failed", "cancel": "stopping", "lose": "queued"},
    "stopping": {"finish": "done", "fail": "failed", "stopped": "cancelled", "lose": "cancelled"},
    "done": {},
    "failed": {"resume": "queued"},
    "cancelled": {"resume": "queued"},
}


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("step", list(STEPS))
def test_what_is_possible_in_each_state(state: JobState, step: str) -> None:
    job = replace(JOB, state=state, runner="r" if state in HELD else None)
    wanted = TABLE[state.value].get(step)
    if wanted is None:
        with pytest.raises(Conflict):
            STEPS[step](job)
    else:
        assert STEPS[step](job).state == wanted


def test_a_job_that_loses_its_process_again_and_again_fails_with_the_reason() -> None:
    job = JOB
    for _ in range(ATTEMPTS - 1):
        job = job.start("r", NOW).lose(WHY, NOW)
        assert job.state is JobState.QUEUED
        assert job.error is not None
    job = job.start("r", NOW).lose(WHY, NOW)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "training_runner_lost"


def test_going_down_in_good_order_costs_no_attempt() -> None:
    job = JOB
    for _ in range(10):
        job = job.start("r", NOW).interrupt(NOW)
        assert (job.state, job.attempts, job.runner) == (JobState.QUEUED, 0, None)
    assert JOB.start("r", NOW).cancel(NOW).interrupt(NOW).state is JobState.CANCELLED


def test_resuming_goes_behind_those_that_wait_and_forgets_the_error() -> None:
    failed = replace(JOB.start("r", NOW).fail(WHY, NOW), progress=Progress(40.0, "train", 9.0))
    resumed = failed.resume(NOW + timedelta(hours=1))
    assert resumed.queued_at == NOW + timedelta(hours=1)
    assert (resumed.error, resumed.ended_at, resumed.attempts) == (None, None, 0)
    assert (resumed.progress.percent, resumed.progress.seconds_left) == (40.0, None)


def test_a_cancellation_that_comes_too_late_leaves_the_result() -> None:
    done = JOB.start("r", NOW).cancel(NOW).finish({"evaluation": {"accuracy": 0.9}}, NOW)
    assert done.state is JobState.DONE
    assert done.progress.percent == 100.0


def test_better_needs_both_figures_of_the_same_rows() -> None:
    assert better("macro_f1", True, {"macro_f1": 0.8}, {"macro_f1": 0.7}) is True
    assert better("macro_f1", True, {"macro_f1": 0.7}, {"macro_f1": 0.7}) is False
    assert better("mase", False, {"mase": 0.7}, {"mase": 0.8}) is True
    assert better("mase", False, {"mase": 0.7}, None) is None
    assert better("mase", False, {"mase": 0.7}, {"other": 0.8}) is None


class Life(RuleBasedStateMachine):
    """A job, and all that can happen to it in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.job = JOB
        self.losses = 0

    @precondition(lambda self: self.job.state is JobState.QUEUED)
    @rule(runner=st.sampled_from(["r1", "r2"]))
    def start(self, runner: str) -> None:
        self.job = self.job.start(runner, NOW)

    @precondition(lambda self: self.job.state in HELD)
    @rule()
    def lose(self) -> None:
        self.losses += 1
        self.job = self.job.lose(WHY, NOW)

    @precondition(lambda self: self.job.state in HELD)
    @rule()
    def interrupt(self) -> None:
        self.job = self.job.interrupt(NOW)

    @precondition(lambda self: self.job.state in HELD)
    @rule(well=st.booleans())
    def end(self, well: bool) -> None:
        self.job = self.job.finish({"evaluation": {}}, NOW) if well else self.job.fail(WHY, NOW)

    @precondition(lambda self: self.job.state in (JobState.QUEUED, JobState.RUNNING))
    @rule()
    def cancel(self) -> None:
        self.job = self.job.cancel(NOW)

    @precondition(lambda self: self.job.state is JobState.STOPPING)
    @rule()
    def stopped(self) -> None:
        self.job = self.job.stopped(NOW)

    @precondition(lambda self: self.job.state in (JobState.FAILED, JobState.CANCELLED))
    @rule()
    def resume(self) -> None:
        self.losses = 0
        self.job = self.job.resume(NOW)

    @precondition(lambda self: self.job.state is JobState.DONE)
    @rule()
    def another(self) -> None:
        """Done is the end; the next job begins."""
        self.job, self.losses = JOB, 0

    @invariant()
    def nothing_runs_without_a_runner(self) -> None:
        assert (self.job.state in HELD) == (self.job.runner is not None)

    @invariant()
    def what_has_ended_says_when_and_nothing_else_does(self) -> None:
        assert (self.job.state in ENDED) == (self.job.ended_at is not None)

    @invariant()
    def done_has_a_result_and_failed_a_reason(self) -> None:
        assert (self.job.result is not None) == (self.job.state is JobState.DONE)
        assert self.job.state is not JobState.FAILED or self.job.error is not None

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert 0 <= self.job.attempts <= ATTEMPTS
        assert self.losses <= ATTEMPTS


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
