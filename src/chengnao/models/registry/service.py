"""Use cases of the registry. None of them commits."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.files import write_atomically
from chengnao.kernel.fresh import Fresh
from chengnao.kernel.organisation.model import CITY
from chengnao.models.card import (
    CARD,
    Card,
    ModelFile,
    builtin_cards,
    dump_card,
    local_cards,
    model_folder,
)
from chengnao.models.pull import digest_of, is_installed
from chengnao.models.registry.formats import check_files
from chengnao.models.registry.model import (
    CHAMPION,
    AliasMove,
    Model,
    Observation,
    Version,
    checked_alias,
    digest_of_card,
)
from chengnao.models.registry.repository import RegistryRepository

PLATFORM = Principal("platform", "城脑", "system", frozenset(), CITY)
"""In whose name the platform itself enters models."""


async def register(
    uow: UnitOfWork, actor: Principal, card: Card, folder: str | None, *, builtin: bool = False
) -> Version:
    """Enter a version, whose files `keep_files` or `pull` has checked; weights that are known already are one version.

    `folder` is where its files lie, relative to the data folder. The first version of a model becomes its champion.
    Raises Conflict where the version's name stands for other weights.
    """
    repository = RegistryRepository(uow.session)
    now = uow.clock.now()
    await repository.put_model(card, builtin=builtin, at=now)
    model = await _require_model(uow.session, card.id, lock=True)
    digest = digest_of_card(card)
    known = await repository.version_with(card.id, digest)
    if known is not None:
        if known.version == card.version and known.card != card:
            await repository.set_card(card.id, known.version, card)
        return known
    if await repository.version(card.id, card.version) is not None:
        raise Conflict("model_version_taken", id=card.id, version=card.version)
    version = Version(card.id, card.version, digest, card.format, card.bytes, folder, card, now, actor.name)
    await repository.add_version(version)
    if not model.versions:
        await repository.put_alias(card.id, AliasMove(CHAMPION, None, card.version, now, actor.name, ""), actor.id)
        _CHAMPIONS.forget_after_commit(uow)
    return version


def keep_files(home: Path, card: Card, source: Path) -> tuple[Card, str]:
    """Take the files of a new version from a folder into the data folder, where each is refused or safe.

    The card's files are those of the folder, with their digests; returns the card that says so, and the folder
    relative to the data folder. Nothing is moved: the source stays. Reads all files, so call it in a thread.
    """
    found = sorted(each for each in source.iterdir() if each.is_file() and each.name != CARD)
    if not found:
        raise Invalid("model_without_files", field="files", folder=str(source))
    files = tuple(ModelFile(name=each.name, sha256=digest_of(each), bytes=each.stat().st_size) for each in found)
    card = card.model_copy(update={"files": files})
    check_files(card, source)
    relative = f"models/{card.id}/versions/{card.version}"
    folder = model_folder(home, card.id) / "versions" / card.version
    if not folder.exists():
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        for each in found:
            shutil.copyfile(each, scratch / each.name)
        write_atomically(scratch / CARD, dump_card(card).encode(), 0o644)
        scratch.replace(folder)
    return card, relative


async def take_in(uow: UnitOfWork, home: Path) -> None:
    """Bring the registry up to what lies on the disk: the cards that Chengnao carries, and those added here."""
    for card in builtin_cards().values():
        folder = f"models/{card.id}" if card.pulled else None
        await _entered(uow, card, folder, builtin=True)
    for card in local_cards(home):
        carried = builtin_cards().get(card.id)
        if is_installed(home, card) and (carried is None or carried.version != card.version):
            await _entered(uow, card, f"models/{card.id}", builtin=carried is not None)


async def _entered(uow: UnitOfWork, card: Card, folder: str | None, *, builtin: bool) -> None:
    try:
        await register(uow, PLATFORM, card, folder, builtin=builtin)
    except Conflict:
        # Somebody has put other weights under the version of a card; what was there first stays.
        return


async def require_model(uow: UnitOfWork, model_id: str) -> Model:
    """The model; raises NotFound."""
    return await _require_model(uow.session, model_id)


async def _require_model(session: AsyncSession, model_id: str, *, lock: bool = False) -> Model:
    model = await RegistryRepository(session).model(model_id, lock=lock)
    if model is None:
        raise NotFound("not_found", kind="模型 model", id=model_id)
    return model


async def require_version(uow: UnitOfWork, model_id: str, version_or_alias: str) -> Version:
    """The version of that name, or that the alias names now; raises NotFound."""
    repository = RegistryRepository(uow.session)
    name = await repository.alias(model_id, version_or_alias) or version_or_alias
    version = await repository.version(model_id, name)
    if version is None:
        raise NotFound("not_found", kind="模型版本 model version", id=f"{model_id}@{version_or_alias}")
    return version


async def move_alias(
    uow: UnitOfWork, actor: Principal, model_id: str, alias: str, version: str, *, note: str = ""
) -> AliasMove:
    """Let the alias name the version from now on; whoever reads sees the one or the other, never neither."""
    checked_alias(alias)
    await _require_model(uow.session, model_id, lock=True)
    repository = RegistryRepository(uow.session)
    if await repository.version(model_id, version) is None:
        raise NotFound("not_found", kind="模型版本 model version", id=f"{model_id}@{version}")
    before = await repository.alias(model_id, alias)
    move = AliasMove(alias, before, version, uow.clock.now(), actor.name, note)
    if before != version:
        await repository.put_alias(model_id, move, actor.id)
        _CHAMPIONS.forget_after_commit(uow)
    return move


async def _read_champions(uow: UnitOfWork) -> dict[str, str]:
    return await RegistryRepository(uow.session).named(CHAMPION)


_CHAMPIONS = Fresh(_read_champions)


async def observe_champion(uow: UnitOfWork, model_id: str, seen: Sequence[Observation]) -> None:
    """The same for the version that is in use; nothing is kept of a model that the registry does not know."""
    version = (await _CHAMPIONS.get(uow)).get(model_id)
    if version is not None:
        await observe(uow, model_id, version, seen)


async def observe(uow: UnitOfWork, model_id: str, version: str, seen: Sequence[Observation]) -> None:
    """Note what uses of the model looked like, so that a drift shows; nothing of their content is kept."""
    await RegistryRepository(uow.session).observe(model_id, version, uow.clock.now(), seen)
