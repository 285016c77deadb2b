"""Runs, their steps, and the ledger of approvals. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chengnao.agents.model import Effect, Limits
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.kernel.vocabulary import DataClass, Named

AI_LABEL = "由 AI 生成，供参考"
"""Stands beside every answer of a model."""

APPROVAL_LASTS = timedelta(hours=24)
"""Real time from the asking; what is not decided and used by then never happens."""

KEEP = {DataClass.PUBLIC: 365, DataClass.INTERNAL: 180, DataClass.SENSITIVE: 30}
"""Days after its end for which a run's texts are kept, by the class of its data; the counts stay."""


class RunState(Named):
    QUEUED = "queued", "排队中", "queued"
    RUNNING = "running", "运行中", "running"
    WAITING = "waiting", "待审批", "waiting for approval"
    DONE = "done", "已完成", "done"
    FAILED = "failed", "失败", "failed"
    CANCELLED = "cancelled", "已取消", "cancelled"

    @property
    def ended(self) -> bool:
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class By(Named):
    """Who answered."""

    MODEL = "model", "模型", "model"
    RULE = "rule", "规则", "rule"
    HUMAN = "human", "人工", "person"


class StepKind(Named):
    MODEL = "model", "模型", "model"
    TOOL = "tool", "工具", "tool"
    RULE = "rule", "规则", "rule"
    APPROVAL = "approval", "审批", "approval"


@dataclass(frozen=True)
class Run:
    """One run as its row has it; `confidence` in 0..1, `money` in yuan."""

    id: str
    agent_id: str
    version: int
    digest: str
    state: RunState
    data: DataClass
    input: dict[str, Any]
    asked_by: str
    asked_by_name: str
    principal: Principal
    division_code: str
    unit_id: str | None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    definition: dict[str, Any] | None = None
    trial: bool = False
    result: dict[str, Any] | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    by: By | None = None
    role: str | None = None
    confidence: float | None = None
    error: dict[str, Any] | None = None
    reason: dict[str, Any] | None = None
    model: str | None = None
    tokens: int = 0
    money: float = 0.0
    cancel: bool = False
    tries: int = 0
    feedback: dict[str, Any] | None = None
    purged: bool = False

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, as OpenTelemetry wants them."""
        return self.id.replace("-", "")

    def ended(self, at: datetime) -> "Run":
        return replace(self, ended_at=at)

    @property
    def ai_label(self) -> str | None:
        return AI_LABEL if self.by is By.MODEL else None


@dataclass(frozen=True)
class Step:
    """One step of a run's trace."""

    run_id: str
    seq: int
    kind: StepKind
    name: str
    at: datetime
    milliseconds: int
    input: Any = None
    output: Any = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0
    model: str | None = None
    error: dict[str, Any] | None = None
    flags: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Spent:
    """What a run has used; only steps that are kept count, so it is the same after a crash."""

    tokens: int = 0
    milliseconds: int = 0
    money: float = 0.0
    steps: int = 0

    def add(self, step: Step) -> None:
        self.tokens += step.prompt_tokens + step.completion_tokens
        self.money += step.money
        if step.kind is not StepKind.APPROVAL:  # a person's time is not the agent's
            self.milliseconds += step.milliseconds
        self.steps += step.kind is StepKind.MODEL

    def over(self, limits: Limits) -> str | None:
        """The limit that is passed, if any."""
        if self.tokens > limits.tokens:
            return "tokens"
        if self.milliseconds >= limits.seconds * 1000:
            return "seconds"
        return "money" if self.money > limits.money else None

    def reached(self, limits: Limits) -> str | None:
        """The limit that leaves no room for another call of the model, if any."""
        if self.steps >= limits.steps:
            return "steps"
        if self.tokens >= limits.tokens:
            return "tokens"
        if 0 < limits.money <= self.money:
            return "money"
        return self.over(limits)


class ApprovalState(Named):
    OPEN = "open", "待审批", "to be decided"
    GRANTED = "granted", "已同意", "granted"
    REFUSED = "refused", "未同意", "refused"
    EXPIRED = "expired", "已过期", "expired"
    USED = "used", "已使用", "used"


@dataclass(frozen=True)
class Approval:
    """A person's leave for one call; times are real time."""

    id: str
    run_id: str
    call_id: str
    agent_id: str
    version: int
    tool: str
    effect: Effect
    arguments: dict[str, Any] | None
    digest: str
    state: ApprovalState
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime
    division_code: str
    unit_id: str | None
    decided_by: str | None = None
    decided_by_name: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    used_at: datetime | None = None

    def at(self, now: datetime) -> "Approval":
        """As it stands at this moment: what was neither refused nor used in time is expired."""
        alive = self.state in (ApprovalState.OPEN, ApprovalState.GRANTED)
        return replace(self, state=ApprovalState.EXPIRED) if alive and now >= self.expires_at else self

    def decided(self, actor: Principal, now: datetime, *, grant: bool, reason: str) -> "Approval":
        """Granted or refused by somebody else than who asked, once, and in time; raises Conflict or Forbidden."""
        if actor.id == self.asked_by:
            raise Forbidden("approval_own")
        present = self.at(now)
        if present.state is not ApprovalState.OPEN:
            raise Conflict("approval_decided", state=present.state.zh, state_en=present.state.en)
        return replace(
            self,
            state=ApprovalState.GRANTED if grant else ApprovalState.REFUSED,
            decided_by=actor.id,
            decided_by_name=actor.name,
            decided_at=now,
            reason=reason or None,
        )

    def used(self, digest: str, now: datetime) -> "Approval":
        """Used for the call that it was granted for, once, and in time; raises Conflict."""
        present = self.at(now)
        if present.state is not ApprovalState.GRANTED:
            raise Conflict("approval_not_granted", state=present.state.zh, state_en=present.state.en)
        if digest != self.digest:
            raise Conflict("approval_other_call", tool=self.tool)
        return replace(self, state=ApprovalState.USED, used_at=now)


def digest_of(*parts: Any) -> str:
    """SHA-256 over JSON values, the same whatever the order of keys."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def principal_to_json(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "name": principal.name,
        "kind": principal.kind,
        "roles": sorted(principal.roles),
        "division_code": principal.division_code,
        "unit_id": principal.unit_id,
        "demonstration": principal.demonstration,
    }


def principal_from_json(values: Mapping[str, Any]) -> Principal:
    return Principal(**{**values, "roles": frozenset(Role(each) for each in values["roles"])})
