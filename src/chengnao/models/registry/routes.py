"""The registry over HTTP. Model files never come in by HTTP; a remote model's card does."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep
from chengnao.models.access import Operator, Reader
from chengnao.models.card import ModelFormat, ModelKind, parse_card
from chengnao.models.registry import service
from chengnao.models.registry.drift import drift
from chengnao.models.registry.model import CHAMPION, Model
from chengnao.models.registry.repository import RegistryRepository
from chengnao.models.registry.usage import DAYS, usage_of
from chengnao.models.registry.views import AliasMoveOut, DriftOut, ModelDetail, ModelOut, UsageOut, VersionOut

router = APIRouter(tags=["models"])


@router.get("/models")
async def list_models(
    principal: Reader,
    uow: UowDep,
    context: ContextDep,
    page: PageDep,
    q: Annotated[str | None, Query(max_length=100)] = None,
    kind: ModelKind | None = None,
) -> PageOf[ModelOut]:
    """Models by id; `q` looks in ids and names."""
    repository = RegistryRepository(uow.session)
    found = await repository.models(page, words=q, kind=kind)
    shown = await repository.versions_named([(each.id, _shown(each)) for each in found.items])
    home = context.settings.home
    return PageOf.of(found, [ModelOut.of(each, shown[each.id], home) for each in found.items])


class CardIn(BaseModel):
    """The YAML of a card whose format is `remote`."""

    yaml: Annotated[str, Field(max_length=100_000)]


@router.post("/models", status_code=201)
async def register_remote(body: CardIn, principal: Operator, uow: UowDep, context: ContextDep) -> VersionOut:
    """Register a model that a provider of the gateway serves."""
    card = parse_card(body.yaml, "card.yaml")
    if card.format is not ModelFormat.REMOTE:
        raise Invalid("model_not_remote", field="format", value=card.format.value, id=card.id)
    version = await service.register(uow, principal, card, None)
    answer = VersionOut.of(version, context.settings.home)
    await uow.commit()
    return answer


class CheckOut(BaseModel):
    """`errors` holds the first thing that is wrong, `card` what was understood."""

    ok: bool
    errors: list[dict[str, Any]]
    card: dict[str, Any] | None


@router.post("/models/check")
async def check_card(body: CardIn, principal: Reader) -> CheckOut:
    """Say what is wrong with a card; nothing is kept."""
    try:
        card = parse_card(body.yaml, "card.yaml")
    except Invalid as error:
        return CheckOut(ok=False, errors=[error.to_dict()], card=None)
    return CheckOut(ok=True, errors=[], card=card.model_dump(mode="json"))


@router.get("/models/{model_id}")
async def get_model(model_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep, context: ContextDep) -> ModelDetail:
    """A model with the card of its champion, its use in the own divisions, and drift."""
    model = await service.require_model(uow, model_id)
    version = await service.require_version(uow, model_id, _shown(model))
    home = context.settings.home
    plain = ModelOut.of(model, version, home).model_dump()
    return ModelDetail(
        **plain,
        version=VersionOut.of(version, home),
        usage=await _usage(uow, scope, model_id),
        drift=[DriftOut.of(each) for each in await drift(uow, model_id, version.version)],
    )


@router.get("/models/{model_id}/versions")
async def list_versions(
    model_id: Id, principal: Reader, uow: UowDep, context: ContextDep, page: PageDep
) -> PageOf[VersionOut]:
    """Versions, the newest first."""
    await service.require_model(uow, model_id)
    found = await RegistryRepository(uow.session).versions(model_id, page)
    return PageOf.of(found, [VersionOut.of(each, context.settings.home) for each in found.items])


@router.get("/models/{model_id}/versions/{version}/drift")
async def get_drift(model_id: Id, version: Id, principal: Reader, uow: UowDep) -> list[DriftOut]:
    """Whether what a version is given and what it answers still looks as it did at first."""
    found = await service.require_version(uow, model_id, version)
    return [DriftOut.of(each) for each in await drift(uow, model_id, found.version)]


@router.get("/models/{model_id}/aliases")
async def list_alias_moves(model_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[AliasMoveOut]:
    """What aliases came to name, the newest first."""
    await service.require_model(uow, model_id)
    found = await RegistryRepository(uow.session).alias_moves(model_id, page)
    return PageOf.of(found, [AliasMoveOut.of(each) for each in found.items])


class AliasIn(BaseModel):
    version: Id
    note: Annotated[str, Field(max_length=500)] = ""


@router.put("/models/{model_id}/aliases/{alias}")
async def move_alias(model_id: Id, alias: Id, body: AliasIn, principal: Operator, uow: UowDep) -> AliasMoveOut:
    """Let an alias such as `champion` name a version from now on."""
    move = await service.move_alias(uow, principal, model_id, alias, body.version, note=body.note)
    await uow.commit()
    return AliasMoveOut.of(move)


def _shown(model: Model) -> str:
    return model.aliases.get(CHAMPION, model.latest)


async def _usage(uow: UnitOfWork, scope: Scope, model_id: str) -> UsageOut:
    used = await usage_of(uow, scope, model_id)
    return UsageOut(
        days=DAYS,
        calls=used.calls,
        failed=used.failed,
        tokens=used.amount.tokens,
        money=used.amount.money / 1_000_000,
        milliseconds=round(used.milliseconds, 1),
    )
