"""Documents, their passages, and who may read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.vocabulary import DataClass, Named


class DocumentKind(Named):
    """What sort of text it is."""

    LAW = "law", "法律法规", "law"
    POLICY = "policy", "政策文件", "policy"
    PLAN = "plan", "规划预案", "plan"
    PROCEDURE = "procedure", "办理规程", "procedure"
    NOTICE = "notice", "通知公告", "notice"
    STANDARD = "standard", "标准规范", "standard"
    CASE = "case", "案例", "case"
    OTHER = "other", "其他", "other"


class DocumentState(Named):
    """How far the newest edition of a document has come."""

    RECEIVED = "received", "已接收", "received"
    READING = "reading", "识读中", "being read"
    READY = "ready", "可检索", "can be searched"
    FAILED = "failed", "未能读取", "could not be read"
    WITHDRAWN = "withdrawn", "已撤回", "withdrawn"


@dataclass(frozen=True)
class Ownership:
    """Whose a document or a base is, and who may read it.

    Public: anybody. Internal: whoever works in its division, below it or above it. Sensitive: named units alone.
    """

    division_code: str
    unit_id: str | None
    access: DataClass
    shared_units: tuple[str, ...] = ()
    created_by: str = ""

    @property
    def readers(self) -> tuple[str, ...]:
        """The marks of those who may read it: a reader who bears one of them may."""
        return tuple(dict.fromkeys(self._readers()))

    def _readers(self) -> Iterator[str]:
        if self.access is DataClass.PUBLIC:
            yield "everyone"
            return
        above = ancestors(self.division_code)
        if self.access is DataClass.INTERNAL:
            yield f"under:{self.division_code}"
            yield from (f"over:{code}" for code in above)
        else:
            yield f"unit:{self.unit_id}" if self.unit_id else f"desk:{self.division_code}"
            yield from (f"audit:{code}" for code in above)
            if self.created_by:
                yield f"user:{self.created_by}"
        yield from (f"unit:{unit}" for unit in self.shared_units)


@dataclass(frozen=True)
class Readership:
    """The marks that a reader bears; None bears them all (the platform itself)."""

    marks: tuple[str, ...] | None

    def may_read(self, readers: tuple[str, ...]) -> bool:
        return self.marks is None or not set(self.marks).isdisjoint(readers)


ANYBODY = Readership(("everyone",))
"""Whoever asks on the citizens' page."""
PLATFORM = Readership(None)


@dataclass(frozen=True)
class KnowledgeBase:
    """A named collection of documents."""

    id: str
    name: str
    description: str
    owner: Ownership
    created_at: datetime


@dataclass(frozen=True)
class About:
    """What is said of a document beside its text. `number` is its 文号; both days of validity are within it."""

    title: str
    kind: DocumentKind = DocumentKind.OTHER
    issuer: str = ""
    number: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    supersedes: str | None = None
    """The id of the document that it takes the place of."""
    synthetic: bool = False
    """Made up for a demonstration or a test; shown wherever it is quoted."""


@dataclass(frozen=True)
class Document:
    """A document with its newest edition; `live_edition` is the one that is searched, None where none could be read."""

    id: str
    base_id: str
    about: About
    owner: Ownership
    state: DocumentState
    edition: int
    live_edition: int | None
    ends: date | None
    """The last day on which it is in force, by its own words or because another took its place."""
    superseded_by: str | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    withdrawn_reason: str | None = None


@dataclass(frozen=True)
class Edition:
    """One file of a document, and what reading it came to. `problem` is an error's code and parameters."""

    document_id: str
    number: int
    file_name: str
    digest: str
    size: int
    state: DocumentState
    problem: dict[str, Any] | None
    pages: int | None
    engine: str | None
    passages: int
    flags: tuple[str, ...]
    attempts: int
    created_by_name: str
    created_at: datetime


@dataclass(frozen=True)
class Passage:
    """A piece of a document that can be cited. `start` and `end` are characters in the text as it was read."""

    id: str
    document_id: str
    position: int
    text: str
    path: tuple[str, ...]
    """The headings above it, the outermost first."""
    article: str | None
    """`10`, or `10-1` for 第十条之一."""
    page: int | None
    start: int
    end: int
    suspect: bool = False
    """It speaks to a machine rather than to people: shown, never obeyed."""

    @property
    def label(self) -> str:
        """Where it stands, in words: the article, or the nearest heading, and the page."""
        parts = []
        if self.article is not None:
            main, _, more = self.article.partition("-")
            parts.append(f"第{main}条" + (f"之{more}" if more else ""))
        elif self.path:
            parts.append(self.path[-1])
        if self.page is not None:
            parts.append(f"第{self.page}页")
        return " ".join(parts)


class Validity(Named):
    """Whether a text was in force on a day."""

    IN_FORCE = "in_force", "现行有效", "in force"
    NOT_YET = "not_yet", "尚未施行", "not yet in force"
    EXPIRED = "expired", "已失效", "no longer in force"
    SUPERSEDED = "superseded", "已被取代", "superseded"


@dataclass(frozen=True)
class Source:
    """The document that a passage was found in, as far as one who reads the passage wants to know."""

    id: str
    base_id: str
    about: About
    ends: date | None = None
    access: DataClass = DataClass.PUBLIC
    superseded_by: str | None = None
    superseded_by_title: str | None = None

    def validity(self, day: date) -> Validity:
        if self.about.valid_from is not None and day < self.about.valid_from:
            return Validity.NOT_YET
        if self.ends is not None and day > self.ends:
            return Validity.SUPERSEDED if self.superseded_by is not None else Validity.EXPIRED
        return Validity.IN_FORCE


@dataclass(frozen=True)
class Hit:
    """A found passage. `score` orders the hits of one search; `cosine`: how near its meaning is to the query's."""

    passage: Passage
    source: Source
    score: float
    cosine: float


@dataclass(frozen=True)
class Filter:
    """What is looked at before anything is ranked; empty tuples and None stand for no limit."""

    readership: Readership
    base_ids: tuple[str, ...] = ()
    kinds: tuple[DocumentKind, ...] = ()
    on: date | None = None
    """Only what was in force on this day."""
    document_ids: tuple[str, ...] = ()
