"""All SQL over subscriptions and deliveries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.kernel.subscriptions.model import Delivery, DeliveryState, Subscription, SubscriptionState
from chengnao.kernel.subscriptions.tables import DeliveryRow, SubscriptionRow


class SubscriptionRepository(Repository):
    async def add(self, subscription: Subscription, secret: bytes) -> None:
        self.session.add(SubscriptionRow(**asdict(subscription), secret=secret))
        await self.session.flush()

    async def subscription(self, scope: Scope, subscription_id: str) -> Subscription | None:
        query = select(SubscriptionRow).where(SubscriptionRow.id == subscription_id, scope.where(SubscriptionRow))
        row = await self.session.scalar(query)
        return None if row is None else _subscription(row)

    async def secrets(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The sealed secrets of these subscriptions."""
        found = await self.session.execute(
            select(SubscriptionRow.id, SubscriptionRow.secret).where(SubscriptionRow.id.in_(ids))
        )
        return {row.id: row.secret for row in found}

    async def subscriptions(self, scope: Scope, request: PageRequest) -> Page[Subscription]:
        query = select(SubscriptionRow).where(scope.where(SubscriptionRow)).order_by(SubscriptionRow.id)
        return (await self.page(query, request)).map(_subscription)

    async def active(self) -> list[Subscription]:
        query = select(SubscriptionRow).where(SubscriptionRow.state == SubscriptionState.ACTIVE.value)
        return [_subscription(row) for row in await self.session.scalars(query)]

    async def change(self, subscription_id: str, values: Mapping[str, Any]) -> None:
        await self.session.execute(
            update(SubscriptionRow).where(SubscriptionRow.id == subscription_id).values(**values)
        )

    async def remove(self, subscription_id: str) -> None:
        await self.session.execute(delete(SubscriptionRow).where(SubscriptionRow.id == subscription_id))

    async def enqueue(self, subscriptions: Sequence[Subscription], envelope: Mapping[str, Any], now: datetime) -> None:
        """Let the event wait for each of them; once, however often it is brought."""
        rows = [
            {
                "subscription_id": each.id,
                "event_id": envelope["id"],
                "subject": envelope["subject"],
                "envelope": dict(envelope),
                "state": DeliveryState.WAITING.value,
                "attempts": 0,
                "made_at": now,
                "next_at": now,
            }
            for each in subscriptions
        ]
        await self.session.execute(insert(DeliveryRow).values(rows).on_conflict_do_nothing())

    async def due(self, now: datetime, limit: int, busy: Collection[int]) -> list[Delivery]:
        """Deliveries to be tried now: of each subject of each active subscription the oldest alone."""
        earlier = aliased(DeliveryRow)
        blocked = select(earlier.sequence).where(
            earlier.subscription_id == DeliveryRow.subscription_id,
            earlier.subject == DeliveryRow.subject,
            earlier.state == DeliveryState.WAITING.value,
            earlier.sequence < DeliveryRow.sequence,
        )
        query = (
            select(DeliveryRow)
            .join(SubscriptionRow, SubscriptionRow.id == DeliveryRow.subscription_id)
            .where(
                SubscriptionRow.state == SubscriptionState.ACTIVE.value,
                DeliveryRow.state == DeliveryState.WAITING.value,
                DeliveryRow.next_at <= now,
                DeliveryRow.sequence.not_in(list(busy)),
                ~blocked.exists(),
            )
            .order_by(DeliveryRow.next_at)
            .limit(limit)
        )
        return [_delivery(row) for row in await self.session.scalars(query)]

    async def move(self, sequence: int, values: Mapping[str, Any]) -> None:
        await self.session.execute(update(DeliveryRow).where(DeliveryRow.sequence == sequence).values(**values))

    async def deliveries(
        self, subscription_id: str, state: DeliveryState | None, request: PageRequest
    ) -> Page[Delivery]:
        """The newest first."""
        query = select(DeliveryRow).where(DeliveryRow.subscription_id == subscription_id)
        if state is not None:
            query = query.where(DeliveryRow.state == state.value)
        return (await self.page(query.order_by(DeliveryRow.sequence.desc()), request)).map(_delivery)

    async def revive(self, subscription_id: str, sequence: int, now: datetime) -> bool:
        """Let a dead letter wait again; False where there is none of this number."""
        statement = (
            update(DeliveryRow)
            .where(
                DeliveryRow.subscription_id == subscription_id,
                DeliveryRow.sequence == sequence,
                DeliveryRow.state == DeliveryState.DEAD.value,
            )
            .values(state=DeliveryState.WAITING.value, attempts=0, next_at=now, ended_at=None)
            .returning(DeliveryRow.sequence)
        )
        return (await self.session.scalar(statement)) is not None

    async def hurry(self, subscription_id: str, now: datetime) -> None:
        """What waits is due at once."""
        waiting = and_(DeliveryRow.subscription_id == subscription_id, DeliveryRow.state == DeliveryState.WAITING.value)
        await self.session.execute(update(DeliveryRow).where(waiting).values(next_at=now))

    async def counts(self, ids: Sequence[str]) -> dict[tuple[str, str], int]:
        """How many deliveries each of these subscriptions has, by state."""
        query = (
            select(DeliveryRow.subscription_id, DeliveryRow.state, func.count())
            .where(DeliveryRow.subscription_id.in_(ids))
            .group_by(DeliveryRow.subscription_id, DeliveryRow.state)
        )
        return {(row[0], row[1]): row[2] for row in await self.session.execute(query)}

    async def forget(self, before: datetime) -> None:
        """Drop deliveries that ended before."""
        await self.session.execute(delete(DeliveryRow).where(DeliveryRow.ended_at < before))


def _subscription(row: SubscriptionRow) -> Subscription:
    values = {each.name: getattr(row, each.name) for each in fields(Subscription)}
    return Subscription(**values | {"state": SubscriptionState(row.state)})


def _delivery(row: DeliveryRow) -> Delivery:
    values = {each.name: getattr(row, each.name) for each in fields(Delivery)}
    return Delivery(**values | {"state": DeliveryState(row.state)})
