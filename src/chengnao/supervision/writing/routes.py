"""Drafts of reports over HTTP: figures by code, words by rule or by an agent; a person reads, mends and uses them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from chengnao.agents.general.asking import RULE_LABEL, ask_model, by_rule
from chengnao.agents.runtime.views import RunOut
from chengnao.agents.tools import Evidence
from chengnao.kernel.access.model import Principal
from chengnao.kernel.ids import new_id
from chengnao.kernel.web import ContextDep, UowDep, require
from chengnao.supervision.writing.model import unsupported
from chengnao.supervision.writing.rules import office_writing

router = APIRouter(tags=["supervision"])

Writer = Annotated[Principal, Depends(require("evaluation.read"))]
Line = Annotated[str, Field(max_length=300)]


class FigureIn(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=40)]
    value: float | None
    before: float | None = None
    unit: Annotated[str, Field(max_length=8)] = ""
    better: Literal["higher", "lower"] | None = None


class ReportIn(BaseModel):
    """Without points and figures the record of the last `days` is written up. `model`: have the agent write one too."""

    kind: Literal["weekly", "duty", "notice"] = "weekly"
    days: Annotated[int, Field(ge=1, le=92)] = 7
    title: Annotated[str, Field(max_length=80)] = ""
    points: Annotated[list[Line], Field(max_length=12)] = []
    figures: Annotated[list[FigureIn], Field(max_length=20)] = []
    model: bool = False

    def given(self) -> dict[str, Any]:
        """The agent's input."""
        found = self.model_dump(exclude={"model", "figures"}, exclude_defaults=True) | {"kind": self.kind}
        if self.kind != "notice":
            found["days"] = self.days
        if self.figures:
            found["figures"] = [each.model_dump(exclude_none=True) | {"value": each.value} for each in self.figures]
        return found


class DraftOut(BaseModel):
    """A draft. `run`: the agent's, at `/agents/runs/{id}` when it is done; let `/writing/check` look at its figures."""

    by: Literal["rule"] = "rule"
    label: str = RULE_LABEL
    title: str
    paragraphs: list[str]
    suggestion: str
    answerable: bool
    confidence: float
    evidence: list[Evidence]
    run: RunOut | None = None


@router.post("/writing/report")
async def write_report(body: ReportIn, principal: Writer, uow: UowDep, context: ContextDep) -> DraftOut:
    """Draft a weekly or duty report from the record, or a notice from points."""
    given = body.given()
    answer = await office_writing(by_rule(uow, context.settings, principal, "office-writing"), given)
    run = None
    if body.model:
        run = await ask_model(
            uow, context.settings, context.authority, principal, "office-writing", given, key=f"writing-{new_id()}"
        )
        await uow.commit()
    return DraftOut(
        confidence=answer.confidence,
        evidence=answer.evidence,
        run=None if run is None else RunOut.of(run, principal),
        **answer.result,
    )


class CheckIn(BaseModel):
    """`facts`: the paragraphs that code wrote; `text`: what somebody or a model made of them."""

    facts: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=40)]
    text: Annotated[str, Field(max_length=10_000)]


class CheckOut(BaseModel):
    """Numbers in the text that stand in none of the facts."""

    unsupported: list[str]


@router.post("/writing/check")
async def check_figures(body: CheckIn, principal: Writer) -> CheckOut:
    """Whether every number of a text stands in the facts that it was made of."""
    return CheckOut(unsupported=unsupported(body.text, body.facts))
