"""Understanding a text, and keyword rules, over HTTP."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.incident.catalogue import category_name
from chengnao.incident.classification import service
from chengnao.incident.classification.labels import label_name
from chengnao.incident.classification.model import CategoryRule, Understanding
from chengnao.incident.classification.repository import CategoryRuleRepository
from chengnao.kernel.access.model import Principal
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import ContextDep, DivisionCode, Id, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["incident"])

Word = Annotated[str, Field(min_length=1, max_length=50)]
Writer = Annotated[Principal, Depends(require("category_rule.write"))]


class TextIn(BaseModel):
    """`at`: when it was received, which "昨天" counts from; now where it is left out."""

    text: Annotated[str, Field(min_length=1, max_length=4000)]
    at: AwareDatetime | None = None


class GuessOut(BaseModel):
    category: str
    name: str
    confidence: float


class ReasonOut(BaseModel):
    zh: str
    en: str


class PlaceOut(BaseModel):
    code: str
    name: str
    full_name: str
    words: str
    score: float


class RoadOut(BaseModel):
    name: str
    number: str
    kind: str


class TimeOut(BaseModel):
    words: str
    start: datetime | None
    end: datetime | None
    recurring: bool


class PartyOut(BaseModel):
    name: str
    kind: str


class MatterOut(BaseModel):
    text: str
    category: str
    name: str
    confidence: float


class UnderstandingOut(BaseModel):
    """A proposal for the operator's form. `category` `none`: there is nothing to handle; null: a person must choose.

    `division_code`: where the place leaves no doubt; else choose among `divisions`. `matters`: two or more where the
    text tells several, so that each may become a report of its own.
    """

    category: str | None
    name: str | None
    confidence: float
    abstained: bool
    alternatives: list[GuessOut]
    category_reasons: list[ReasonOut]
    grade: int
    grade_reasons: list[ReasonOut]
    division_code: str | None
    divisions: list[PlaceOut]
    roads: list[RoadOut]
    times: list[TimeOut]
    parties: list[PartyOut]
    matters: list[MatterOut]

    @classmethod
    def of(cls, found: Understanding) -> "UnderstandingOut":
        values = asdict(found)
        values["name"] = found.category and label_name(found.category)
        values["division_code"] = found.division_code
        values["alternatives"] = [
            {"category": each.label, "name": label_name(each.label), "confidence": each.confidence}
            for each in found.alternatives
        ]
        values["matters"] = [asdict(each) | {"name": label_name(each.category or "")} for each in found.matters]
        return cls.model_validate(values)


@router.post("/classify")
async def classify(
    body: TextIn, principal: Annotated[Principal, Depends(require("report.create"))], uow: UowDep, context: ContextDep
) -> UnderstandingOut:
    """What was understood of a text; nothing is kept."""
    at = body.at or context.clock.now()
    return UnderstandingOut.of(await service.understand_text(uow, context.settings.home, body.text, at))


class CategoryRuleIn(BaseModel):
    """Decides the category of a text with all of `all_words` and, where any are given, one of `any_words`.

    `id` of the rule to change; left out for a new one. `division_code` null: everywhere.
    """

    id: Id | None = None
    category: Id
    all_words: Annotated[list[Word], Field(max_length=20)] = []
    any_words: Annotated[list[Word], Field(max_length=50)] = []
    division_code: DivisionCode | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class CategoryRuleOut(CategoryRuleIn):
    id: str
    category_name: str

    @classmethod
    def of(cls, rule: CategoryRule) -> "CategoryRuleOut":
        return cls(**asdict(rule), category_name=category_name(rule.category))


@router.get("/category-rules")
async def list_category_rules(
    principal: Annotated[Principal, Depends(require("category_rule.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    category: Annotated[str | None, Query(max_length=64)] = None,
) -> PageOf[CategoryRuleOut]:
    """Rules for everywhere and those of the own divisions."""
    found = await CategoryRuleRepository(uow.session).rules(scope, page, category)
    return PageOf.of(found, [CategoryRuleOut.of(each) for each in found.items])


@router.put("/category-rules")
async def put_category_rule(
    body: CategoryRuleIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> CategoryRuleOut:
    """Add a rule, or change the one whose id is given."""
    if body.id is not None:
        old = await service.require_rule(uow, scope, body.id)
        await check(request, principal, "category_rule.write", old.division_code or CITY, None)
    await check(request, principal, "category_rule.write", body.division_code or CITY, None)
    rule = CategoryRule(
        body.id or new_id(),
        body.category,
        tuple(body.all_words),
        tuple(body.any_words),
        body.division_code,
        body.note,
    )
    await service.put_rule(uow, principal, rule)
    await uow.commit()
    return CategoryRuleOut.of(rule)


@router.delete("/category-rules/{category_rule_id}", status_code=204)
async def delete_category_rule(
    category_rule_id: Id, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> None:
    """Remove a rule; the classifier decides again."""
    old = await service.require_rule(uow, scope, category_rule_id)
    await check(request, principal, "category_rule.write", old.division_code or CITY, None)
    await service.delete_rule(uow, principal, category_rule_id)
    await uow.commit()
