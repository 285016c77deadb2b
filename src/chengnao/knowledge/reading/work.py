"""What is done with a file apart from everything else: it is read, split into passages, and each is embedded."""

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.kernel.apart import run_apart
from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.knowledge.model import Passage
from chengnao.knowledge.reading.blocks import FILE_LIMIT, SECONDS

MEMORY = 3 * 2**30
_BATCH = 32
_WORK = "chengnao.knowledge.reading.work:read_apart"


@dataclass(frozen=True)
class ReadDocument:
    """A file that was read: its passages and, row by row, what each means as a vector of length 1."""

    format: str
    engine: str
    pages: int | None
    flags: tuple[str, ...]
    passages: tuple[Passage, ...]
    vectors: NDArray[np.float32]


async def read_file(document_id: str, file_name: str, data: bytes, home: Path) -> ReadDocument:
    """Have the file read in a process of its own; raises ChengnaoError that names what is wrong with this file."""
    if len(data) > FILE_LIMIT:  # before it is copied to a process
        size, limit = len(data) // 2**20, FILE_LIMIT // 2**20
        raise Invalid("knowledge_file_too_large", field="file", file=file_name, size_mb=size, limit_mb=limit)
    options = {"document_id": document_id, "file_name": file_name}
    items = await run_apart(_WORK, data, home=home, seconds=SECONDS, options=options, memory=MEMORY)
    if not items:
        raise ChengnaoError("apart_failed")
    about, pieces = items[0], items[1:]
    rows = [np.frombuffer(base64.b64decode(each.pop("vector")), dtype=np.float32) for each in pieces]
    passages = tuple(Passage(**each | {"path": tuple(each["path"])}) for each in pieces)
    return ReadDocument(**about | {"flags": tuple(about["flags"])}, passages=passages, vectors=np.stack(rows))


def read_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """First what the file is, then its passages with their vectors; runs in a process of its own."""
    # Imported here: who waits for the file needs none of it.
    from chengnao.knowledge.reading.formats import read_document  # noqa: PLC0415
    from chengnao.knowledge.splitting import split  # noqa: PLC0415
    from chengnao.models.embedded.embedding import embed  # noqa: PLC0415

    found = read_document(data, options["file_name"])
    passages = split(options["document_id"], found.blocks)
    flags = [*found.flags, *(["speaks_to_machines"] if any(each.suspect for each in passages) else [])]
    yield {"format": found.format, "engine": found.engine, "pages": found.pages, "flags": flags}
    for start in range(0, len(passages), _BATCH):
        batch = passages[start : start + _BATCH]
        for passage, row in zip(batch, embed([embedded_text(each) for each in batch]), strict=True):
            yield asdict(passage) | {"vector": base64.b64encode(row.tobytes()).decode()}


def embedded_text(passage: Passage) -> str:
    """What of a passage is turned into its vector: the last heading says what a short article is about."""
    return f"{passage.path[-1]} {passage.text}" if passage.path else passage.text
