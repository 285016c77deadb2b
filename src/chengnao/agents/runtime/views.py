"""Runs and approvals as the API shows them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.agents.model import Effect
from chengnao.agents.runtime.model import Approval, ApprovalState, By, Run, RunState, Step, StepKind
from chengnao.agents.runtime.service import may_read
from chengnao.agents.tools import Evidence, Tool
from chengnao.kernel.access.model import Principal
from chengnao.kernel.vocabulary import DataClass


class StepOut(BaseModel):
    """One step of a trace; `at` is its end. `flags`: places in the data that read like instructions to a model."""

    seq: int
    kind: StepKind
    kind_name: str
    name: str
    at: datetime
    milliseconds: int
    input: Any
    output: Any
    prompt_tokens: int
    completion_tokens: int
    money: float
    model: str | None
    error: dict[str, Any] | None
    flags: list[dict[str, Any]]

    @classmethod
    def of(cls, step: Step, *, shown: bool) -> Self:
        derived = {"kind_name": step.kind.zh}
        if not shown:
            derived |= {"input": None, "output": None, "flags": []}  # type: ignore[dict-item]
        return cls(**{name: getattr(step, name) for name in cls.model_fields if name not in derived}, **derived)


class FeedbackOut(BaseModel):
    useful: bool
    comment: str
    by_name: str
    at: datetime


class RunOut(BaseModel):
    """A run. `by` says who answered; `reason` why it was not the model; `role` whom it was handed to.

    `withheld`: its data is sensitive, and the asker may not see it; `purged`: its texts were dropped when their time
    was up.
    """

    id: str
    agent_id: str
    version: int
    digest: str
    state: RunState
    state_name: str
    trial: bool
    data: DataClass
    input: dict[str, Any]
    result: dict[str, Any] | None
    evidence: list[Evidence]
    by: By | None
    by_name: str | None
    role: str | None
    confidence: float | None
    trace_id: str
    ai_label: str | None
    error: dict[str, Any] | None
    reason: dict[str, Any] | None
    model: str | None
    tokens: int
    money: float
    asked_by: str
    asked_by_name: str
    division_code: str
    unit_id: str | None
    feedback: FeedbackOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    withheld: bool
    purged: bool

    @classmethod
    def of(cls, run: Run, principal: Principal, **more: Any) -> Self:
        withheld = not shown_to(principal, run)
        derived: dict[str, Any] = {
            "state_name": run.state.zh,
            "by_name": None if run.by is None else run.by.zh,
            "withheld": withheld,
            "feedback": None if run.feedback is None else FeedbackOut(**run.feedback),
        } | more
        if withheld:
            derived |= {"input": {}, "result": None, "evidence": []}
        return cls(**{name: getattr(run, name) for name in cls.model_fields if name not in derived}, **derived)


class ApprovalOut(BaseModel):
    """Leave for one call; times are real time. `own`: the asker asked for it, and so cannot decide on it."""

    id: str
    run_id: str
    call_id: str
    agent_id: str
    version: int
    tool: str
    tool_name: str
    effect: Effect
    arguments: dict[str, Any] | None
    digest: str
    state: ApprovalState
    state_name: str
    own: bool
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime
    division_code: str
    unit_id: str | None
    decided_by_name: str | None
    decided_at: datetime | None
    reason: str | None
    used_at: datetime | None

    @classmethod
    def of(cls, approval: Approval, principal: Principal, tool: Tool[Any, Any] | None) -> Self:
        derived = {
            "tool_name": approval.tool if tool is None else tool.zh,
            "state_name": approval.state.zh,
            "own": approval.asked_by == principal.id,
        }
        return cls(**{name: getattr(approval, name) for name in cls.model_fields if name not in derived}, **derived)


class RunWithSteps(RunOut):
    """A run with its trace, and what it asked leave for."""

    steps: list[StepOut]
    approvals: list[ApprovalOut]


def shown_to(principal: Principal, run: Run) -> bool:
    """Whether the texts of the run are for the principal's eyes."""
    return run.data is not DataClass.SENSITIVE or may_read(principal, run)
