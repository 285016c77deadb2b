"""Training jobs and their states. Pure.

A job that runs belongs to a runner, whose beat grows as long as it lives: a job whose beat stands still has lost its
runner and goes back into the queue, to go on from its last checkpoint. So nothing is shown as running that is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.kernel.vocabulary import Named

ATTEMPTS = 3
"""So often a job is begun whose process or runner died without a reason that it could name."""


class JobState(Named):
    QUEUED = "queued", "排队中", "queued"
    RUNNING = "running", "训练中", "running"
    STOPPING = "stopping", "停止中", "stopping"
    DONE = "done", "已完成", "done"
    FAILED = "failed", "失败", "failed"
    CANCELLED = "cancelled", "已取消", "cancelled"


class Action(Named):
    START = "start", "开始", "start"
    FINISH = "finish", "完成", "finish"
    FAIL = "fail", "失败", "fail"
    CANCEL = "cancel", "取消", "cancel"
    STOP = "stop", "停止", "stop"
    """What runs has ended because somebody cancelled it."""
    LOSE = "lose", "中断", "lose"
    """Its process or its runner is gone."""
    RESUME = "resume", "继续", "resume"


TRANSITIONS: Mapping[tuple[JobState, Action], JobState] = {
    (JobState.QUEUED, Action.START): JobState.RUNNING,
    (JobState.QUEUED, Action.CANCEL): JobState.CANCELLED,
    (JobState.RUNNING, Action.FINISH): JobState.DONE,
    (JobState.RUNNING, Action.FAIL): JobState.FAILED,
    (JobState.RUNNING, Action.CANCEL): JobState.STOPPING,
    (JobState.RUNNING, Action.LOSE): JobState.QUEUED,
    (JobState.STOPPING, Action.FINISH): JobState.DONE,
    (JobState.STOPPING, Action.FAIL): JobState.FAILED,
    (JobState.STOPPING, Action.STOP): JobState.CANCELLED,
    (JobState.STOPPING, Action.LOSE): JobState.CANCELLED,
    (JobState.FAILED, Action.RESUME): JobState.QUEUED,
    (JobState.CANCELLED, Action.RESUME): JobState.QUEUED,
}
HELD = (JobState.RUNNING, JobState.STOPPING)
"""In these states a job belongs to a runner."""
ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Limits:
    """What a job may take; beyond it the job fails and says so."""

    memory_mb: int = 4096
    seconds: int = 6 * 3600
    """Real seconds of one attempt."""
    disk_mb: int = 4096
    """Of its own folder."""


@dataclass(frozen=True)
class Refusal:
    """A row of the data that is not learnt from, and why."""

    row: int
    """The line of the file, or the number of the case."""
    zh: str
    en: str


@dataclass(frozen=True)
class Data:
    """What a job learns from."""

    origin: str
    """The name of the file, or of the source."""
    rows: int
    sha256: str
    """Of the masked rows as they are kept."""
    refused: int = 0
    refusals: Sequence[Refusal] = ()
    """The first ones."""
    masked: int = 0
    """Rows in which personal details were hidden."""


@dataclass(frozen=True)
class Progress:
    """How far a job is: `percent` of the whole, in which step, and the real seconds left, None while unknown."""

    percent: float = 0.0
    step: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True)
class Job:
    id: str
    name: str
    kind: str
    """The recipe."""
    config: Mapping[str, Any]
    limits: Limits
    data: Data
    state: JobState
    division_code: str
    unit_id: str | None
    created_at: datetime
    created_by: str
    created_by_name: str
    queued_at: datetime
    """Its place in the queue."""
    attempts: int = 0
    """Since it was last queued by a person."""
    runner: str | None = None
    beat: int = 0
    progress: Progress = field(default_factory=Progress)
    started_at: datetime | None = None
    """Of the present or the last attempt."""
    ended_at: datetime | None = None
    error: Mapping[str, Any] | None = None
    """Why it failed, or why its last attempt broke off, as the API shows errors."""
    result: Mapping[str, Any] | None = None
    promoted_at: datetime | None = None
    promoted_by_name: str | None = None

    def _to(self, action: Action, **values: Any) -> "Job":
        state = TRANSITIONS.get((self.state, action))
        if state is None:
            raise Conflict(
                "training_not_possible",
                state=self.state.zh,
                state_en=self.state.en,
                action=action.zh,
                action_en=action.en,
            )
        if state not in HELD:
            values["runner"] = None
        return replace(self, state=state, **values)

    def start(self, runner: str, now: datetime) -> "Job":
        """Begin an attempt; the job belongs to the runner from now on."""
        return self._to(Action.START, runner=runner, attempts=self.attempts + 1, started_at=now)

    def finish(self, result: Mapping[str, Any], now: datetime) -> "Job":
        """It has ended well; a cancellation that came too late changes nothing."""
        done = Progress(100.0, self.progress.step, 0.0)
        return self._to(Action.FINISH, result=result, ended_at=now, error=None, progress=done)

    def fail(self, error: ChengnaoError, now: datetime) -> "Job":
        return self._to(Action.FAIL, error=error.to_dict(), ended_at=now)

    def cancel(self, now: datetime) -> "Job":
        """Ask it to stop; one that waits is cancelled at once."""
        return self._to(Action.CANCEL, ended_at=now if self.state is JobState.QUEUED else None)

    def stopped(self, now: datetime) -> "Job":
        return self._to(Action.STOP, ended_at=now)

    def lose(self, why: ChengnaoError, now: datetime) -> "Job":
        """Its process or runner died: it goes on from its last checkpoint, or fails where that was often enough."""
        if self.state is JobState.STOPPING:
            return self._to(Action.LOSE, ended_at=now)
        if self.attempts >= ATTEMPTS:
            return self.fail(why, now)
        return self._to(Action.LOSE, error=why.to_dict())

    def interrupt(self, now: datetime) -> "Job":
        """The platform goes down in good order: the attempt does not count."""
        if self.state is JobState.STOPPING:
            return self.stopped(now)
        return self._to(Action.LOSE, attempts=self.attempts - 1)

    def resume(self, now: datetime) -> "Job":
        """Queue it again, behind those that wait."""
        progress = replace(self.progress, seconds_left=None)
        return self._to(Action.RESUME, attempts=0, queued_at=now, ended_at=None, error=None, progress=progress)


def better(metric: str, higher: bool, result: Mapping[str, Any], rival: Mapping[str, Any] | None) -> bool | None:
    """Whether the result beats the model in use on the same rows; None where there is no rival to compare with."""
    if rival is None or metric not in rival or metric not in result:
        return None
    ours, theirs = float(result[metric]), float(rival[metric])
    return ours > theirs if higher else ours < theirs
