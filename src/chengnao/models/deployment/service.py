"""Use cases of deployments. None of them commits; the `models` process does what they ask for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from chengnao.models.card import Card, ModelFormat, ModelKind, builtin_cards, local_cards
from chengnao.models.deployment.memory import RESERVE_MB, needed_mb
from chengnao.models.deployment.model import (
    Action,
    Deployment,
    DeploymentState,
    checked_name,
    checked_replicas,
)
from chengnao.models.deployment.repository import DeploymentRepository
from chengnao.models.pull import is_installed, missing_packages
from chengnao.models.registry.model import Version
from chengnao.models.registry.service import PLATFORM, require_version

BY_ITSELF = {"chat": ModelKind.CHAT, "transcription": ModelKind.TRANSCRIPTION}
"""What a platform deploys by itself once such a model is installed; the gateway's first routes lead there."""
DEFAULTS = {ModelKind.CHAT: "qwen2.5-coder-1.5b-instruct", ModelKind.TRANSCRIPTION: "whisper-base"}
_SERVED = {ModelKind.CHAT, ModelKind.EMBEDDING, ModelKind.TRANSCRIPTION}


async def deploy(
    uow: UnitOfWork,
    home: Path,
    actor: Principal,
    name: str,
    model_id: str,
    version: str,
    *,
    replicas: int = 1,
    threads: int | None = None,
) -> Deployment:
    """Let a version (or an alias of one) run under a name.

    Raises Conflict where the name is taken or the machine could never hold it, Invalid where such a model cannot be
    served or its files are not there.
    """
    found = await require_version(uow, model_id, version)
    _require_served(home, found)
    _require_size(found.card, checked_replicas(replicas))
    now = uow.clock.now()
    made = Deployment(
        checked_name(name), model_id, found.version, replicas, DeploymentState.RUNNING, now, now, actor.name,
        threads=threads,
    )  # fmt: skip
    repository = DeploymentRepository(uow.session)
    if not await repository.add(made):
        raise Conflict("deployment_exists", name=name)
    await repository.note(made, Action.CREATE, actor.id)
    return made


async def scale(uow: UnitOfWork, actor: Principal, name: str, replicas: int) -> Deployment:
    """Let so many replicas run; raises Conflict where the machine could never hold them."""
    deployment = await _locked(uow, name)
    version = await require_version(uow, deployment.model_id, deployment.version)
    _require_size(version.card, checked_replicas(replicas))
    return await _changed(uow, actor, deployment, Action.SCALE, lambda each: each.scale(replicas))


async def canary(uow: UnitOfWork, home: Path, actor: Principal, name: str, version: str, share: float) -> Deployment:
    """Let another version of the model have a share of the calls."""
    deployment = await _locked(uow, name)
    found = await require_version(uow, deployment.model_id, version)
    _require_served(home, found)
    return await _changed(uow, actor, deployment, Action.CANARY, lambda each: each.canary(found.version, share))


async def promote(uow: UnitOfWork, actor: Principal, name: str) -> Deployment:
    """Let the canary have all calls; the version before is kept for a roll-back."""
    return await _changed(uow, actor, await _locked(uow, name), Action.PROMOTE, Deployment.promote)


async def rollback(uow: UnitOfWork, actor: Principal, name: str) -> Deployment:
    """Drop the canary; without one, go back to the version before."""
    return await _changed(uow, actor, await _locked(uow, name), Action.ROLLBACK, Deployment.rollback)


async def stop(uow: UnitOfWork, actor: Principal, name: str) -> Deployment:
    """End all its replicas; it stays, and can be started again."""
    return await _changed(uow, actor, await _locked(uow, name), Action.STOP, Deployment.stop)


async def start(uow: UnitOfWork, actor: Principal, name: str) -> Deployment:
    """Let it run again."""
    return await _changed(uow, actor, await _locked(uow, name), Action.START, Deployment.start)


async def deploy_by_itself(uow: UnitOfWork, home: Path, name: str) -> Deployment | None:
    """Deploy an installed model under the name where nobody has ever deployed anything; None: nothing was done."""
    if await DeploymentRepository(uow.session).deployment(name) is not None:
        return None
    card = first_model(home, BY_ITSELF[name])
    if card is None or missing_packages(card):
        return None
    return await deploy(uow, home, PLATFORM, name, card.id, card.version)


def first_model(home: Path, kind: ModelKind) -> Card | None:
    """The model to begin with: the default one where it is installed, else the largest that is."""
    cards = {card.id: card for card in (*builtin_cards().values(), *local_cards(home))}
    able = [card for card in cards.values() if card.kind is kind and _served(card) and is_installed(home, card)]
    return min(able, key=lambda card: (card.id != DEFAULTS[kind], -card.bytes), default=None)


def why_none(home: Path, name: str) -> Unavailable:
    """Why nothing runs under a name that nobody has deployed anything under."""
    kind = BY_ITSELF.get(name)
    if kind is None:
        return Unavailable("deployment_unknown", retry_after=300, name=name)
    card = first_model(home, kind)
    if card is None:
        return Unavailable("model_none_installed", retry_after=300, kind=kind.zh, kind_en=kind.en, id=DEFAULTS[kind])
    if missing := missing_packages(card):
        extra = missing[0].extra
        package = f"chengnao[{extra}]" if extra else missing[0].package
        return Unavailable("model_runtime_missing", retry_after=300, id=card.id, package=package)
    return Unavailable("deployment_starting", retry_after=10, name=name)


def _served(card: Card) -> bool:
    return card.kind in _SERVED and (card.kind is not ModelKind.CHAT or card.format is ModelFormat.GGUF)


async def _locked(uow: UnitOfWork, name: str) -> Deployment:
    deployment = await DeploymentRepository(uow.session).deployment(name, lock=True)
    if deployment is None:
        raise NotFound("not_found", kind="部署 deployment", id=name)
    return deployment


async def _changed(
    uow: UnitOfWork,
    actor: Principal,
    deployment: Deployment,
    action: Action,
    change: Callable[[Deployment], Deployment],
) -> Deployment:
    after = replace(
        change(deployment), revision=deployment.revision + 1, updated_at=uow.clock.now(), updated_by_name=actor.name
    )
    repository = DeploymentRepository(uow.session)
    await repository.save(after)
    await repository.note(after, action, actor.id)
    return after


def _require_served(home: Path, version: Version) -> None:
    card = version.card
    if not _served(card):
        raise Invalid("serving_not_possible", field="id", value=card.id, kind=card.kind.zh, kind_en=card.kind.en)
    if version.folder is not None and not all(
        (home / version.folder / each.name).exists() for each in card.files if each.inside is None
    ):
        raise Conflict("model_not_pulled", id=card.id)


def _require_size(card: Card, replicas: int) -> None:
    total = psutil.virtual_memory().total // 2**20
    needed = replicas * needed_mb(card)
    if needed + RESERVE_MB > total:
        raise Conflict("deployment_too_large", id=card.id, replicas=replicas, needed=needed, total=total)
