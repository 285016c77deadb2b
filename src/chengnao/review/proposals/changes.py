"""The changes that can be proposed, as data: each says what shall be, `None` that it shall be no more. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from chengnao.incident.rulebook import Step
from chengnao.kernel.ids import new_id
from chengnao.kernel.vocabulary import Named


class ProposalKind(Named):
    RESPONSIBILITY = "responsibility", "责任清单", "responsibilities"
    LIMIT = "limit", "办理时限", "time limit"
    THRESHOLD = "threshold", "预警阈值", "warning threshold"
    CATEGORY_RULE = "category_rule", "类别规则", "category rule"


class _Change(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def settled(self) -> Self:
        """The change with the id of what it makes, where it makes something new."""
        return self


Code = Annotated[str, Field(min_length=1, max_length=64)]
Division = Annotated[str, Field(pattern=r"^(\d{6}|\d{9})$")]
Span = Annotated[str, Field(max_length=20)]
Word = Annotated[str, Field(min_length=1, max_length=40)]


class ResponsibilityChange(_Change):
    """Which unit answers; without a unit the row is dropped."""

    kind: Literal["responsibility"] = "responsibility"
    division_code: Division
    category: Code
    hours: Span = ""
    months: Span = ""
    unit_id: Code | None = None
    deputy_unit_id: Code | None = None


class LimitChange(_Change):
    """How long a step may take, such as `4 h` or `3 wd`; without an amount the platform's own limit holds again."""

    kind: Literal["limit"] = "limit"
    category: Code
    grade: Annotated[int, Field(ge=1, le=4)]
    step: Step
    amount: Annotated[str, Field(min_length=1, max_length=20)] | None = None


class ThresholdChange(_Change):
    """What shall be different in a rule; what is left out stays."""

    kind: Literal["threshold"] = "threshold"
    rule_id: Code
    levels: dict[Literal["1", "2", "3", "4"], Annotated[float, Field(allow_inf_nan=False)]] | None = None
    duration_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] | None = None
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    opens_incident_at: Annotated[int, Field(ge=1, le=4)] | None = None
    enabled: bool | None = None


class CategoryRuleChange(_Change):
    """Words that decide a category. `rule_id` names the rule to change, or to drop where no category is given."""

    kind: Literal["category_rule"] = "category_rule"
    rule_id: Code | None = None
    category: Code | None = None
    all_words: Annotated[list[Word], Field(max_length=10)] = []
    any_words: Annotated[list[Word], Field(max_length=50)] = []
    division_code: Division | None = None
    note: Annotated[str, Field(max_length=500)] = ""

    def settled(self) -> Self:
        return self.model_copy(update={"rule_id": self.rule_id or new_id()})


Change: TypeAlias = Annotated[
    ResponsibilityChange | LimitChange | ThresholdChange | CategoryRuleChange, Field(discriminator="kind")
]
_ADAPTER: TypeAdapter[Change] = TypeAdapter(Change)


def change_of(values: Mapping[str, Any]) -> Change:
    """The change that was kept as plain values."""
    return _ADAPTER.validate_python(values)
