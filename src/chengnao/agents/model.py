"""What an agent is: one YAML file, checked here. No class for each agent, no code in the file."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chengnao.kernel.vocabulary import DataClass, Named


class Capability(Named):
    """The eight capabilities of the plan that agents serve."""

    PERCEPTION = "perception", "智能感知", "Perception"
    FORECASTING = "forecasting", "预测预警", "Forecasting"
    GENERATION = "generation", "智能生成", "Generation"
    INTERACTION = "interaction", "智能互动", "Interaction"
    JUDGEMENT = "judgement", "研判决策", "Judgement"
    ROUTING = "routing", "分类分拨", "Classification and routing"
    AUDIT = "audit", "审核评估", "Review and evaluation"
    RECOMMENDATION = "recommendation", "智能推荐", "Recommendation"


class Effect(StrEnum):
    """What a tool does to the world; an approval binds what is more than reading."""

    READ = "read"
    WRITE = "write"
    """Changes the platform's own records."""
    OUTWARD = "outward"
    """Reaches somebody or something outside: an answer to a citizen, a message, a foreign system."""


class Autonomy(StrEnum):
    """How far an agent may go by itself."""

    SUGGEST = "suggest"
    """Reading tools alone; what it gives is a proposal to a person."""
    ACT_WITH_APPROVAL = "act_with_approval"
    """Each call with an effect waits for a person."""
    ACT = "act"
    """Writes by itself within its tools; what reaches outside still waits for a person."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Name(_Part):
    zh: Annotated[str, Field(min_length=1, max_length=60)]
    en: Annotated[str, Field(min_length=1, max_length=80)]


class Limits(_Part):
    """Enforced outside the model; whatever is reached first ends the run, and the fallback answers."""

    tokens: Annotated[int, Field(ge=100, le=1_000_000)] = 8_000
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    money: Annotated[float, Field(ge=0, le=1000)] = 0.1
    """Yuan in one run."""
    steps: Annotated[int, Field(ge=1, le=50)] = 6
    """Calls of the model."""


class ModelNeed(_Part):
    """What is asked of the gateway: a route, never a vendor."""

    route: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")] = "chat"
    data: DataClass = DataClass.INTERNAL


class ContextCall(_Part):
    """A reading tool that is called before the model, whose answer stands in the prompt.

    Values of `with` are taken as they stand, or from the input where they read `{input.NAME}`.
    """

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict, alias="with")


class EvalsNeed(_Part):
    set: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,63}$")]
    pass_mark: Annotated[float, Field(ge=0, le=1)]


class Fallback(_Part):
    """What answers where the model is off, fails or reaches a limit: a rule by its name, or a person of a role."""

    rule: str | None = None
    human: str | None = None

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        if (self.rule is None) == (self.human is None):
            raise ValueError("give either rule or human")
        return self


Schema = dict[str, Any]
"""A JSON schema of an object."""

_ID = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


class Agent(_Part):
    """The definition of an agent, as its YAML file has it."""

    id: Annotated[str, Field(min_length=3, max_length=60)]
    name: Name
    purpose: Name | Annotated[str, Field(min_length=1, max_length=500)]
    kind: Literal["general", "scenario"]
    capability: Capability
    instructions: Annotated[str, Field(min_length=1, max_length=20_000)]
    input: Schema
    output: Schema
    tools: tuple[str, ...] = ()
    context: tuple[ContextCall, ...] = ()
    autonomy: Autonomy = Autonomy.SUGGEST
    limits: Limits = Limits()
    model: ModelNeed = ModelNeed()
    evidence: Literal["required", "optional"] = "required"
    evals: EvalsNeed | None = None
    grade: Annotated[str, Field(max_length=20)] = "ungraded"
    fallback: Fallback

    @field_validator("id")
    @classmethod
    def plain_id(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError("lower-case letters, digits and single hyphens, such as drain-inspection")
        return value

    @field_validator("input", "output")
    @classmethod
    def schema_of_an_object(cls, value: Schema) -> Schema:
        if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
            raise ValueError("a JSON schema with type: object and properties")
        return value

    @field_validator("tools")
    @classmethod
    def each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a tool is named twice")
        return value

    def effects_allowed(self) -> frozenset[Effect]:
        """The effects that a tool of this agent may have at all."""
        return frozenset({Effect.READ}) if self.autonomy is Autonomy.SUGGEST else frozenset(Effect)

    def needs_approval(self, effect: Effect) -> bool:
        """Whether a call of this effect waits for a person."""
        match effect:
            case Effect.READ:
                return False
            case Effect.WRITE:
                return self.autonomy is not Autonomy.ACT
            case Effect.OUTWARD:
                return True


def filled(call: ContextCall, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a context call for this input; what the input does not give is left out."""
    found = {}
    for name, value in call.arguments.items():
        source = re.fullmatch(r"\{input\.(\w+)\}", value) if isinstance(value, str) else None
        if source is None:
            found[name] = value
        elif source[1] in values:
            found[name] = values[source[1]]
    return found
