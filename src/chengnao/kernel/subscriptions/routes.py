"""Subscriptions to events over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.errors import NotFound
from chengnao.kernel.events import event_types
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.subscriptions import service
from chengnao.kernel.subscriptions.addresses import look_up, networks_of
from chengnao.kernel.subscriptions.model import Delivery, DeliveryState, Subscription, SubscriptionState
from chengnao.kernel.subscriptions.repository import SubscriptionRepository
from chengnao.kernel.web import ContextDep, DivisionCode, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])

SubscriptionId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("subscription.read"))]
Writer = Annotated[Principal, Depends(require("subscription.write"))]
Scalar = str | int | float | bool | None


class SubscriptionIn(BaseModel):
    """`types`: names of events, or beginnings such as `warning.*`. `filters`: an attribute of the envelope, or
    `data.NAME`, and the values wanted."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    url: Annotated[str, Field(min_length=8, max_length=1000)]
    types: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=50)]
    filters: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^(data\.)?[a-z][a-z0-9_]{0,40}$")],
            Annotated[list[Scalar], Field(min_length=1, max_length=100)],
        ],
        Field(max_length=10),
    ] = {}
    division_code: DivisionCode
    unit_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class SubscriptionOut(BaseModel):
    id: str
    name: str
    url: str
    types: list[str]
    filters: dict[str, list[Any]]
    state: SubscriptionState
    division_code: str
    unit_id: str | None
    created_at: datetime
    delivered_at: datetime | None
    failing_since: datetime | None
    last_error: str | None
    waiting: int = 0
    dead: int = 0

    @classmethod
    def of(cls, subscription: Subscription, counts: dict[tuple[str, str], int]) -> "SubscriptionOut":
        out = cls.model_validate(subscription, from_attributes=True)
        out.waiting = counts.get((subscription.id, DeliveryState.WAITING.value), 0)
        out.dead = counts.get((subscription.id, DeliveryState.DEAD.value), 0)
        return out


class NewSubscription(SubscriptionOut):
    """`secret` signs what is sent, and is shown here only."""

    secret: str


class StateIn(BaseModel):
    state: Literal["active", "paused"]


class DeliveryOut(BaseModel):
    sequence: int
    event_id: str
    subject: str
    envelope: dict[str, Any]
    state: DeliveryState
    attempts: int
    made_at: datetime
    next_at: datetime
    ended_at: datetime | None
    last_error: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryOut":
        return cls.model_validate(delivery, from_attributes=True)


@router.get("/types")
async def list_event_types(principal: Reader) -> list[str]:
    """The types of events that can be subscribed to."""
    return list(event_types())


@router.get("")
async def list_subscriptions(principal: Reader, scope: ScopeDep, page: PageDep, uow: UowDep) -> PageOf[SubscriptionOut]:
    """With how much waits for each, what could not be delivered, and since when it fails."""
    repository = SubscriptionRepository(uow.session)
    found = await repository.subscriptions(scope, page)
    counts = await repository.counts([each.id for each in found.items])
    return PageOf.of(found, [SubscriptionOut.of(each, counts) for each in found.items])


@router.post("", status_code=201)
async def add_subscription(
    body: SubscriptionIn, request: Request, principal: Writer, context: ContextDep, uow: UowDep
) -> NewSubscription:
    await check(request, principal, "subscription.write", body.division_code, body.unit_id)
    await look_up(body.url, networks_of(context.settings.webhook_networks))
    subscription, secret = await service.subscribe(
        uow,
        Vault.of(context.settings.home),
        principal,
        name=body.name,
        url=body.url,
        types=body.types,
        filters=body.filters,
        division_code=body.division_code,
        unit_id=body.unit_id,
    )
    await uow.commit()
    return NewSubscription(**SubscriptionOut.of(subscription, {}).model_dump(), secret=secret)


@router.patch("/{subscription_id}")
async def change_subscription(
    subscription_id: SubscriptionId, body: StateIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> SubscriptionOut:
    """Pause it, or enable it again; what waits goes out then."""
    known = await service.require_subscription(uow, scope, subscription_id)
    await check(request, principal, "subscription.write", known.division_code, known.unit_id)
    after = await service.set_state(uow, scope, principal, subscription_id, SubscriptionState(body.state))
    counts = await SubscriptionRepository(uow.session).counts([subscription_id])
    await uow.commit()
    return SubscriptionOut.of(after, counts)


@router.delete("/{subscription_id}", status_code=204)
async def remove_subscription(
    subscription_id: SubscriptionId, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> None:
    known = await service.require_subscription(uow, scope, subscription_id)
    await check(request, principal, "subscription.write", known.division_code, known.unit_id)
    await SubscriptionRepository(uow.session).remove(subscription_id)
    await record_act(uow, principal, "subscription.write", subscription=subscription_id, removed=True)
    await uow.commit()


@router.get("/{subscription_id}/deliveries")
async def list_deliveries(
    subscription_id: SubscriptionId,
    principal: Reader,
    scope: ScopeDep,
    page: PageDep,
    uow: UowDep,
    state: DeliveryState | None = None,
) -> PageOf[DeliveryOut]:
    """The newest first; `state=dead` are those that could not be delivered."""
    await service.require_subscription(uow, scope, subscription_id)
    found = await SubscriptionRepository(uow.session).deliveries(subscription_id, state, page)
    return PageOf.of(found, [DeliveryOut.of(each) for each in found.items])


@router.post("/{subscription_id}/deliveries/{sequence}/retry", status_code=204)
async def retry_delivery(
    subscription_id: SubscriptionId,
    sequence: Annotated[int, Path(ge=1, le=2**62)],
    request: Request,
    principal: Writer,
    scope: ScopeDep,
    uow: UowDep,
) -> None:
    """Send a dead letter again."""
    known = await service.require_subscription(uow, scope, subscription_id)
    await check(request, principal, "subscription.write", known.division_code, known.unit_id)
    if not await SubscriptionRepository(uow.session).revive(subscription_id, sequence, uow.clock.now()):
        raise NotFound("not_found", kind="未送达事件 dead letter", id=str(sequence))
    await record_act(uow, principal, "subscription.write", subscription=subscription_id, retried=sequence)
    await uow.commit()
