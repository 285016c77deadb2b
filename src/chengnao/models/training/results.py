"""What becomes of the result of a job: registered with its figures, proposed where it is better than the model in use,
and put in the place of that model when a person says so."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chengnao.kernel.access.model import Principal
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict
from chengnao.kernel.files import write_atomically
from chengnao.models.card import Card, Eval, Licence, Requirement, Source, Text, model_folder
from chengnao.models.pull import digest_of
from chengnao.models.registry.model import CANDIDATE, CHAMPION, Version
from chengnao.models.registry.repository import RegistryRepository
from chengnao.models.registry.service import PLATFORM, keep_files, move_alias, register
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.model import Job, better
from chengnao.models.training.recipe import Recipe, require_recipe

_CORE_PACKAGES = ("scikit-learn", "skops")
"""What reads the weights of recipes that need no extra."""


async def register_result(uow: UnitOfWork, home: Path, job: Job, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Enter the result in the registry, with its figures in its card; returns it as the job keeps it.

    Where it beat the model in use on the same rows, or there was none, it becomes the candidate. Nothing else changes:
    the model in use stays the champion.
    """
    recipe = require_recipe(job.kind)
    actor = Principal(job.created_by, job.created_by_name, "user", frozenset(), job.division_code)
    await register_installed(uow, home, recipe)
    name = f"{job.created_at.astimezone(CST):%Y%m%d}-{job.id[-8:]}"
    card = _card(recipe, name, _described(job), tuple(_evals(job, outcome)))
    if await RegistryRepository(uow.session).version(recipe.model_id, name) is None:
        # Files of an attempt that a crash kept from being registered.
        shutil.rmtree(model_folder(home, recipe.model_id) / "versions" / name, ignore_errors=True)
    source = JobFolder.of(home, job.id).result
    kept, folder = await asyncio.to_thread(keep_files, home, card, source)
    entered = await register(uow, actor, kept, folder)
    found = better(recipe.metric, recipe.higher_is_better, outcome["evaluation"], outcome["rival"])
    candidate = bool(outcome["evaluation"]) and found is not False
    if candidate:
        await move_alias(uow, actor, recipe.model_id, CANDIDATE, entered.version, note=job.name)
    return {
        **outcome,
        "metric": recipe.metric,
        "higher_is_better": recipe.higher_is_better,
        "better": found,
        "candidate": candidate,
        "model_id": recipe.model_id,
        "version": entered.version,
        "digest": entered.digest,
        "folder": entered.folder,
        "files": [{"name": each.name, "bytes": each.bytes, "sha256": each.sha256} for each in entered.card.files],
    }


async def in_use(uow: UnitOfWork, home: Path, job: Job) -> bool:
    """Whether the job's result is the model in use."""
    if job.result is None:
        return False
    recipe, digest = require_recipe(job.kind), str(job.result["digest"])
    if recipe.installed is not None:
        path = recipe.installed(home)
        return path.is_file() and await asyncio.to_thread(digest_of, path) == digest
    champion = await RegistryRepository(uow.session).alias(recipe.model_id, CHAMPION)
    return champion is not None and champion == job.result["version"]


async def put_in_place(uow: UnitOfWork, home: Path, actor: Principal, job: Job) -> None:
    """Make the result the model in use; what it replaces is kept for the way back.

    Raises Conflict where its files are not those that were trained.
    """
    assert job.result is not None
    recipe = require_recipe(job.kind)
    if recipe.installed is not None:
        await asyncio.to_thread(_install, home, recipe.installed(home), job)
    await move_alias(uow, actor, recipe.model_id, CHAMPION, job.result["version"], note=job.name)


async def put_back(uow: UnitOfWork, home: Path, actor: Principal, job: Job) -> None:
    """Use again what the result replaced; raises Conflict where there is nothing to go back to."""
    recipe = require_recipe(job.kind)
    if recipe.installed is None:
        raise Conflict("training_not_installable", kind=recipe.zh, kind_en=recipe.en)
    path = recipe.installed(home)
    before = _before(path, job)
    if not before.is_file():
        raise Conflict("training_nothing_before")
    digest = await asyncio.to_thread(digest_of, before)
    known = await RegistryRepository(uow.session).version_with(recipe.model_id, digest)
    if known is not None:
        await move_alias(uow, actor, recipe.model_id, CHAMPION, known.version, note=job.name)
    before.replace(path)


def _install(home: Path, path: Path, job: Job) -> None:
    assert job.result is not None
    source = home / job.result["folder"] / job.result["files"][0]["name"]
    if not source.is_file() or digest_of(source) != job.result["digest"]:
        raise Conflict("training_result_changed", file=source.name)
    if path.exists() and digest_of(path) != job.result["digest"]:
        write_atomically(_before(path, job), path.read_bytes(), mode=0o644)
    write_atomically(path, source.read_bytes(), mode=0o644)


def _before(path: Path, job: Job) -> Path:
    return path.with_name(f"{path.stem}.before-{job.id}{path.suffix}")


async def register_installed(uow: UnitOfWork, home: Path, recipe: Recipe[Any]) -> Version | None:
    """Enter the model in use, which then is the champion; None where none is in use.

    Done before a result is entered, so that it is compared with what was there.
    """
    path = None if recipe.installed is None else recipe.installed(home)
    if path is None or not path.is_file():
        return None
    digest = await asyncio.to_thread(digest_of, path)
    known = await RegistryRepository(uow.session).version_with(recipe.model_id, digest)
    if known is not None:
        return known
    text = Text(zh="训练任务开始前就在使用的模型。", en="The model that was in use before any training job.")
    card = _card(recipe, f"installed-{digest[:8]}", text, ())
    (home / "training").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home / "training") as scratch:
        await asyncio.to_thread(shutil.copyfile, path, Path(scratch) / path.name)
        kept, folder = await asyncio.to_thread(keep_files, home, card, Path(scratch))
    return await register(uow, PLATFORM, kept, folder)


def _card(recipe: Recipe[Any], name: str, trained_on: Text, evals: tuple[Eval, ...]) -> Card:
    return Card(
        id=recipe.model_id,
        name=Text(zh=recipe.zh, en=recipe.en),
        kind=recipe.model_kind,
        format=recipe.format,
        version=name,
        description=Text(zh=f"{recipe.zh}，在本平台上训练。", en=f"{recipe.en}, trained on this platform."),
        source=Source(text=Text(zh="本平台的训练任务。", en="A training job of this platform.")),
        licence=Licence(spdx=None, stated_by="nobody", verified=False),
        requires=tuple(_requirements(recipe)),
        trained_on=trained_on,
        evals=evals,
        languages=("zh",),
    )


def _requirements(recipe: Recipe[Any]) -> Iterator[Requirement]:
    """What reads the weights, in the versions that they were made with."""
    for package in recipe.needs or _CORE_PACKAGES:
        yield Requirement(package=package, version=f"=={version(package)}", extra="training" if recipe.needs else None)


def _described(job: Job) -> Text:
    data = job.data
    return Text(
        zh=f"{data.origin}，{data.rows} 行（另有 {data.refused} 行未用），个人信息已遮盖；SHA-256 {data.sha256}",
        en=f"{data.origin}, {data.rows} rows ({data.refused} more were not used), personal details masked; "
        f"SHA-256 {data.sha256}",
    )


def _evals(job: Job, outcome: Mapping[str, Any]) -> Iterator[Eval]:
    """The result's figures, then those of what it was compared with, all on the same rows."""
    for who, figures in (("", outcome["evaluation"]), (" (baseline)", outcome["baseline"])):
        for metric, value in figures.items():
            yield Eval(
                set=f"{job.data.origin[:100]} {job.data.sha256[:12]}, unseen rows",
                metric=f"{metric}{who}",
                value=value,
                on=job.created_at.astimezone(CST).date(),
                command=f"chengnao train show {job.id}",
                items=outcome["items"] or None,
            )
