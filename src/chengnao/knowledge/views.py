"""Knowledge as the API shows it."""

from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel

from chengnao.kernel.messages import message
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.grounding.model import Citation, Conflict, Grounded
from chengnao.knowledge.model import (
    Document,
    DocumentKind,
    DocumentState,
    Edition,
    Hit,
    KnowledgeBase,
    Ownership,
    Passage,
    Source,
    Validity,
)


class BaseOut(BaseModel):
    """`documents`: how many of them the asker may see."""

    id: str
    name: str
    description: str
    access: DataClass
    division_code: str
    unit_id: str | None
    shared_units: list[str]
    documents: int
    created_at: datetime

    @classmethod
    def of(cls, base: KnowledgeBase, documents: int) -> Self:
        return cls(
            id=base.id,
            name=base.name,
            description=base.description,
            documents=documents,
            created_at=base.created_at,
            **_owner(base.owner),
        )


def _owner(owner: Ownership) -> dict[str, object]:
    return {
        "access": owner.access,
        "division_code": owner.division_code,
        "unit_id": owner.unit_id,
        "shared_units": list(owner.shared_units),
    }


class ProblemOut(BaseModel):
    """Why a file could not be read, and what to do."""

    code: str
    message: str
    message_en: str


class EditionOut(BaseModel):
    """`flags`: `hidden_text`, `speaks_to_machines`; `engine`: text or ocr."""

    number: int
    file_name: str
    size: int
    state: DocumentState
    problem: ProblemOut | None
    pages: int | None
    engine: str | None
    passages: int
    flags: list[str]
    created_by_name: str
    created_at: datetime

    @classmethod
    def of(cls, edition: Edition) -> Self:
        problem = None
        if edition.problem is not None:
            code, params = edition.problem["code"], edition.problem["params"]
            texts = {"message": message(code, "zh", **params), "message_en": message(code, "en", **params)}
            problem = ProblemOut(code=code, **texts)
        shown = {name: getattr(edition, name) for name in cls.model_fields if name not in ("problem", "flags")}
        return cls(**shown, flags=list(edition.flags), problem=problem)


class DocumentOut(BaseModel):
    """`newest` is the newest edition; `searched` the number of the one that is searched, None where there is none."""

    id: str
    base_id: str
    title: str
    kind: DocumentKind
    kind_name: str
    issuer: str
    number: str
    valid_from: date | None
    valid_to: date | None
    ends: date | None
    validity: Validity
    validity_name: str
    supersedes: str | None
    superseded_by: str | None
    synthetic: bool
    access: DataClass
    division_code: str
    unit_id: str | None
    shared_units: list[str]
    state: DocumentState
    state_name: str
    newest: EditionOut | None
    searched: int | None
    withdrawn_reason: str | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: Document, newest: Edition | None, day: date, **more: object) -> Self:
        about = document.about
        validity = Source(document.id, document.base_id, about, document.ends, superseded_by=document.superseded_by)
        found = validity.validity(day)
        return cls(
            id=document.id,
            base_id=document.base_id,
            **{name: getattr(about, name) for name in _ABOUT},
            kind_name=about.kind.zh,
            ends=document.ends,
            validity=found,
            validity_name=found.zh,
            superseded_by=document.superseded_by,
            **_owner(document.owner),
            state=document.state,
            state_name=document.state.zh,
            newest=None if newest is None else EditionOut.of(newest),
            searched=document.live_edition,
            withdrawn_reason=document.withdrawn_reason,
            created_by_name=document.created_by_name,
            created_at=document.created_at,
            updated_at=document.updated_at,
            **more,
        )


_ABOUT = ("title", "kind", "issuer", "number", "valid_from", "valid_to", "supersedes", "synthetic")


class PassageOut(BaseModel):
    """`label`: where it stands, in words; `start`, `end`: characters in the text; `suspect`: it speaks to machines."""

    id: str
    text: str
    path: list[str]
    article: str | None
    label: str
    page: int | None
    start: int
    end: int
    suspect: bool

    @classmethod
    def of(cls, passage: Passage) -> Self:
        plain = {name: getattr(passage, name) for name in cls.model_fields if name not in ("path", "label")}
        return cls(**plain, path=list(passage.path), label=passage.label)


class DocumentDetail(DocumentOut):
    """With its editions, the newest first, and a page of its passages."""

    editions: list[EditionOut]
    passages: list[PassageOut]
    passages_total: int


class SourceOut(BaseModel):
    """The document that a passage stands in, and whether it was in force on the day that was asked about."""

    id: str
    base_id: str
    title: str
    kind: DocumentKind
    issuer: str
    number: str
    valid_from: date | None
    ends: date | None
    validity: Validity
    validity_name: str
    superseded_by: str | None
    superseded_by_title: str | None
    synthetic: bool

    @classmethod
    def of(cls, source: Source, day: date) -> Self:
        about, validity = source.about, source.validity(day)
        return cls(
            id=source.id,
            base_id=source.base_id,
            title=about.title,
            kind=about.kind,
            issuer=about.issuer,
            number=about.number,
            valid_from=about.valid_from,
            ends=source.ends,
            validity=validity,
            validity_name=validity.zh,
            # The later text is named where the asker may read it; its title tells.
            superseded_by=source.superseded_by if source.superseded_by_title else None,
            superseded_by_title=source.superseded_by_title,
            synthetic=about.synthetic,
        )


class FoundOut(BaseModel):
    """A passage that was found; `score` orders the passages of one answer and means nothing beside another's."""

    passage: PassageOut
    document: SourceOut
    score: float

    @classmethod
    def of(cls, hit: Hit, day: date) -> Self:
        return cls(
            passage=PassageOut.of(hit.passage), document=SourceOut.of(hit.source, day), score=round(hit.score, 4)
        )


class CitationOut(BaseModel):
    """`quote` stands in the passage, word for word."""

    passage_id: str
    document: SourceOut
    label: str
    page: int | None
    quote: str

    @classmethod
    def of(cls, citation: Citation, day: date) -> Self:
        passage = citation.hit.passage
        return cls(
            passage_id=passage.id,
            document=SourceOut.of(citation.hit.source, day),
            label=passage.label,
            page=passage.page,
            quote=citation.quote,
        )


class SentenceOut(BaseModel):
    text: str
    citations: list[CitationOut]


class ConflictOut(BaseModel):
    """Two texts in force that give different amounts for what seems to be one thing."""

    first: CitationOut
    second: CitationOut
    amounts: tuple[str, str]

    @classmethod
    def of(cls, conflict: Conflict, day: date) -> Self:
        first, second = CitationOut.of(conflict.first, day), CitationOut.of(conflict.second, day)
        return cls(first=first, second=second, amounts=conflict.amounts)


class AnswerOut(BaseModel):
    """An answer, or `found: false` with the text 未找到依据. `by`: who worded it; `outdated`: texts that would have
    answered and are not in force; `dropped`: sentences of a model that no passage carried; `suspects`: passages that
    speak to machines and were left out."""

    found: bool
    text: str
    sentences: list[SentenceOut]
    conflicts: list[ConflictOut]
    outdated: list[CitationOut]
    suspects: list[FoundOut]
    by: Literal["model", "extract"]
    confidence: float
    dropped: int

    @classmethod
    def of(cls, answer: Grounded, day: date) -> Self:
        return cls(
            found=answer.found,
            text=answer.text,
            sentences=[
                SentenceOut(text=each.text, citations=[CitationOut.of(one, day) for one in each.citations])
                for each in answer.sentences
            ],
            conflicts=[ConflictOut.of(each, day) for each in answer.conflicts],
            outdated=[CitationOut.of(each, day) for each in answer.outdated],
            suspects=[FoundOut.of(each, day) for each in answer.suspects],
            by=answer.by,
            confidence=round(answer.confidence, 3),
            dropped=answer.dropped,
        )
