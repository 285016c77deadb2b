"""Routes, providers, keys and retention over HTTP, for those who run the gateway."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.kernel.web import ContextDep, DivisionCode, Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.models.gateway import service
from chengnao.models.gateway.metering.repository import MeteringRepository
from chengnao.models.gateway.model import RETENTION_DAYS, Key, Kind, ModelRoute, Provider, Target
from chengnao.models.gateway.probe import probe
from chengnao.models.gateway.repository import GatewayRepository

router = APIRouter(prefix="/models", tags=["models"])

Reader = Annotated[Principal, Depends(require("model.read"))]
Writer = Annotated[Principal, Depends(require("model.write"))]
KeyReader = Annotated[Principal, Depends(require("model_key.read"))]
KeyWriter = Annotated[Principal, Depends(require("model_key.write"))]

Text = Annotated[str, Field(min_length=1, max_length=200)]
RouteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Micro = Annotated[int, Field(ge=0, le=10**9)]


async def _of_the_city(request: Request, principal: Principal) -> None:
    """What all divisions share is the city's to change."""
    await check(request, principal, "model.write", CITY, None)


# --- routes ------------------------------------------------------------------------------------------------------


class TargetBody(BaseModel):
    """Where calls of a route may go; prices in micro-yuan for 1,000 tokens, or for a call."""

    source: Annotated[str, Field(pattern=r"^(provider|deployment|embedded):[\w.-]{1,100}$")]
    model: Text
    price_in: Micro = 0
    price_out: Micro = 0
    price_call: Micro = 0
    data: DataClass = DataClass.INTERNAL
    grade: Annotated[str, Field(max_length=20)] = "ungraded"
    seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    rank: Annotated[int, Field(ge=1, le=100)] = 1
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    image_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 2_000

    @classmethod
    def of(cls, target: Target) -> Self:
        return cls(**{name: getattr(target, name) for name in cls.model_fields})


class RouteBody(BaseModel):
    """`version`: the one that was seen; 0 for a new route."""

    kind: Kind
    title: Text
    targets: Annotated[list[TargetBody], Field(max_length=50)]
    seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    answer_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 2_048
    version: Annotated[int, Field(ge=0)] = 0


class RouteOut(RouteBody):
    name: str
    kind_name: str

    @classmethod
    def of(cls, route: ModelRoute) -> Self:
        targets = [
            TargetBody(**{name: getattr(each, name) for name in TargetBody.model_fields}) for each in route.targets
        ]
        plain = {
            name: getattr(route, name) for name in ("name", "kind", "title", "seconds", "answer_tokens", "version")
        }
        return cls(**plain, targets=targets, kind_name=route.kind.zh)


@router.get("/routes")
async def list_routes(principal: Reader, uow: UowDep) -> list[RouteOut]:
    return [RouteOut.of(each) for each in await GatewayRepository(uow.session).routes()]


@router.put("/routes/{route_name}")
async def put_route(
    route_name: RouteName, body: RouteBody, request: Request, principal: Writer, uow: UowDep
) -> RouteOut:
    """Add or change a route; gateways take it up at once."""
    await _of_the_city(request, principal)
    targets = tuple(Target(**each.model_dump()) for each in body.targets)
    plain = {key: getattr(body, key) for key in ("kind", "title", "seconds", "answer_tokens", "version")}
    made = await service.put_route(uow, principal, ModelRoute(name=route_name, targets=targets, **plain))
    await uow.commit()
    return RouteOut.of(made)


# --- providers ---------------------------------------------------------------------------------------------------


class ProviderOut(BaseModel):
    """A provider; its secret is never shown again."""

    id: str
    name: str
    base_url: str
    enabled: bool
    has_secret: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, provider: Provider) -> Self:
        return cls(**{name: getattr(provider, name) for name in cls.model_fields})


class ProviderBody(BaseModel):
    """`secret` left away keeps the one that is there; an empty one takes it away."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
    base_url: Annotated[str, Field(max_length=500)]
    enabled: bool = True
    secret: Annotated[str | None, Field(max_length=2000, repr=False)] = None


@router.get("/providers")
async def list_providers(principal: Reader, uow: UowDep) -> list[ProviderOut]:
    return [ProviderOut.of(each) for each in await GatewayRepository(uow.session).providers()]


@router.post("/providers", status_code=201)
async def create_provider(
    body: ProviderBody, request: Request, principal: Writer, uow: UowDep, context: ContextDep
) -> ProviderOut:
    """Register a provider with an OpenAI-compatible address."""
    await _of_the_city(request, principal)
    vault = Vault.of(context.settings.home)
    made = await service.put_provider(uow, vault, principal, None, **body.model_dump())
    await uow.commit()
    return ProviderOut.of(made)


@router.put("/providers/{provider_id}")
async def change_provider(
    provider_id: Id, body: ProviderBody, request: Request, principal: Writer, uow: UowDep, context: ContextDep
) -> ProviderOut:
    await _of_the_city(request, principal)
    vault = Vault.of(context.settings.home)
    made = await service.put_provider(uow, vault, principal, provider_id, **body.model_dump())
    await uow.commit()
    return ProviderOut.of(made)


@router.delete("/providers/{provider_id}", status_code=204)
async def drop_provider(provider_id: Id, request: Request, principal: Writer, uow: UowDep) -> None:
    await _of_the_city(request, principal)
    await service.drop_provider(uow, principal, provider_id)
    await uow.commit()


class TestBody(BaseModel):
    """`model`: one to ask for a word; without it the provider is asked for its list of models."""

    model: Text | None = None


class TestOut(BaseModel):
    ok: bool
    status: int | None
    milliseconds: int
    detail: str
    models: list[str]


@router.post("/providers/{provider_id}/test")
async def test_provider(
    provider_id: Id, body: TestBody, request: Request, principal: Writer, uow: UowDep, context: ContextDep
) -> TestOut:
    """Try whether the provider answers."""
    await _of_the_city(request, principal)
    provider = await service.require_provider(uow, provider_id)
    secret = await service.secret_of(uow, Vault.of(context.settings.home), provider)
    await uow.session.close()  # a slow vendor keeps no connection to the database
    tried = await probe(provider, secret, body.model)
    return TestOut(
        ok=tried.ok,
        status=tried.status,
        milliseconds=tried.milliseconds,
        detail=tried.detail,
        models=list(tried.models),
    )


# --- keys --------------------------------------------------------------------------------------------------------


class KeyOut(BaseModel):
    """`hint`: the end of the secret; `routes` null: all."""

    id: str
    name: str
    division_code: str
    unit_id: str | None
    routes: list[str] | None
    data: DataClass
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: Key) -> Self:
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class KeyBody(BaseModel):
    name: Text
    division_code: DivisionCode
    unit_id: Text | None = None
    routes: Annotated[list[RouteName] | None, Field(min_length=1, max_length=100)] = None
    data: DataClass = DataClass.INTERNAL
    expires_at: AwareDatetime | None = None


class KeyMade(BaseModel):
    """The key and its secret, which is shown this once."""

    key: KeyOut
    secret: str


@router.get("/keys")
async def list_keys(principal: KeyReader, scope: ScopeDep, uow: UowDep, page: PageDep) -> PageOf[KeyOut]:
    found = await GatewayRepository(uow.session).keys(scope, page)
    return PageOf.of(found, [KeyOut.of(each) for each in found.items])


@router.post("/keys", status_code=201)
async def create_key(body: KeyBody, request: Request, principal: KeyWriter, uow: UowDep) -> KeyMade:
    """Give a unit or a division a key to the gateway."""
    await check(request, principal, "model_key.write", body.division_code, body.unit_id)
    routes = None if body.routes is None else tuple(body.routes)
    key, secret = await service.make_key(uow, principal, **body.model_dump() | {"routes": routes})
    await uow.commit()
    return KeyMade(key=KeyOut.of(key), secret=secret)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: Id, principal: KeyWriter, scope: ScopeDep, uow: UowDep) -> None:
    await service.revoke_key(uow, principal, scope, key_id)
    await uow.commit()


# --- retention ---------------------------------------------------------------------------------------------------


class RetentionBody(BaseModel):
    """Days that prompts and answers are kept; 0: not at all."""

    public: Annotated[int, Field(ge=0, le=365)]
    internal: Annotated[int, Field(ge=0, le=90)]
    sensitive: Annotated[int, Field(ge=0, le=30)]


@router.get("/retention")
async def read_retention(principal: Reader, uow: UowDep) -> RetentionBody:
    days = await MeteringRepository(uow.session).retention(RETENTION_DAYS)
    return RetentionBody(**{data.value: count for data, count in days.items()})


@router.put("/retention")
async def put_retention(body: RetentionBody, request: Request, principal: Writer, uow: UowDep) -> RetentionBody:
    await _of_the_city(request, principal)
    await service.put_retention(uow, principal, {DataClass(name): days for name, days in body.model_dump().items()})
    await uow.commit()
    return body
