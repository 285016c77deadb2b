"""Advice over HTTP: by rule at once, and by an agent where one is asked. Advice never acts: a person does."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from chengnao.agents.general.asking import RULE_LABEL, ask_model, by_rule
from chengnao.agents.runtime.model import By, Run
from chengnao.agents.runtime.service import run_of
from chengnao.agents.runtime.views import RunOut
from chengnao.agents.tools import Evidence
from chengnao.incident.advice import explaining, rules, searching, service
from chengnao.incident.advice.model import AnswerDraft
from chengnao.incident.advice.repository import AdviceRepository
from chengnao.incident.reports.service import incidents_of, require_report
from chengnao.incident.service import require_incident
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.errors import Conflict
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import Context, ContextDep, Id, ScopeDep, UowDep, check, require
from chengnao.warning.service import require_warning

router = APIRouter(tags=["advice"])

IncidentReader = Annotated[Principal, Depends(require("incident.read"))]
ByModel = Annotated[bool, Query(description="ask the agent too; its run is started, or found where it was before")]


class Helped(BaseModel):
    """What every piece of advice has. `run`: the agent's answer beside it, at `/agents/runs/{id}` when it is done."""

    by: Literal["rule"] = "rule"
    label: str = RULE_LABEL
    confidence: float
    evidence: list[Evidence]
    run: RunOut | None = None


class GuessOut(BaseModel):
    code: str
    name: str
    confidence: float


class CaseOut(BaseModel):
    """A closed incident like this one, and what was done then."""

    id: str
    number: str
    title: str
    result: str


class AdviceOut(Helped):
    """`category` none: nothing to handle. `unit_id` empty: the responsibilities name no unit."""

    category: str
    category_name: str
    grade: int
    unit_id: str
    unit_name: str
    reason: str
    candidates: list[GuessOut]
    measure: str
    cases: list[CaseOut]


@router.get("/incidents/{incident_id}/advice")
async def advice(
    incident_id: Id,
    principal: IncidentReader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    model: ByModel = False,
) -> AdviceOut:
    """Category, grade and unit for the incident with the reasons, and what helped in such cases before."""
    incident = await require_incident(uow, scope, incident_id)
    given: dict[str, Any] = {"incident_id": incident.id}
    triage = await rules.triage(by_rule(uow, context.settings, principal, "incident-triage"), given)
    known = await rules.recommendation(by_rule(uow, context.settings, principal, "recommendation"), given)
    run = None
    if model:
        owner = Resource(incident.division_code, incident.unit_id)
        key = f"advice-{incident.id}-{incident.entry}"
        run = await _ask(context, uow, principal, "incident-triage", given, key, owner)
    cases = [each for each in known.evidence if each.kind == "incident"]
    return AdviceOut(
        confidence=triage.confidence,
        evidence=[*triage.evidence, *known.evidence],
        run=run,
        measure=known.result["measure"],
        cases=[
            CaseOut(id=each.id, number=each.title.split(" ")[0], title=each.title, result=each.quote) for each in cases
        ],
        **{name: triage.result[name] for name in ("category", "category_name", "grade", "unit_id", "unit_name")},
        reason=triage.result["reason"],
        candidates=triage.result["candidates"],
    )


async def _ask(
    context: Context, uow: UowDep, principal: Principal, agent: str, given: dict[str, Any], key: str, about: Resource
) -> RunOut | None:
    run = await ask_model(uow, context.settings, context.authority, principal, agent, given, key=key, about=about)
    if run is None:
        return None
    await uow.commit()
    whole = await run_of(uow, Scope(), run.id, Vault.of(context.settings.home))
    return RunOut.of(whole, principal)


class ExplanationOut(Helped):
    """`trend`: rising, falling, steady or unknown; `neighbours`: open warnings of the category within 5 km."""

    answerable: bool
    trend: str
    explanation: str
    action: str
    neighbours: int


@router.get("/warnings/{warning_id}/explanation")
async def explanation(
    warning_id: Id,
    principal: Annotated[Principal, Depends(require("warning.read"))],
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    model: ByModel = False,
) -> ExplanationOut:
    """Why there is a warning, which way it goes, and what helped in such cases before."""
    warning = await require_warning(uow, scope, warning_id)
    call = by_rule(uow, context.settings, principal, "warning-explanation")
    answer = await explaining.warning_explanation(call, {"warning_id": warning.id})
    run = None
    if model:
        owner = Resource(warning.division_code, warning.unit_id)
        key = f"warning-{warning.id}-{int(warning.level)}-{warning.state}"
        run = await _ask(context, uow, principal, "warning-explanation", {"warning_id": warning.id}, key, owner)
    return ExplanationOut(confidence=answer.confidence, evidence=answer.evidence, run=run, **answer.result)


class DraftIn(BaseModel):
    """`model`: have the agent write one too. `run_id`: keep what that run wrote."""

    model: bool = False
    run_id: Id | None = None


class DraftOut(BaseModel):
    """A drafted answer: it is read, mended and sent by a person. `made_by` model or rule."""

    id: str
    report_id: str
    text: str
    made_by: str
    label: str
    run_id: str | None
    asked_by_name: str
    at: datetime
    run: RunOut | None = None

    @classmethod
    def of(cls, draft: AnswerDraft, run: RunOut | None = None) -> Self:
        label = MODEL_LABEL if draft.made_by == By.MODEL.value else RULE_LABEL
        plain = {name: getattr(draft, name) for name in cls.model_fields if name not in ("label", "run")}
        return cls(**plain, label=label, run=run)


MODEL_LABEL = "由人工智能辅助生成，须经工作人员核对后使用。"


@router.post("/reports/{report_id}/draft-answer", status_code=201)
async def draft_answer(
    report_id: Id,
    body: DraftIn,
    request: Request,
    principal: Annotated[Principal, Depends(require("incident.note"))],
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> DraftOut:
    """Draft an answer to a report out of its record; nothing is sent."""
    report = await require_report(uow, scope, report_id)
    holder = (await incidents_of(uow, report))[-1]
    await check(request, principal, "incident.note", holder.division_code, holder.unit_id)
    standing = await service.standing_of(uow, report)
    by_hand = service.answer_text(standing)
    if body.run_id is not None:
        run = await run_of(uow, scope, body.run_id, Vault.of(context.settings.home))
        text = _written(run, report_id)
        draft = await service.keep_draft(uow, principal, report, text, By.MODEL.value, run.id)
        await uow.commit()
        return DraftOut.of(draft, RunOut.of(run, principal))
    draft = await service.keep_draft(uow, principal, report, by_hand, By.RULE.value, None)
    await uow.commit()
    run_out = None
    if body.model:
        owner = Resource(holder.division_code, holder.unit_id)
        key = f"answer-{report.id}-{holder.version}"
        given = {"kind": "answer", "report_id": report.id}
        run_out = await _ask(context, uow, principal, "office-writing", given, key, owner)
    return DraftOut.of(draft, run_out)


def _written(run: Run, report_id: str) -> str:
    """What the run wrote as an answer to this report; raises Conflict where it did not."""
    paragraphs = (run.result or {}).get("paragraphs")
    if run.agent_id != "office-writing" or run.input.get("report_id") != report_id or not paragraphs:
        raise Conflict("advice_run_no_answer", id=run.id)
    return "\n".join(str(each) for each in paragraphs)


@router.get("/reports/{report_id}/draft-answers")
async def list_draft_answers(
    report_id: Id, principal: Annotated[Principal, Depends(require("report.read"))], scope: ScopeDep, uow: UowDep
) -> list[DraftOut]:
    """The drafted answers of a report, the newest first."""
    report = await require_report(uow, scope, report_id)
    return [DraftOut.of(each) for each in await AdviceRepository(uow.session).drafts_of(report.id)]


class HitOut(BaseModel):
    """`path`: where the console shows it."""

    kind: str
    id: str
    title: str
    detail: str
    path: str


class GroupOut(BaseModel):
    kind: str
    name: str
    hits: list[HitOut]


class SearchOut(BaseModel):
    """`intent`: what the text seems to look for, whose group comes first; `words`: what was searched by."""

    q: str
    intent: str
    words: list[str]
    groups: list[GroupOut]


@router.get("/search")
async def search(
    principal: IncidentReader,
    uow: UowDep,
    context: ContextDep,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> SearchOut:
    """Incidents, warnings, devices, knowledge, agents and pages by one text, as far as the asker may see them."""
    question, groups = await searching.search(uow, context.settings.home, principal, q.strip(), limit)
    return SearchOut(
        q=q,
        intent=question.intent.value,
        words=list(question.words),
        groups=[
            GroupOut(kind=group.kind, name=group.name, hits=[HitOut(**vars(hit)) for hit in group.hits])
            for group in groups
        ],
    )
