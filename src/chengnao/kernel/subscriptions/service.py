"""Subscribing to events, and what becomes of a delivery. Nothing here commits."""

import base64
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.events import event_types
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.subscriptions.model import (
    GIVE_UP_AFTER,
    MAX_ATTEMPTS,
    Delivery,
    DeliveryState,
    Result,
    Subscription,
    SubscriptionState,
    matches,
    wait_after,
)
from chengnao.kernel.subscriptions.repository import SubscriptionRepository

KEEP = timedelta(days=7)
"""How long it can be seen that an event was delivered, or that it could not be."""


async def subscribe(
    uow: UnitOfWork,
    vault: Vault,
    person: Principal,
    *,
    name: str,
    url: str,
    types: Sequence[str],
    filters: Mapping[str, Sequence[Any]],
    division_code: str,
    unit_id: str | None,
) -> tuple[Subscription, str]:
    """Enter a subscription; the second value is its secret, which is shown once. The URL is checked by the caller."""
    check_types(types)
    subscription = Subscription(
        id=new_id(),
        name=name,
        url=url,
        types=list(types),
        filters={key: list(values) for key, values in filters.items()},
        state=SubscriptionState.ACTIVE,
        division_code=division_code,
        unit_id=unit_id,
        created_by=person.id,
        created_at=uow.clock.now(),
    )
    secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    await SubscriptionRepository(uow.session).add(subscription, vault.seal(subscription.id, secret))
    await record_act(uow, person, "subscription.write", subscription=subscription.id, url=url, types=list(types))
    return subscription, secret


def check_types(types: Sequence[str]) -> None:
    """Raise Invalid for a type of events that there is not."""
    known = event_types()
    for each in types:
        if not any(matches(each, event) for event in known):
            raise Invalid("event_type_unknown", field="types", value=each, known=", ".join(known))


async def set_state(
    uow: UnitOfWork, scope: Scope, person: Principal, subscription_id: str, state: SubscriptionState
) -> Subscription:
    """Pause or enable; what waited goes out at once when it is enabled. Raises NotFound outside the scope."""
    await require_subscription(uow, scope, subscription_id)
    repository = SubscriptionRepository(uow.session)
    await repository.change(subscription_id, {"state": state.value, "failing_since": None})
    if state is SubscriptionState.ACTIVE:
        await repository.hurry(subscription_id, uow.clock.now())
    await record_act(uow, person, "subscription.write", subscription=subscription_id, state=str(state))
    return await require_subscription(uow, scope, subscription_id)


async def require_subscription(uow: UnitOfWork, scope: Scope, subscription_id: str) -> Subscription:
    found = await SubscriptionRepository(uow.session).subscription(scope, subscription_id)
    if found is None:
        raise NotFound("not_found", kind="订阅 subscription", id=subscription_id)
    return found


async def note_result(uow: UnitOfWork, subscription: Subscription, delivery: Delivery, result: Result) -> None:
    """Write down how a try ended: delivered, to be tried again later, or a dead letter."""
    repository, now = SubscriptionRepository(uow.session), uow.clock.now()
    attempts = delivery.attempts + 1
    if not result.problem:
        ended = {"state": DeliveryState.DELIVERED.value, "attempts": attempts, "ended_at": now, "last_error": None}
        await repository.move(delivery.sequence, ended)
        said = subscription.delivered_at
        # Told once a second, not for each event: deliveries that run together would wait for one another's row.
        if subscription.failing_since is not None or said is None or now - said > timedelta(seconds=1):
            await repository.change(subscription.id, {"delivered_at": now, "failing_since": None, "last_error": None})
        return
    values: dict[str, Any] = {"attempts": attempts, "last_error": result.problem}
    if attempts >= MAX_ATTEMPTS:
        values |= {"state": DeliveryState.DEAD.value, "ended_at": now}
    else:
        values["next_at"] = now + wait_after(attempts, result.retry_after) * uow.clock.speed
    await repository.move(delivery.sequence, values)
    known = await repository.subscription(Scope(), subscription.id)
    since = now if known is None or known.failing_since is None else known.failing_since
    changes: dict[str, Any] = {"failing_since": since, "last_error": result.problem}
    if result.gone or now - since >= GIVE_UP_AFTER * uow.clock.speed:
        changes["state"] = SubscriptionState.DISABLED.value
    await repository.change(subscription.id, changes)
