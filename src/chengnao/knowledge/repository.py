"""SQL over bases, documents, editions, passages and the queue of the index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, case, delete, func, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, batched, contains
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.index import IndexedDocument
from chengnao.knowledge.model import (
    About,
    Document,
    DocumentKind,
    DocumentState,
    Edition,
    Filter,
    Hit,
    KnowledgeBase,
    Ownership,
    Passage,
    Readership,
    Source,
)
from chengnao.knowledge.tables import (
    DocumentRow,
    EditionRow,
    IndexQueueRow,
    IndexStampRow,
    KnowledgeBaseRow,
    PassageRow,
)

_ROWS = 500


def readable(readership: Readership, table: Any) -> ColumnElement[bool]:
    """The second wall: the rows whose marks meet the reader's."""
    if readership.marks is None:
        return true()
    condition: ColumnElement[bool] = table.readers.overlap(list(readership.marks))
    return condition


@dataclass(frozen=True)
class Work:
    """An edition that waits to be read, with its document."""

    document: Document
    edition: Edition


class KnowledgeRepository(Repository):
    async def add_base(self, base: KnowledgeBase) -> None:
        values = {"id": base.id, "name": base.name, "description": base.description, "created_at": base.created_at}
        await self.session.execute(insert(KnowledgeBaseRow).values(**values, **_owned(base.owner)))

    async def base(self, readership: Readership, base_id: str) -> KnowledgeBase | None:
        query = select(KnowledgeBaseRow).where(KnowledgeBaseRow.id == base_id, readable(readership, KnowledgeBaseRow))
        row = await self.session.scalar(query)
        return None if row is None else _base(row)

    async def bases(self, readership: Readership, request: PageRequest) -> Page[KnowledgeBase]:
        query = select(KnowledgeBaseRow).where(readable(readership, KnowledgeBaseRow))
        return (await self.page(query.order_by(KnowledgeBaseRow.name, KnowledgeBaseRow.id), request)).map(_base)

    async def counts(self, readership: Readership, base_ids: Sequence[str]) -> dict[str, int]:
        """How many documents of each base the reader may see; withdrawn ones do not count."""
        query = (
            select(DocumentRow.base_id, func.count())
            .where(DocumentRow.base_id.in_(base_ids), readable(readership, DocumentRow))
            .where(DocumentRow.state != DocumentState.WITHDRAWN.value)
            .group_by(DocumentRow.base_id)
        )
        found = {row[0]: row[1] for row in await self.session.execute(query)}
        return {base_id: found.get(base_id, 0) for base_id in base_ids}

    async def add_document(self, document: Document) -> None:
        await self.session.execute(insert(DocumentRow).values(**_document_values(document)))

    async def save_document(self, document: Document) -> None:
        values = _document_values(document)
        await self.session.execute(update(DocumentRow).where(DocumentRow.id == document.id).values(**values))

    async def document(self, readership: Readership, document_id: str, *, lock: bool = False) -> Document | None:
        query = select(DocumentRow).where(DocumentRow.id == document_id, readable(readership, DocumentRow))
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else _document(row)

    async def documents(
        self, readership: Readership, request: PageRequest, base_id: str | None, words: str, state: DocumentState | None
    ) -> Page[Document]:
        """Documents, the newest first; `words` stand in the title, the number or the issuer."""
        query: Select[Any] = select(DocumentRow).where(readable(readership, DocumentRow))
        if base_id is not None:
            query = query.where(DocumentRow.base_id == base_id)
        if words:
            columns = (DocumentRow.title, DocumentRow.number, DocumentRow.issuer)
            query = query.where(or_(*(contains(column, words) for column in columns)))
        if state is not None:
            query = query.where(DocumentRow.state == state.value)
        order = (DocumentRow.created_at.desc(), DocumentRow.id.desc())
        return (await self.page(query.order_by(*order), request)).map(_document)

    async def successor(self, document_id: str) -> Document | None:
        """The document that takes this one's place, the first to do so; withdrawn ones do not."""
        query = (
            select(DocumentRow)
            .where(DocumentRow.supersedes == document_id, DocumentRow.state != DocumentState.WITHDRAWN.value)
            .order_by(DocumentRow.valid_from.asc().nulls_first(), DocumentRow.id)
            .limit(1)
        )
        row = await self.session.scalar(query)
        return None if row is None else _document(row)

    async def add_edition(self, edition: Edition) -> None:
        await self.session.execute(insert(EditionRow).values(**_edition_values(edition)))

    async def change_edition(self, document_id: str, number: int, **values: Any) -> None:
        query = update(EditionRow).where(EditionRow.document_id == document_id, EditionRow.number == number)
        await self.session.execute(query.values(**values))

    async def editions(self, document_id: str) -> list[Edition]:
        query = select(EditionRow).where(EditionRow.document_id == document_id).order_by(EditionRow.number.desc())
        return [_edition(row) for row in await self.session.scalars(query)]

    async def newest_editions(self, document_ids: Sequence[str]) -> dict[str, Edition]:
        query = (
            select(EditionRow)
            .join(DocumentRow, and_(DocumentRow.id == EditionRow.document_id, DocumentRow.edition == EditionRow.number))
            .where(DocumentRow.id.in_(document_ids))
        )
        return {row.document_id: _edition(row) for row in await self.session.scalars(query)}

    async def unread(self, limit: int) -> list[Work]:
        """Editions that wait to be read, those that came first before the others."""
        waiting = (DocumentState.RECEIVED.value, DocumentState.READING.value)
        query = (
            select(EditionRow, DocumentRow)
            .join(DocumentRow, DocumentRow.id == EditionRow.document_id)
            .where(EditionRow.state.in_(waiting), EditionRow.number == DocumentRow.edition)
            .where(DocumentRow.state.in_(waiting))
            .order_by(EditionRow.attempts, EditionRow.created_at, EditionRow.document_id)
            .limit(limit)
        )
        return [Work(_document(row[1]), _edition(row[0])) for row in await self.session.execute(query)]

    async def put_passages(self, document_id: str, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Put these in the place of all passages that the document has."""
        await self.remove_passages(document_id)
        rows = [
            {
                "id": each.id,
                "document_id": document_id,
                "position": each.position,
                "text": each.text,
                "path": list(each.path),
                "article": each.article,
                "page": each.page,
                "start": each.start,
                "end": each.end,
                "suspect": each.suspect,
                "embedding": vector,
            }
            for each, vector in zip(passages, vectors, strict=True)
        ]
        for batch in batched(rows, _ROWS):
            await self.session.execute(insert(PassageRow), list(batch))

    async def remove_passages(self, document_id: str) -> None:
        await self.session.execute(delete(PassageRow).where(PassageRow.document_id == document_id))

    async def passages(self, document_id: str, request: PageRequest) -> Page[Passage]:
        """The passages of a document in their order; whether it may be read is asked before."""
        query = select(PassageRow).where(PassageRow.document_id == document_id).order_by(PassageRow.position)
        return (await self.page(query, request)).map(_passage)

    async def nearest(self, wanted: Filter, vector: NDArray[np.float32], limit: int) -> list[tuple[str, float]]:
        """The passages whose meaning is nearest: (id, cosine), among those that pass the filter; an exact search."""
        distance = PassageRow.embedding.max_inner_product(vector)
        query = (
            select(PassageRow.id, distance)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(*_conditions(wanted))
            .order_by(distance)
            .limit(limit)
        )
        return [(passage_id, -float(value)) for passage_id, value in await self.session.execute(query)]

    async def hits(
        self, wanted: Filter, passage_ids: Sequence[str], vector: NDArray[np.float32] | None = None
    ) -> dict[str, Hit]:
        """Passages with their documents, by id; what does not pass the filter is left out. Scores are 0.

        The index may be a moment behind the database, so the filter is asked once more here.
        """
        later = aliased(DocumentRow)
        later_title = case((readable(wanted.readership, later), later.title), else_=None)
        cosine = literal(0.0) if vector is None else -PassageRow.embedding.max_inner_product(vector)
        query = (
            select(PassageRow, DocumentRow, later_title, cosine)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .outerjoin(later, later.id == DocumentRow.superseded_by)
            .where(PassageRow.id.in_(passage_ids), *_conditions(wanted))
        )
        return {
            row.id: Hit(_passage(row), _source(document, title), 0.0, float(value))
            for row, document, title, value in await self.session.execute(query)
        }

    async def queue(self, document_id: str, mark: str) -> None:
        """Have the index brought up to the database for this document."""
        statement = insert(IndexQueueRow).values(document_id=document_id, mark=mark)
        await self.session.execute(
            statement.on_conflict_do_update(index_elements=[IndexQueueRow.document_id], set_={"mark": mark})
        )

    async def queued(self, limit: int) -> dict[str, str]:
        query = select(IndexQueueRow.document_id, IndexQueueRow.mark).order_by(IndexQueueRow.mark).limit(limit)
        return {row.document_id: row.mark for row in await self.session.execute(query)}

    async def unqueue(self, done: dict[str, str]) -> None:
        """Forget what is done; a document that has changed since keeps its place."""
        for batch in batched(list(done.items()), _ROWS):
            pairs = [and_(IndexQueueRow.document_id == each, IndexQueueRow.mark == mark) for each, mark in batch]
            await self.session.execute(delete(IndexQueueRow).where(or_(*pairs)))

    async def queue_all(self, mark: str) -> None:
        """Have the index made anew."""
        await self.session.execute(delete(IndexQueueRow))
        live = select(DocumentRow.id, func.coalesce(mark)).where(DocumentRow.live_edition.is_not(None))
        await self.session.execute(insert(IndexQueueRow).from_select(["document_id", "mark"], live))

    async def indexed(self, document_id: str) -> IndexedDocument | None:
        """The document as the index wants it; None where nothing of it is to be found."""
        row = await self.session.scalar(select(DocumentRow).where(DocumentRow.id == document_id))
        if row is None or row.live_edition is None or row.state == DocumentState.WITHDRAWN.value:
            return None
        query = select(PassageRow).where(PassageRow.document_id == document_id).order_by(PassageRow.position)
        passages = [_passage(each) for each in await self.session.scalars(query)]
        return IndexedDocument(
            id=row.id,
            base_id=row.base_id,
            title=row.title,
            kind=DocumentKind(row.kind),
            number=row.number,
            readers=tuple(row.readers),
            begins=row.valid_from,
            ends=row.ends,
            passages=passages,
        )

    async def stamps(self) -> tuple[str, str]:
        """The stamp of the known commit of the index, and of the one that may have been made after it."""
        row = (await self.session.execute(select(IndexStampRow.stamp, IndexStampRow.next_stamp))).first()
        return ("", "") if row is None else (row[0], row[1])

    async def set_stamps(self, stamp: str, next_stamp: str) -> None:
        values = {"stamp": stamp, "next_stamp": next_stamp}
        statement = insert(IndexStampRow).values(id=1, **values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=[IndexStampRow.id], set_=values))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found = [readable(wanted.readership, DocumentRow), DocumentRow.state != DocumentState.WITHDRAWN.value]
    if wanted.base_ids:
        found.append(DocumentRow.base_id.in_(wanted.base_ids))
    if wanted.kinds:
        found.append(DocumentRow.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.document_ids:
        found.append(DocumentRow.id.in_(wanted.document_ids))
    if wanted.on is not None:
        found.append(func.coalesce(DocumentRow.valid_from, date.min) <= wanted.on)
        found.append(func.coalesce(DocumentRow.ends, date.max) >= wanted.on)
    return found


def _owned(owner: Ownership) -> dict[str, Any]:
    return {
        "division_code": owner.division_code,
        "unit_id": owner.unit_id,
        "access": owner.access.value,
        "shared_units": list(owner.shared_units),
        "readers": list(owner.readers),
        "created_by": owner.created_by,
    }


def _owner(row: Any) -> Ownership:
    return Ownership(row.division_code, row.unit_id, DataClass(row.access), tuple(row.shared_units), row.created_by)


def _base(row: KnowledgeBaseRow) -> KnowledgeBase:
    return KnowledgeBase(row.id, row.name, row.description, _owner(row), row.created_at)


_ABOUT = ("title", "issuer", "number", "valid_from", "valid_to", "supersedes", "synthetic")
_PLAIN = (
    "id", "base_id", "edition", "live_edition", "ends", "superseded_by", "created_by_name", "created_at", "updated_at",
    "withdrawn_reason",
)  # fmt: skip


def _document_values(document: Document) -> dict[str, Any]:
    values = {name: getattr(document.about, name) for name in _ABOUT}
    values |= {name: getattr(document, name) for name in _PLAIN}
    return values | _owned(document.owner) | {"kind": document.about.kind.value, "state": document.state.value}


def _about(row: DocumentRow) -> About:
    return About(kind=DocumentKind(row.kind), **{name: getattr(row, name) for name in _ABOUT})


def _document(row: DocumentRow) -> Document:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Document(about=_about(row), owner=_owner(row), state=DocumentState(row.state), **plain)


def _source(row: DocumentRow, later_title: str | None) -> Source:
    return Source(row.id, row.base_id, _about(row), row.ends, DataClass(row.access), row.superseded_by, later_title)


_EDITION = (
    "document_id", "number", "file_name", "digest", "size", "problem", "pages", "engine", "passages", "attempts",
    "created_by_name", "created_at",
)  # fmt: skip


def _edition_values(edition: Edition) -> dict[str, Any]:
    values = {name: getattr(edition, name) for name in _EDITION}
    return values | {"state": edition.state.value, "flags": list(edition.flags)}


def _edition(row: EditionRow) -> Edition:
    plain = {name: getattr(row, name) for name in _EDITION}
    return Edition(state=DocumentState(row.state), flags=tuple(row.flags), **plain)


def _passage(row: PassageRow) -> Passage:
    return Passage(
        id=row.id,
        document_id=row.document_id,
        position=row.position,
        text=row.text,
        path=tuple(row.path),
        article=row.article,
        page=row.page,
        start=row.start,
        end=row.end,
        suspect=row.suspect,
    )
