"""Use cases of those who keep the knowledge: documents in, read, replaced, withdrawn. None commits."""

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict, Invalid, NotFound
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.knowledge.model import (
    PLATFORM,
    About,
    Document,
    DocumentState,
    Edition,
    KnowledgeBase,
    Ownership,
)
from chengnao.knowledge.readership import readership_of
from chengnao.knowledge.reading.blocks import FILE_LIMIT
from chengnao.knowledge.reading.work import ReadDocument
from chengnao.knowledge.repository import KnowledgeRepository
from chengnao.knowledge.service import require_document

log = logging.getLogger(__name__)


async def add_base(uow: UnitOfWork, actor: Principal, name: str, description: str, owner: Ownership) -> KnowledgeBase:
    """A new, empty base."""
    base = KnowledgeBase(new_id(), name, description, replace(owner, created_by=actor.id), uow.clock.now())
    await KnowledgeRepository(uow.session).add_base(base)
    await record_act(uow, actor, "knowledge.base", base=base.id)
    return base


@dataclass(frozen=True)
class Handed:
    """A file as it was handed in."""

    name: str
    data: bytes


async def add_document(
    uow: UnitOfWork, home: Path, actor: Principal, base: KnowledgeBase, about: About, owner: Ownership, file: Handed
) -> Document:
    """Keep a document; it is read and can be searched a little later.

    Raises Invalid where the file is too large or the validity ends before it begins, NotFound where the document that
    it takes the place of may not be read by `actor`.
    """
    _check(about)
    now = uow.clock.now()
    repository = KnowledgeRepository(uow.session)
    before = None
    if about.supersedes is not None:
        before = await require_document(uow, readership_of(actor), about.supersedes, lock=True)
    document = Document(
        id=new_id(),
        base_id=base.id,
        about=about,
        owner=replace(owner, created_by=actor.id),
        state=DocumentState.RECEIVED,
        edition=1,
        live_edition=None,
        ends=about.valid_to,
        superseded_by=None,
        created_by_name=actor.name,
        created_at=now,
        updated_at=now,
    )
    await repository.add_document(document)
    await repository.add_edition(_kept(home, actor, document, file, now))
    await record_act(uow, actor, "knowledge.document", document=document.id, base=base.id)
    if before is not None:
        await _settle_end(uow, before)
    return document


async def add_edition(uow: UnitOfWork, home: Path, actor: Principal, document: Document, file: Handed) -> Document:
    """A new file in the place of the document's text; the old text stays until the new one is read. It is locked."""
    if document.state is DocumentState.WITHDRAWN:
        raise Conflict("knowledge_withdrawn", title=document.about.title)
    now = uow.clock.now()
    changed = replace(document, edition=document.edition + 1, state=DocumentState.RECEIVED, updated_at=now)
    repository = KnowledgeRepository(uow.session)
    await repository.add_edition(_kept(home, actor, changed, file, now))
    await repository.save_document(changed)
    await record_act(uow, actor, "knowledge.edition", document=document.id, edition=changed.edition)
    return changed


async def withdraw(uow: UnitOfWork, actor: Principal, document: Document, reason: str) -> Document:
    """Nothing of the document is found any more; it is locked. What it took the place of is in force again."""
    if document.state is DocumentState.WITHDRAWN:
        raise Conflict("knowledge_withdrawn", title=document.about.title)
    repository = KnowledgeRepository(uow.session)
    changed = replace(
        document,
        state=DocumentState.WITHDRAWN,
        live_edition=None,
        withdrawn_reason=reason,
        updated_at=uow.clock.now(),
    )
    await repository.save_document(changed)
    await repository.remove_passages(document.id)
    await repository.queue(document.id, new_id())
    await record_act(uow, actor, "knowledge.withdraw", document=document.id, reason=reason)
    if document.about.supersedes is not None:
        before = await repository.document(PLATFORM, document.about.supersedes, lock=True)
        if before is not None:
            await _settle_end(uow, before)
    return changed


def _check(about: About) -> None:
    if about.valid_from is not None and about.valid_to is not None and about.valid_to < about.valid_from:
        raise Invalid("knowledge_validity", field="valid_to", value=about.valid_to, valid_from=about.valid_from)


async def _settle_end(uow: UnitOfWork, document: Document) -> None:
    """Say until when a document is in force: by its own words, or up to the day before another takes its place."""
    repository = KnowledgeRepository(uow.session)
    later = await repository.successor(document.id)
    ends = document.about.valid_to
    if later is not None:
        begins = later.about.valid_from or later.created_at.astimezone(CST).date()
        ends = min(ends or date.max, begins - timedelta(days=1))
    await repository.save_document(replace(document, ends=ends, superseded_by=None if later is None else later.id))
    await repository.queue(document.id, new_id())


def _kept(home: Path, actor: Principal, document: Document, file: Handed, now: datetime) -> Edition:
    """Keep the file, sealed, under its digest."""
    if not file.data:
        raise Invalid("knowledge_file_empty", field="file", file=file.name)
    if len(file.data) > FILE_LIMIT:
        size, limit = len(file.data) // 2**20, FILE_LIMIT // 2**20
        raise Invalid("knowledge_file_too_large", field="file", file=file.name, size_mb=size, limit_mb=limit)
    digest = hashlib.sha256(file.data).hexdigest()
    path = _path(home, digest)
    if not path.exists():
        write_atomically(path, Vault.of(home).seal_bytes(digest, file.data))
    return Edition(
        document_id=document.id,
        number=document.edition,
        file_name=file.name,
        digest=digest,
        size=len(file.data),
        state=DocumentState.RECEIVED,
        problem=None,
        pages=None,
        engine=None,
        passages=0,
        flags=(),
        attempts=0,
        created_by_name=actor.name,
        created_at=now,
    )


def file_of(home: Path, edition: Edition) -> bytes:
    """The file as it was handed in; raises NotFound where it is gone."""
    try:
        sealed = _path(home, edition.digest).read_bytes()
    except FileNotFoundError as error:
        raise NotFound("not_found", kind="原件 file", id=edition.digest) from error
    return Vault.of(home).open_bytes(edition.digest, sealed)


def _path(home: Path, digest: str) -> Path:
    return home / "knowledge" / "files" / digest[:2] / digest


async def begin_reading(uow: UnitOfWork, document_id: str, number: int) -> Edition | None:
    """The edition whose turn it is; None where it is not the newest any more, or read already."""
    repository = KnowledgeRepository(uow.session)
    document = await require_document(uow, PLATFORM, document_id, lock=True)
    edition = (await repository.newest_editions([document_id])).get(document_id)
    waits = (DocumentState.RECEIVED, DocumentState.READING)
    if edition is None or edition.number != number or edition.state not in waits or document.state not in waits:
        return None
    started = replace(edition, state=DocumentState.READING, attempts=edition.attempts + 1)
    await repository.change_edition(document_id, number, state=started.state.value, attempts=started.attempts)
    await repository.save_document(replace(document, state=DocumentState.READING))
    return started


async def finish_reading(uow: UnitOfWork, document_id: str, number: int, outcome: ReadDocument | ChengnaoError) -> None:
    """Keep what was read, or why nothing was; what is not the newest edition any more is dropped."""
    repository = KnowledgeRepository(uow.session)
    document = await require_document(uow, PLATFORM, document_id, lock=True)
    if document.edition != number or document.state is not DocumentState.READING:
        return
    now = uow.clock.now()
    if isinstance(outcome, ChengnaoError):
        problem = {"code": outcome.code, "params": outcome.to_dict()["params"]}
        await repository.change_edition(document_id, number, state=DocumentState.FAILED.value, problem=problem)
        await repository.save_document(replace(document, state=DocumentState.FAILED, updated_at=now))
        return
    await repository.change_edition(
        document_id,
        number,
        state=DocumentState.READY.value,
        problem=None,
        pages=outcome.pages,
        engine=outcome.engine,
        passages=len(outcome.passages),
        flags=list(outcome.flags),
    )
    await repository.put_passages(document_id, outcome.passages, outcome.vectors)
    ready = replace(document, state=DocumentState.READY, live_edition=number, updated_at=now)
    await repository.save_document(ready)
    await repository.queue(document_id, new_id())
