"""SQL over routes, providers, budgets, keys, and what calls have used."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Amount, Budget, Period, Use
from chengnao.models.gateway.model import Key, Kind, ModelRoute, Outcome, Provider, Target
from chengnao.models.gateway.tables import (
    BudgetRow,
    CallRow,
    KeyRow,
    ProviderRow,
    RetentionRow,
    RouteRow,
    TextRow,
    WindowRow,
)

CHANNEL = "models"
"""Gateways listen here for changes of what they keep in memory."""

UsageBy = Literal["unit", "division", "route", "target", "model", "purpose", "key", "day", "outcome"]

_BY: dict[str, Any] = {
    "unit": CallRow.unit_id,
    "division": CallRow.division_code,
    "route": CallRow.route,
    "target": CallRow.target,
    "model": CallRow.model,
    "purpose": CallRow.purpose,
    "key": CallRow.key_id,
    "outcome": CallRow.outcome,
    "day": func.to_char(func.timezone("Asia/Shanghai", CallRow.at), "YYYY-MM-DD"),
}


@dataclass(frozen=True)
class Usage:
    """What one unit, route, purpose, day ... has used; money in micro-yuan."""

    name: str | None
    calls: int
    amount: Amount
    failed: int
    milliseconds: float
    """Mean of the calls that were done."""


@dataclass(frozen=True)
class Call:
    """One metered call."""

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
    outcome: Outcome
    retries: int
    estimated: bool


class GatewayRepository(Repository):
    async def tell_gateways(self) -> None:
        """Have the gateways read anew what they keep, once this is committed."""
        await self.session.execute(text(f"NOTIFY {CHANNEL}"))

    # --- routes and providers

    async def routes(self) -> list[ModelRoute]:
        return [_route(row) for row in await self.session.scalars(select(RouteRow).order_by(RouteRow.name))]

    async def route(self, name: str) -> ModelRoute | None:
        """The route, locked for this transaction."""
        row = await self.session.scalar(select(RouteRow).where(RouteRow.name == name).with_for_update())
        return None if row is None else _route(row)

    async def put_route(self, route: ModelRoute, at: datetime) -> None:
        values = asdict(route) | {"kind": route.kind.value, "updated_at": at}
        values["targets"] = [asdict(each) | {"data": each.data.value} for each in route.targets]
        statement = insert(RouteRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    async def add_route(self, route: ModelRoute, at: datetime) -> None:
        """Add the route where there is none of its name."""
        values = asdict(route) | {"kind": route.kind.value, "updated_at": at}
        values["targets"] = [asdict(each) | {"data": each.data.value} for each in route.targets]
        await self.session.execute(insert(RouteRow).values(**values).on_conflict_do_nothing())

    async def providers(self) -> list[Provider]:
        rows = await self.session.scalars(select(ProviderRow).order_by(ProviderRow.name))
        return [_provider(row) for row in rows]

    async def provider(self, provider_id: str) -> Provider | None:
        row = await self.session.scalar(select(ProviderRow).where(ProviderRow.id == provider_id))
        return None if row is None else _provider(row)

    async def secret_of(self, provider_id: str) -> bytes | None:
        return await self.session.scalar(select(ProviderRow.secret).where(ProviderRow.id == provider_id))

    async def sealed_secrets(self) -> dict[str, bytes]:
        """The sealed secret of each provider that has one, by id."""
        rows = await self.session.execute(
            select(ProviderRow.id, ProviderRow.secret).where(ProviderRow.secret.is_not(None))
        )
        return {row.id: row.secret for row in rows}

    async def put_provider(self, provider: Provider, secret: bytes | None) -> None:
        """Add or change; `secret` None keeps the one that is there."""
        values = asdict(provider)
        del values["has_secret"]
        if secret is not None:
            values["secret"] = secret
        statement = insert(ProviderRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def drop_secret(self, provider_id: str) -> None:
        await self.session.execute(update(ProviderRow).where(ProviderRow.id == provider_id).values(secret=None))

    async def drop_provider(self, provider_id: str) -> None:
        await self.session.execute(delete(ProviderRow).where(ProviderRow.id == provider_id))

    # --- keys

    async def keys(self, scope: Scope, request: PageRequest) -> Page[Key]:
        query = select(KeyRow).where(scope.where(KeyRow)).order_by(KeyRow.created_at.desc(), KeyRow.id)
        return (await self.page(query, request)).map(_key)

    async def key(self, scope: Scope, key_id: str) -> Key | None:
        row = await self.session.scalar(select(KeyRow).where(KeyRow.id == key_id, scope.where(KeyRow)))
        return None if row is None else _key(row)

    async def usable_keys(self, now: datetime) -> dict[str, Key]:
        """Keys that are neither revoked nor expired, by the hash of their secret."""
        query = select(KeyRow).where(KeyRow.revoked_at.is_(None))
        rows = await self.session.scalars(query.execution_options(populate_existing=True))
        return {row.secret_hash: _key(row) for row in rows if _key(row).usable(now)}

    async def add_key(self, key: Key, secret_hash: str) -> None:
        values = asdict(key) | {"data_class": key.data.value, "secret_hash": secret_hash}
        del values["data"]
        values["routes"] = None if key.routes is None else list(key.routes)
        self.session.add(KeyRow(**values))

    async def revoke_key(self, key_id: str, at: datetime) -> None:
        await self.session.execute(
            update(KeyRow).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None)).values(revoked_at=at)
        )

    # --- budgets

    async def all_budgets(self) -> list[Budget]:
        return [_budget(row) for row in await self.session.scalars(select(BudgetRow).order_by(BudgetRow.id))]

    async def budgets(self, scope: Scope, request: PageRequest) -> Page[Budget]:
        query = select(BudgetRow).where(scope.where(BudgetRow)).order_by(BudgetRow.division_code, BudgetRow.id)
        return (await self.page(query, request)).map(_budget)

    async def budget(self, scope: Scope, budget_id: str) -> Budget | None:
        row = await self.session.scalar(select(BudgetRow).where(BudgetRow.id == budget_id, scope.where(BudgetRow)))
        return None if row is None else _budget(row)

    async def budget_exists(self, budget_id: str) -> bool:
        return await self.session.scalar(select(BudgetRow.id).where(BudgetRow.id == budget_id)) is not None

    async def put_budget(self, budget: Budget, at: datetime) -> None:
        values = asdict(budget) | {"period": budget.period.value, "updated_at": at}
        statement = insert(BudgetRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def drop_budget(self, budget_id: str) -> None:
        await self.session.execute(delete(BudgetRow).where(BudgetRow.id == budget_id))

    async def use_of(self, budgets: Sequence[Budget], now: datetime) -> dict[str, Use]:
        """What the present period of each budget has spent and reserved."""
        current = {(each.id, each.period.start(now)) for each in budgets}
        rows = await self.session.scalars(
            select(WindowRow)
            .where(WindowRow.budget_id.in_([each.id for each in budgets]))
            .where(WindowRow.starts_at >= now - timedelta(days=32))
        )
        return {row.budget_id: _use(row) for row in rows if (row.budget_id, row.starts_at) in current}

    # --- what was used, and what was said

    async def usage(
        self, scope: Scope, by: UsageBy, start: datetime, end: datetime, request: PageRequest
    ) -> Page[Usage]:
        """Sums of the calls between two times, the most expensive first; days in their order."""
        name = _BY[by].label("name")
        money, calls = func.sum(CallRow.money), func.count()
        query = (
            select(
                name,
                calls.label("calls"),
                func.sum(CallRow.requests),
                func.sum(CallRow.tokens_in + CallRow.tokens_out),
                money,
                func.count().filter(CallRow.outcome != Outcome.DONE.value),
                func.avg(CallRow.milliseconds).filter(CallRow.outcome == Outcome.DONE.value),
            )
            .where(scope.where(CallRow), CallRow.at >= start, CallRow.at < end)
            .group_by(name)
        )
        order = (name,) if by == "day" else (money.desc(), calls.desc(), name)
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self.session.execute(query.order_by(*order).limit(request.size).offset(request.offset))
        found = [
            Usage(row[0], row[1], Amount(int(row[2]), int(row[3]), int(row[4])), row[5], float(row[6] or 0.0))
            for row in rows
        ]
        return Page(found, total or 0, request.page, request.size)

    async def usage_of_model(self, scope: Scope, model_id: str, start: datetime, end: datetime) -> Usage:
        """Sums of the calls that any version of a model answered between two times."""
        query = select(
            func.count(),
            func.coalesce(func.sum(CallRow.requests), 0),
            func.coalesce(func.sum(CallRow.tokens_in + CallRow.tokens_out), 0),
            func.coalesce(func.sum(CallRow.money), 0),
            func.count().filter(CallRow.outcome != Outcome.DONE.value),
            func.avg(CallRow.milliseconds).filter(CallRow.outcome == Outcome.DONE.value),
        ).where(
            scope.where(CallRow),
            CallRow.at >= start,
            CallRow.at < end,
            func.split_part(CallRow.model, "@", 1) == model_id,
        )
        row = (await self.session.execute(query)).one()
        return Usage(model_id, row[0], Amount(int(row[1]), int(row[2]), int(row[3])), row[4], float(row[5] or 0.0))

    async def calls(self, scope: Scope, request: PageRequest, **filters: str | None) -> Page[Call]:
        """Calls, the newest first; `filters` by column."""
        conditions: list[ColumnElement[bool]] = [
            getattr(CallRow, name) == value for name, value in filters.items() if value is not None
        ]
        query = select(CallRow).where(scope.where(CallRow), *conditions).order_by(CallRow.at.desc(), CallRow.id)
        return (await self.page(query, request)).map(_call)

    async def call(self, scope: Scope, call_id: str) -> Call | None:
        row = await self.session.scalar(select(CallRow).where(CallRow.id == call_id, scope.where(CallRow)))
        return None if row is None else _call(row)

    async def sealed_text(self, call_id: str) -> bytes | None:
        return await self.session.scalar(select(TextRow.sealed).where(TextRow.call_id == call_id))

    async def put_retention(self, data: DataClass, days: int, at: datetime) -> None:
        values = {"data_class": data.value, "days": days, "updated_at": at}
        statement = insert(RetentionRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["data_class"], set_=values))


def _route(row: RouteRow) -> ModelRoute:
    targets = tuple(Target(**each | {"data": DataClass(each["data"])}) for each in row.targets)
    return ModelRoute(row.name, Kind(row.kind), row.title, targets, row.seconds, row.answer_tokens, row.version)


def _provider(row: ProviderRow) -> Provider:
    return Provider(row.id, row.name, row.base_url, row.enabled, row.secret is not None, row.created_at, row.updated_at)


def _key(row: KeyRow) -> Key:
    values = {each.name: getattr(row, each.name) for each in fields(Key) if each.name not in ("routes", "data")}
    routes = None if row.routes is None else tuple(row.routes)
    return Key(**values, routes=routes, data=DataClass(row.data_class))


def _budget(row: BudgetRow) -> Budget:
    values = {each.name: getattr(row, each.name) for each in fields(Budget)}
    return Budget(**values | {"period": Period(row.period)})


def _use(row: WindowRow) -> Use:
    return Use(
        Amount(row.spent_requests, row.spent_tokens, row.spent_money),
        Amount(row.reserved_requests, row.reserved_tokens, row.reserved_money),
    )


def _call(row: CallRow) -> Call:
    values = {each.name: getattr(row, each.name) for each in fields(Call)}
    return Call(**values | {"data_class": DataClass(row.data_class), "outcome": Outcome(row.outcome)})
