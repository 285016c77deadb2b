"""Taking in a GGUF file that somebody has: its digest is computed, its card says that nothing of it was verified."""

import os
import re
import shutil
from pathlib import Path

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.files import write_atomically
from chengnao.models.card import (
    CARD,
    Card,
    Licence,
    ModelFile,
    ModelFormat,
    ModelKind,
    Requirement,
    Source,
    Text,
    builtin_cards,
    card_of,
    dump_card,
    model_folder,
)
from chengnao.models.pull import digest_of
from chengnao.models.registry.formats import check_files


def add_model(home: Path, source: Path, model_id: str, *, link: bool = False) -> Card:
    """Copy (or link) a GGUF file into the data folder under an id, and make its card; returns that.

    Raises Invalid for a file that is no GGUF, Conflict where the id is taken by another file.
    """
    if not source.is_file():
        raise Invalid("file_unusable", field="file", file=str(source), reason="没有这个文件 / there is no such file")
    if model_id in builtin_cards():
        raise Conflict("model_id_taken", id=model_id)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", source.stem) + ".gguf"
    card = _card(source, model_id, name if name[0].isalnum() else f"model{name}")
    folder, file = model_folder(home, model_id), card.files[0]
    if (folder / CARD).exists() and not (folder / file.name).exists():
        raise Conflict("model_id_taken", id=model_id)
    stage = folder.with_name(f".add.{os.getpid()}")
    stage.mkdir(parents=True)
    try:
        if link:
            (stage / file.name).symlink_to(source.resolve())
        else:
            _require_room(stage, file.bytes)
            shutil.copyfile(source, stage / file.name)
        check_files(card, stage)
        folder.mkdir(exist_ok=True)
        (stage / file.name).replace(folder / file.name)
    finally:
        shutil.rmtree(stage)
    write_atomically(folder / CARD, dump_card(card).encode(), 0o644)
    return card


def _card(source: Path, model_id: str, name: str) -> Card:
    digest = digest_of(source)
    nobody = Text(
        zh="由运维人员从文件加入，来源没有核对。", en="Added from a file by an operator; its origin was not checked."
    )
    made = Card(
        id=model_id,
        name=Text(zh=model_id, en=model_id),
        kind=ModelKind.CHAT,
        format=ModelFormat.GGUF,
        version=digest[:12],
        description=nobody,
        source=Source(text=Text(zh=f"文件 {source.name}", en=f"the file {source.name}")),
        licence=Licence(spdx=None, stated_by="nobody", verified=False),
        files=(ModelFile(name=name, sha256=digest, bytes=max(1, source.stat().st_size)),),
        requires=(Requirement(package="xllamacpp", version=">=2026.10", extra="llm"),),
    )
    return card_of(made.model_dump(mode="json"), str(source))


def _require_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + (64 << 20):
        raise Conflict("pull_no_room", folder=str(folder), needed=(size >> 20) + 64, free=free >> 20)
