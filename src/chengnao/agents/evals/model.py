"""Evaluation sets and runs. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chengnao.agents.model import Name
from chengnao.kernel.access.model import Principal
from chengnao.kernel.vocabulary import Named


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(_Part):
    """One thing that a rubric asks of an answer; what is not given is not asked."""

    field: str = ""
    """Where in the result, with dots; empty: all its texts together."""
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    min_chars: Annotated[int, Field(ge=0)] = 0
    max_chars: Annotated[int, Field(ge=1)] | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    text: str = ""
    """What it asks, for people."""


class Scorer(_Part):
    """How an answer is judged against `expected`; gives a score in 0..1.

    exact: the fields have the expected values. choice: each is one of the expected list. set_f1: lists share members,
    by F1. contains: the texts contain every expected text and none of `absent`. number: within `tolerance` or
    `relative` of the expected number. schema: the answer fits the agent's output schema. citation: every quote stands
    in the passage it names, and there is one unless the answer says that nothing was found. rubric: the weighted share
    of `criteria` that are met.
    """

    kind: Literal["exact", "choice", "set_f1", "contains", "number", "schema", "citation", "rubric"]
    fields: tuple[str, ...] = ()
    """Which of the expected fields; empty: all of them."""
    absent: tuple[str, ...] = ()
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    relative: Annotated[float, Field(ge=0)] = 0.0
    criteria: tuple[Criterion, ...] = ()
    mark: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The score from which the answer counts as right."""

    @model_validator(mode="after")
    def criteria_for_a_rubric(self) -> "Scorer":
        if (self.kind == "rubric") != bool(self.criteria):
            raise ValueError("criteria belong to a rubric, and a rubric has some")
        return self


_COMPARES = frozenset({"exact", "choice", "set_f1", "contains", "number"})


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Scorers = Annotated[tuple[Scorer, ...], BeforeValidator(_several), Field(min_length=1, max_length=8)]
ItemId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
SetId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,63}$")]


class Source(_Part):
    """Where an item comes from: a run, an incident, a report; a person can look it up."""

    kind: Annotated[str, Field(max_length=40)]
    id: Annotated[str, Field(max_length=100)]


class Item(_Part):
    """One case: what the agent is given, and what is right."""

    id: ItemId
    input: dict[str, Any]
    expected: dict[str, Any] = {}
    scorer: Scorers
    """With several, all must be satisfied; the score is the lowest."""
    split: Literal["dev", "test"] = "test"
    """`dev` may be looked at while an agent is made; figures are given of `test`."""
    synthetic: bool = False
    """Written for this set, not taken from a case."""
    source: Source | None = None
    note: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def something_is_expected(self) -> "Item":
        for scorer in self.scorer:
            if scorer.kind in _COMPARES and not (scorer.fields or self.expected or scorer.absent):
                raise ValueError(f"{scorer.kind} needs something in expected")
            missing = sorted(set(scorer.fields) - self.expected.keys())
            if scorer.kind in _COMPARES and missing:
                raise ValueError(f"{scorer.kind} names fields that expected has not: {', '.join(missing)}")
        return self


class SetFile(_Part):
    """An evaluation set as its YAML file has it; `scorer` holds for items that have none."""

    id: SetId
    name: Name
    purpose: Annotated[str, Field(max_length=1000)] = ""
    scorer: Scorers | None = None
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=5000)]

    @model_validator(mode="before")
    @classmethod
    def scorer_for_all(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("items"), list | tuple) or not value.get("scorer"):
            return value
        filled = [{"scorer": value["scorer"]} | each if isinstance(each, dict) else each for each in value["items"]]
        return value | {"items": filled}

    @model_validator(mode="after")
    def each_id_once(self) -> "SetFile":
        if len({each.id for each in self.items}) != len(self.items):
            raise ValueError("an item id is given twice")
        return self


@dataclass(frozen=True)
class EvalSet:
    """A set of the platform, or of one agent of a bureau."""

    id: str
    agent_id: str | None
    """None for a set that comes with the platform."""
    name: str
    name_en: str
    purpose: str
    division_code: str
    unit_id: str | None
    created_at: datetime
    created_by_name: str
    digest: str = ""
    """Of the file that a set of the platform was taken from."""

    @property
    def builtin(self) -> bool:
        return self.agent_id is None


class Mode(Named):
    """With what the versions are run."""

    MODEL = "model", "使用模型", "with the model"
    SCRIPTED = "scripted", "使用脚本模型", "with a scripted model"
    OFF = "off", "关闭模型", "with models off"


class EvalState(Named):
    QUEUED = "queued", "排队中", "queued"
    RUNNING = "running", "运行中", "running"
    DONE = "done", "已完成", "done"
    FAILED = "failed", "失败", "failed"
    CANCELLED = "cancelled", "已取消", "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (EvalState.QUEUED, EvalState.RUNNING)


@dataclass(frozen=True)
class EvalRun:
    """One or two versions of an agent run over the items of a set, as trial runs."""

    id: str
    set_id: str
    agent_id: str
    versions: tuple[int, ...]
    digests: tuple[str, ...]
    mode: Mode
    split: str
    """`test`, `dev`, or `all`."""
    state: EvalState
    total: int
    """Results wanted: items times versions."""
    done: int
    principal: Principal
    division_code: str
    unit_id: str | None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel: bool = False
    summary: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Result:
    """What one version made of one item; not yet run where `score` is None."""

    eval_run_id: str
    version: int
    item: Item
    run_id: str | None = None
    score: float | None = None
    passed: bool | None = None
    reasons: list[str] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    by: str | None = None
    tokens: int = 0
    money: float = 0.0
    milliseconds: int = 0


@dataclass(frozen=True)
class Quality:
    """The latest finished evaluation of an agent with the model: the share that was right, with its 95 % interval."""

    eval_run_id: str
    set_id: str
    version: int
    items: int
    score: float
    low: float
    high: float
    at: datetime
