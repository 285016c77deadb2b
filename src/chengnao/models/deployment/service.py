"""Use cases of deployments. None of them commits; the `models` process does what they ask for."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psutil

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
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
from chengnao.models.pull import is_installed
from chengnao.models.registry.model import Version
from chengnao.models.registry.service import PLATFORM, require_version

CHAT = "chat"
"""The deployment, and the route, that a platform with a language model makes by itself."""
DEFAULT_CHAT = "qwen2.5-coder-1.5b-instruct"
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


async def deploy_by_itself(uow: UnitOfWork, home: Path) -> Deployment | None:
    """Deploy an installed language model as `chat` where nobody has ever deployed that; None where nothing is done."""
    if await DeploymentRepository(uow.session).deployment(CHAT) is not None:
        return None
    card = first_language_model(home)
    if card is None or not runtime_installed():
        return None
    return await deploy(uow, home, PLATFORM, CHAT, card.id, card.version)


def first_language_model(home: Path) -> Card | None:
    """The language model to begin with: the default one where it is installed, else any that is."""
    cards = {card.id: card for card in (*builtin_cards().values(), *local_cards(home))}
    installed = [
        card
        for card in cards.values()
        if card.kind is ModelKind.CHAT and card.format is ModelFormat.GGUF and is_installed(home, card)
    ]
    return min(installed, key=lambda card: (card.id != DEFAULT_CHAT, -card.bytes), default=None)


def runtime_installed() -> bool:
    """Whether what runs GGUF models is there."""
    return find_spec("xllamacpp") is not None


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
    if card.kind not in _SERVED or (card.kind is ModelKind.CHAT and card.format is not ModelFormat.GGUF):
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
