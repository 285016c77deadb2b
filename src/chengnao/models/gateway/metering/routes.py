"""Budgets, usage, and the calls themselves over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.kernel.web import ContextDep, DivisionCode, Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.models.gateway import service
from chengnao.models.gateway.metering.budgets import Amount, Budget, Period, Use
from chengnao.models.gateway.repository import Call, GatewayRepository, Usage, UsageBy

router = APIRouter(prefix="/models", tags=["models"])

Reader = Annotated[Principal, Depends(require("model.read"))]
Writer = Annotated[Principal, Depends(require("model.write"))]

Text = Annotated[str, Field(min_length=1, max_length=200)]
RouteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Limit = Annotated[int | None, Field(ge=0, le=10**15)]


class AmountOut(BaseModel):
    """`money` in micro-yuan."""

    requests: int
    tokens: int
    money: int

    @classmethod
    def of(cls, amount: Amount) -> Self:
        return cls(requests=amount.requests, tokens=amount.tokens, money=amount.money)


class BudgetBody(BaseModel):
    """For the key, else the unit, else the division and what lies in it; without a route, all routes together.

    Limits in the period; `money` in micro-yuan. `id`: of the budget to change.
    """

    id: Id | None = None
    name: Text
    division_code: DivisionCode
    unit_id: Text | None = None
    key_id: Id | None = None
    route: RouteName | None = None
    period: Period
    requests: Limit = None
    tokens: Limit = None
    money: Limit = None


class BudgetOut(BudgetBody):
    """`spent` and `reserved` in the period that is now."""

    id: str
    period_name: str
    resets_at: datetime
    spent: AmountOut
    reserved: AmountOut

    @classmethod
    def of(cls, budget: Budget, use: Use, now: datetime) -> Self:
        return cls(
            **{name: getattr(budget, name) for name in BudgetBody.model_fields},
            period_name=budget.period.zh,
            resets_at=budget.period.end(budget.period.start(now)),
            spent=AmountOut.of(use.spent),
            reserved=AmountOut.of(use.reserved),
        )


@router.get("/budgets")
async def list_budgets(principal: Reader, scope: ScopeDep, uow: UowDep, page: PageDep) -> PageOf[BudgetOut]:
    repository = GatewayRepository(uow.session)
    found = await repository.budgets(scope, page)
    now = datetime.now(UTC)
    uses = await repository.use_of(found.items, now)
    return PageOf.of(found, [BudgetOut.of(each, uses.get(each.id, Use()), now) for each in found.items])


@router.put("/budgets")
async def put_budget(body: BudgetBody, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep) -> BudgetOut:
    await check(request, principal, "model.write", body.division_code, body.unit_id)
    wanted = Budget(**body.model_dump() | {"id": body.id or new_id()})
    budget = await service.put_budget(uow, principal, scope, wanted)
    now = datetime.now(UTC)
    uses = await GatewayRepository(uow.session).use_of([budget], now)
    await uow.commit()
    return BudgetOut.of(budget, uses.get(budget.id, Use()), now)


@router.delete("/budgets/{budget_id}", status_code=204)
async def drop_budget(budget_id: Id, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep) -> None:
    budget = await service.require_budget(uow, scope, budget_id)
    await check(request, principal, "model.write", budget.division_code, budget.unit_id)
    await service.drop_budget(uow, principal, budget)
    await uow.commit()


class UsageOut(BaseModel):
    """`name` null: calls that name none, such as those of the platform itself by unit."""

    name: str | None
    calls: int
    failed: int
    milliseconds: float
    amount: AmountOut

    @classmethod
    def of(cls, usage: Usage) -> Self:
        plain = {name: getattr(usage, name) for name in ("name", "calls", "failed", "milliseconds")}
        return cls(**plain, amount=AmountOut.of(usage.amount))


@router.get("/usage")
async def list_usage(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    by: UsageBy = "route",
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> PageOf[UsageOut]:
    """What calls have used, summed by one thing; the last 30 days where no span is given."""
    start, end = service.usage_span(start, end)
    found = await GatewayRepository(uow.session).usage(scope, by, start, end, page)
    return PageOf.of(found, [UsageOut.of(each) for each in found.items])


class CallOut(BaseModel):
    """`money` in micro-yuan; `estimated`: the vendor told no tokens, so the most possible is counted."""

    id: str
    request_id: str
    at: datetime
    division_code: str
    unit_id: str | None
    key_id: str | None
    purpose: str
    trace: str
    route: str
    target: str
    model: str
    data_class: DataClass
    tokens_in: int
    tokens_out: int
    money: int
    milliseconds: int
    outcome: str
    outcome_name: str
    retries: int
    estimated: bool

    @classmethod
    def of(cls, call: Call) -> Self:
        plain = {name: getattr(call, name) for name in cls.model_fields if name != "outcome_name"}
        return cls(**plain, outcome_name=call.outcome.zh)


@router.get("/calls")
async def list_calls(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    route: RouteName | None = None,
    purpose: Text | None = None,
    trace: Text | None = None,
) -> PageOf[CallOut]:
    """Metered calls, the newest first."""
    filters = {"route": route, "purpose": purpose, "trace": trace}
    found = await GatewayRepository(uow.session).calls(scope, page, **filters)
    return PageOf.of(found, [CallOut.of(each) for each in found.items])


class TextOut(BaseModel):
    """Prompt and answer as JSON, which ends early where it was very long."""

    call_id: str
    text: str


@router.get("/calls/{call_id}/text")
async def read_text(
    call_id: Id,
    principal: Annotated[Principal, Depends(require("model_text.read"))],
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> TextOut:
    """What was said in a call, as long as its class is kept; each reading is put on record."""
    kept = await service.read_text(uow, Vault.of(context.settings.home), principal, scope, call_id)
    await uow.commit()
    return TextOut(call_id=kept.call_id, text=kept.text)
