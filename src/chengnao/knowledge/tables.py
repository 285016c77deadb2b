from datetime import date, datetime
from typing import Any

from pgvector.sqlalchemy import Vector
from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned

DIMENSIONS = 384


class KnowledgeBaseRow(Owned, Base):
    __tablename__ = "knowledge_bases"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str]
    access: Mapped[str]
    shared_units: Mapped[list[str]] = mapped_column(ARRAY(String))
    readers: Mapped[list[str]] = mapped_column(ARRAY(String))
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class DocumentRow(Owned, Base):
    """`readers`: the marks of those who may read it, made from what stands beside; `ends`: its last day in force."""

    __tablename__ = "knowledge_documents"
    __table_args__ = (Index("knowledge_documents_by_reader", "readers", postgresql_using="gin"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id"), index=True)
    title: Mapped[str]
    kind: Mapped[str]
    issuer: Mapped[str]
    number: Mapped[str]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    supersedes: Mapped[str | None] = mapped_column(ForeignKey("knowledge_documents.id"), index=True)
    superseded_by: Mapped[str | None]
    ends: Mapped[date | None]
    synthetic: Mapped[bool]
    access: Mapped[str]
    shared_units: Mapped[list[str]] = mapped_column(ARRAY(String))
    readers: Mapped[list[str]] = mapped_column(ARRAY(String))
    state: Mapped[str] = mapped_column(index=True)
    edition: Mapped[int]
    live_edition: Mapped[int | None]
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]
    withdrawn_reason: Mapped[str | None]


class EditionRow(Base):
    __tablename__ = "knowledge_editions"

    document_id: Mapped[str] = mapped_column(ForeignKey("knowledge_documents.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    pages: Mapped[int | None]
    engine: Mapped[str | None]
    passages: Mapped[int]
    flags: Mapped[list[str]] = mapped_column(ARRAY(String))
    attempts: Mapped[int]
    created_by_name: Mapped[str]
    created_at: Mapped[datetime]


class PassageRow(Base):
    """The passages of each document's live edition. `embedding`: of length 1."""

    __tablename__ = "knowledge_passages"

    document_id: Mapped[str] = mapped_column(ForeignKey("knowledge_documents.id"), index=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    path: Mapped[list[str]] = mapped_column(ARRAY(String))
    article: Mapped[str | None]
    page: Mapped[int | None]
    start: Mapped[int]
    end: Mapped[int]
    suspect: Mapped[bool]
    embedding: Mapped[Any] = mapped_column(Vector(DIMENSIONS))


class IndexQueueRow(Base):
    """A document whose passages in the index are to be brought up to the database; `mark` changes with each change."""

    __tablename__ = "knowledge_index_queue"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str]


class IndexStampRow(Base):
    """The one row: which commit of the index is known (`stamp`), and which is about to be made (`next_stamp`)."""

    __tablename__ = "knowledge_index_stamp"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stamp: Mapped[str]
    next_stamp: Mapped[str]
