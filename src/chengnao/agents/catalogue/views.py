"""Agents as the API shows them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.agents.catalogue.definition import canonical, write_yaml
from chengnao.agents.catalogue.model import AgentVersion, Checked, Listed, Problem, Publication, Shares, Step
from chengnao.agents.evals.model import Quality
from chengnao.agents.model import Agent, Autonomy, Capability
from chengnao.agents.runtime.usage import Usage
from chengnao.agents.tools import Rule, Tool
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource


class ProblemOut(BaseModel):
    """`line` counts from 1 in the YAML text; None where the definition came as an object."""

    path: str
    line: int | None
    message: str
    message_en: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        return cls(path=problem.path, line=problem.line, message=problem.zh, message_en=problem.en)


class CheckedOut(BaseModel):
    """`definition` is there where the text could be read, also with errors left."""

    ok: bool
    errors: list[ProblemOut]
    definition: dict[str, Any] | None
    yaml: str | None

    @classmethod
    def of(cls, checked: Checked) -> Self:
        definition = checked.definition
        return cls(
            ok=checked.ok,
            errors=[ProblemOut.of(each) for each in checked.problems],
            definition=None if definition is None else canonical(definition),
            yaml=None if definition is None else write_yaml(definition),
        )


class QualityOut(BaseModel):
    """The latest evaluation of the version shown: the share that was right, with its 95 % interval."""

    eval_run_id: str
    set: str
    version: int
    items: int
    score: float
    low: float
    high: float
    at: datetime

    @classmethod
    def of(cls, quality: Quality) -> Self:
        plain = {name: getattr(quality, name) for name in cls.model_fields if name != "set"}
        return cls(**plain, set=quality.set_id)


class UsageOut(BaseModel):
    """Without trial runs. `money` in yuan; seconds of real time, waiting for people included."""

    runs: int
    by_model: int
    by_rule: int
    by_human: int
    failed: int
    fallback_share: float | None
    useful: int
    useless: int
    tokens: int
    money: float
    p50_seconds: float | None
    p95_seconds: float | None

    @classmethod
    def of(cls, usage: Usage) -> Self:
        return cls(**{name: getattr(usage, name) for name in cls.model_fields})


class AgentOut(BaseModel):
    """An agent in a list. `own`: of the asker's side, which sees all versions; `usable`: the asker may run it now."""

    id: str
    name: str
    name_en: str
    purpose: str
    kind: str
    capability: Capability
    capability_name: str
    autonomy: Autonomy
    grade: str
    published_version: int | None
    latest_version: int
    division_code: str
    division_name: str
    unit_id: str | None
    unit_name: str | None
    builtin: bool
    own: bool
    usable: bool
    retired: bool
    quality: QualityOut | None
    runs_30d: int
    model_off_ok: bool
    """A rule answers where no model does."""

    @classmethod
    def of(
        cls,
        listed: Listed,
        names: "Names",
        quality: Quality | None,
        usage: Usage,
        *,
        may_run: bool,
    ) -> Self:
        return cls(**_plain(listed, names, quality, usage, may_run))


class Names:
    """Names of divisions and units by id."""

    def __init__(self, divisions: dict[str, str], units: dict[str, str]) -> None:
        self.divisions = divisions
        self.units = units


def _plain(listed: Listed, names: Names, quality: Quality | None, usage: Usage, may_run: bool) -> dict[str, Any]:
    record, definition = listed.record, listed.version.definition
    return {
        "id": record.id,
        "name": definition.name.zh,
        "name_en": definition.name.en,
        "purpose": _purpose(definition),
        "kind": definition.kind,
        "capability": definition.capability,
        "capability_name": definition.capability.zh,
        "autonomy": definition.autonomy,
        "grade": definition.grade,
        "published_version": record.published_version,
        "latest_version": record.latest_version if listed.own else record.published_version,
        "division_code": record.division_code,
        "division_name": names.divisions.get(record.division_code, record.division_code),
        "unit_id": record.unit_id,
        "unit_name": None if record.unit_id is None else names.units.get(record.unit_id, record.unit_id),
        "builtin": record.builtin,
        "own": listed.own,
        "usable": may_run and record.published_version is not None and record.retired_at is None,
        "retired": record.retired_at is not None,
        "quality": None if quality is None else QualityOut.of(quality),
        "runs_30d": usage.runs,
        "model_off_ok": definition.fallback.rule is not None,
    }


def _purpose(definition: Agent) -> str:
    return definition.purpose if isinstance(definition.purpose, str) else definition.purpose.zh


class SharesOut(BaseModel):
    unit_ids: list[str]
    division_codes: list[str]

    @classmethod
    def of(cls, shares: Shares) -> Self:
        return cls(unit_ids=list(shares.unit_ids), division_codes=list(shares.division_codes))


class AgentDetail(AgentOut):
    """`may`: what the asker may do with it, of write, evaluate, publish, waive; `version`: the one shown."""

    version: int
    digest: str
    definition: dict[str, Any]
    yaml: str
    shares: SharesOut
    usage: UsageOut
    may: list[str]
    created_by_name: str
    created_at: datetime
    published_at: datetime | None

    @classmethod
    def whole(
        cls,
        listed: Listed,
        names: Names,
        quality: Quality | None,
        usage: Usage,
        shares: Shares,
        authority: Authority,
        principal: Principal,
    ) -> Self:
        record, version = listed.record, listed.version
        owner = Resource(record.division_code, record.unit_id)
        may = [
            verb
            for verb in ("write", "evaluate", "publish", "waive")
            if authority.allows(principal, f"agent.{verb}", owner)
        ]
        plain = _plain(listed, names, quality, usage, True)
        return cls(
            **plain,
            version=version.version,
            digest=version.digest,
            definition=canonical(version.definition),
            yaml=write_yaml(version.definition),
            shares=SharesOut.of(shares),
            usage=UsageOut.of(usage),
            may=may,
            created_by_name=record.created_by_name,
            created_at=record.created_at,
            published_at=record.published_at,
        )


class VersionOut(BaseModel):
    version: int
    digest: str
    author_name: str
    at: datetime
    note: str

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        return cls(**{name: getattr(version, name) for name in cls.model_fields})


class VersionDetail(VersionOut):
    definition: dict[str, Any]
    yaml: str

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        plain = {name: getattr(version, name) for name in VersionOut.model_fields}
        return cls(**plain, definition=canonical(version.definition), yaml=write_yaml(version.definition))


_STEP_NAMES = {Step.PUBLISH: "发布", Step.ROLLBACK: "回退", Step.RETIRE: "停用"}


class PublicationOut(BaseModel):
    """One change of the version in use. `score`: of the evaluation that allowed it; `waived`: why there was none."""

    id: str
    step: Step
    step_name: str
    version: int | None
    previous: int | None
    by_name: str
    at: datetime
    note: str
    score: float | None
    eval_run_id: str | None
    waived: str | None

    @classmethod
    def of(cls, publication: Publication) -> Self:
        plain = {name: getattr(publication, name) for name in cls.model_fields if name != "step_name"}
        return cls(**plain, step_name=_STEP_NAMES[publication.step])


class ToolOut(BaseModel):
    """`effect`: read, write or outward; `outside`: of a server that is not the platform's."""

    name: str
    zh: str
    description: str
    effect: str
    action: str
    personal: bool
    outside: bool
    input: dict[str, Any]
    output: dict[str, Any]

    @classmethod
    def of(cls, tool: Tool[Any, Any]) -> Self:
        return cls(
            name=tool.name,
            zh=tool.zh,
            description=tool.description,
            effect=tool.effect.value,
            action=tool.action,
            personal=tool.personal,
            outside=tool.name.startswith("mcp."),
            input=tool.input.model_json_schema(),
            output=tool.output.model_json_schema(),
        )


class RuleOut(BaseModel):
    name: str
    zh: str

    @classmethod
    def of(cls, rule: Rule) -> Self:
        return cls(name=rule.name, zh=rule.zh)
