"""Agents as records. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chengnao.agents.model import Agent


@dataclass(frozen=True)
class AgentRecord:
    """An agent of a unit, or of a division as a whole where `unit_id` is None."""

    id: str
    division_code: str
    unit_id: str | None
    builtin: bool
    """Came with the platform or with a pack."""
    created_at: datetime
    created_by: str
    created_by_name: str
    latest_version: int
    published_version: int | None = None
    published_at: datetime | None = None
    published_by: str | None = None
    retired_at: datetime | None = None


@dataclass(frozen=True)
class AgentVersion:
    """One version of an agent's definition; it never changes."""

    agent_id: str
    version: int
    digest: str
    """SHA-256 of the canonical definition, in hex."""
    definition: Agent
    division_code: str
    """Of the agent, as is `unit_id`."""
    unit_id: str | None
    author: str
    author_name: str
    at: datetime
    note: str


class Step(StrEnum):
    """What was done about the version that people use."""

    PUBLISH = "publish"
    ROLLBACK = "rollback"
    RETIRE = "retire"


@dataclass(frozen=True)
class Publication:
    """One change of the version that people use."""

    id: str
    agent_id: str
    step: Step
    version: int | None
    """In use from then on; None where the agent was retired."""
    previous: int | None
    by: str
    by_name: str
    at: datetime
    note: str
    score: float | None = None
    """Of the evaluation that allowed it, where the definition asks for one."""
    eval_run_id: str | None = None
    waived: str | None = None
    """Why it was published without the evaluation that it needs."""


@dataclass(frozen=True)
class Shares:
    """Who may use the published version besides the owner: a division stands for all that lies in it."""

    unit_ids: tuple[str, ...] = ()
    division_codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """An agent as a list shows it: of the version in use, or of the latest one where none is."""

    record: AgentRecord
    version: AgentVersion
    own: bool
    """Belongs to the asker's side, who sees all versions; else only the one in use is shown."""


@dataclass(frozen=True)
class Wanted:
    """What a list of agents is narrowed to."""

    words: str = ""
    kind: str | None = None
    capability: str | None = None
    retired: bool = False
    published_only: bool = False


@dataclass(frozen=True)
class Problem:
    """Something wrong in a definition: where, and what to do."""

    path: str
    """Names from the outside in, with dots: `limits.tokens`, `tools.0`."""
    zh: str
    en: str
    line: int | None = None
    """In the YAML text, from 1."""


@dataclass(frozen=True)
class Checked:
    """A definition that was read, or what is wrong with it; with a definition there may be problems too."""

    definition: Agent | None
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.definition is not None and not self.problems
