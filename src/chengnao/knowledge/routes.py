"""Knowledge over HTTP: bases and documents, search, grounded answers."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.vocabulary import DataClass
from chengnao.kernel.web import ContextDep, DivisionCode, Id, PageDep, PageOf, UowDep, check, require
from chengnao.knowledge import keeping, service
from chengnao.knowledge.keeping import Handed
from chengnao.knowledge.model import About, Document, DocumentKind, DocumentState, Ownership, Readership
from chengnao.knowledge.readership import readership_of
from chengnao.knowledge.reading.blocks import FILE_LIMIT
from chengnao.knowledge.repository import KnowledgeRepository
from chengnao.knowledge.views import AnswerOut, BaseOut, DocumentDetail, DocumentOut, EditionOut, FoundOut, PassageOut
from chengnao.models.client import ModelClient

router = APIRouter(prefix="/knowledge", tags=["knowledge"])

BODY_LIMIT = FILE_LIMIT + 2**20

Reader = Annotated[Principal, Depends(require("knowledge.read"))]
Keeper = Annotated[Principal, Depends(require("knowledge.write"))]
Units = Annotated[list[Id], Field(max_length=50)]


def _readership(principal: Reader) -> Readership:
    return readership_of(principal)


ReadershipDep = Annotated[Readership, Depends(_readership)]


def model_client(request: Request, context: ContextDep) -> ModelClient:
    """The client of the model gateway that this process shares."""
    state = request.app.state
    if not hasattr(state, "model_client"):
        state.model_client = ModelClient(context.settings)
    client: ModelClient = state.model_client
    return client


ClientDep = Annotated[ModelClient, Depends(model_client)]


class BaseIn(BaseModel):
    """`access` and `shared_units` are what its documents get where nothing else is said."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=1000)] = ""
    access: DataClass = DataClass.INTERNAL
    division_code: DivisionCode | None = None
    unit_id: Id | None = None
    shared_units: Units = []


@router.get("/bases")
async def list_bases(readership: ReadershipDep, uow: UowDep, page: PageDep) -> PageOf[BaseOut]:
    """The bases that the asker may see, by name."""
    repository = KnowledgeRepository(uow.session)
    found = await repository.bases(readership, page)
    counts = await repository.counts(readership, [base.id for base in found.items])
    return PageOf.of(found, [BaseOut.of(base, counts[base.id]) for base in found.items])


@router.post("/bases", status_code=201)
async def create_base(body: BaseIn, request: Request, principal: Keeper, uow: UowDep) -> BaseOut:
    """A new, empty base."""
    division = body.division_code or principal.division_code
    unit = body.unit_id or principal.unit_id
    await check(request, principal, "knowledge.write", division, unit)
    owner = Ownership(division, unit, body.access, tuple(body.shared_units))
    base = await keeping.add_base(uow, principal, body.name, body.description, owner)
    answer = BaseOut.of(base, 0)
    await uow.commit()
    return answer


async def _file(file: UploadFile) -> Handed:
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1][:200]
    return Handed(name, await file.read(FILE_LIMIT + 1))


@router.post("/bases/{base_id}/documents", status_code=201)
async def create_document(
    base_id: Id,
    file: UploadFile,
    request: Request,
    principal: Keeper,
    readership: ReadershipDep,
    uow: UowDep,
    context: ContextDep,
    title: Annotated[str, Form(max_length=300)] = "",
    kind: Annotated[DocumentKind, Form()] = DocumentKind.OTHER,
    issuer: Annotated[str, Form(max_length=200)] = "",
    number: Annotated[str, Form(max_length=100)] = "",
    valid_from: Annotated[date | None, Form()] = None,
    valid_to: Annotated[date | None, Form()] = None,
    supersedes: Annotated[str | None, Form(max_length=64)] = None,
    access: Annotated[DataClass | None, Form()] = None,
    shared_units: Annotated[list[str] | None, Form(max_length=50)] = None,
    synthetic: Annotated[bool, Form()] = False,
) -> DocumentOut:
    """Hand in a document: PDF, DOCX, HTML, Markdown, TXT or a picture, 50 MB at most. It is read in the background.

    `valid_from`, `valid_to`: the first and the last day in force; `supersedes`: the document that it takes the place
    of, which is out of force from the day before. Its division and unit are those of the base.
    """
    base = await service.require_base(uow, readership, base_id)
    await check(request, principal, "knowledge.write", base.owner.division_code, base.owner.unit_id)
    handed = await _file(file)
    owner = Ownership(
        base.owner.division_code,
        base.owner.unit_id,
        access or base.owner.access,
        tuple(shared_units) if shared_units is not None else base.owner.shared_units,
    )
    about = About(
        title=title.strip() or handed.name.rsplit(".", 1)[0] or "—",
        kind=kind,
        issuer=issuer,
        number=number,
        valid_from=valid_from,
        valid_to=valid_to,
        supersedes=supersedes or None,
        synthetic=synthetic,
    )
    if about.supersedes is not None:
        before = await service.require_document(uow, readership, about.supersedes)
        await check(request, principal, "knowledge.write", before.owner.division_code, before.owner.unit_id)
    document = await keeping.add_document(uow, context.settings.home, principal, base, about, owner, handed)
    answer = await _shown(uow, document)
    await uow.commit()
    return answer


async def _shown(uow: UnitOfWork, document: Document) -> DocumentOut:
    newest = await KnowledgeRepository(uow.session).newest_editions([document.id])
    return DocumentOut.of(document, newest.get(document.id), service.today(uow))


@router.get("/documents")
async def list_documents(
    readership: ReadershipDep,
    uow: UowDep,
    page: PageDep,
    base_id: Id | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    state: DocumentState | None = None,
) -> PageOf[DocumentOut]:
    """Documents, the newest first; `q` stands in the title, the number or the issuer."""
    repository = KnowledgeRepository(uow.session)
    found = await repository.documents(readership, page, base_id, q.strip(), state)
    newest = await repository.newest_editions([each.id for each in found.items])
    day = service.today(uow)
    return PageOf.of(found, [DocumentOut.of(each, newest.get(each.id), day) for each in found.items])


@router.get("/documents/{document_id}")
async def get_document(document_id: Id, readership: ReadershipDep, uow: UowDep, page: PageDep) -> DocumentDetail:
    """One document with its editions and a page of its passages."""
    document = await service.require_document(uow, readership, document_id)
    repository = KnowledgeRepository(uow.session)
    editions = await repository.editions(document_id)
    passages = await repository.passages(document_id, page)
    return DocumentDetail.of(
        document,
        editions[0],
        service.today(uow),
        editions=[EditionOut.of(each) for each in editions],
        passages=[PassageOut.of(each) for each in passages.items],
        passages_total=passages.total,
    )


async def _kept(
    document_id: Id, request: Request, principal: Keeper, readership: ReadershipDep, uow: UowDep
) -> Document:
    document = await service.require_document(uow, readership, document_id, lock=True)
    await check(request, principal, "knowledge.write", document.owner.division_code, document.owner.unit_id)
    return document


KeptDep = Annotated[Document, Depends(_kept)]
"""The document of the address, locked, where the asker may change it."""


@router.post("/documents/{document_id}/versions", status_code=201)
async def create_edition(
    document: KeptDep, file: UploadFile, principal: Keeper, uow: UowDep, context: ContextDep
) -> DocumentOut:
    """A new file for the document; the text so far is searched until the new one is read."""
    changed = await keeping.add_edition(uow, context.settings.home, principal, document, await _file(file))
    answer = await _shown(uow, changed)
    await uow.commit()
    return answer


class WithdrawIn(BaseModel):
    reason: Annotated[str, Field(min_length=2, max_length=300)]


@router.post("/documents/{document_id}/withdraw")
async def withdraw_document(document: KeptDep, body: WithdrawIn, principal: Keeper, uow: UowDep) -> DocumentOut:
    """Nothing of the document is found any more."""
    changed = await keeping.withdraw(uow, principal, document, body.reason)
    answer = await _shown(uow, changed)
    await uow.commit()
    return answer


@router.get("/search")
async def search_knowledge(
    readership: ReadershipDep,
    uow: UowDep,
    context: ContextDep,
    q: Annotated[str, Query(min_length=1, max_length=2000)],
    base_id: Annotated[list[Id] | None, Query(max_length=200)] = None,
    kind: Annotated[list[DocumentKind] | None, Query()] = None,
    at: date | None = None,
    n: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[FoundOut]:
    """The passages that answer best to the words, best first; `at`: only what was in force on this day."""
    hits = await service.search(
        uow,
        context.settings.home,
        readership,
        q,
        on=at,
        base_ids=base_id or (),
        kinds=kind or (),
        limit=n,
    )
    return [FoundOut.of(hit, at or service.today(uow)) for hit in hits]


@router.get("/passages/{passage_id}")
async def get_passage(passage_id: Id, readership: ReadershipDep, uow: UowDep) -> FoundOut:
    """One passage with its document, to look a citation up."""
    return FoundOut.of(await service.passage(uow, readership, passage_id), service.today(uow))


class AskIn(BaseModel):
    """`at`: the day whose law counts, today where it is missing; `model`: false for an answer without a model."""

    question: Annotated[str, Field(min_length=2, max_length=1000)]
    base_ids: Annotated[list[Id], Field(max_length=200)] = []
    at: date | None = None
    model: bool = True


@router.post("/ask")
async def ask_knowledge(
    body: AskIn, principal: Reader, readership: ReadershipDep, uow: UowDep, context: ContextDep, client: ClientDep
) -> AnswerOut:
    """An answer whose every sentence stands in a passage that is named, or 未找到依据."""
    day = body.at or service.today(uow)
    answer = await service.ask(
        uow,
        context.settings.home,
        readership,
        body.question,
        on=day,
        base_ids=body.base_ids,
        client=client if body.model and await client.available("chat") else None,
        unit_id=principal.unit_id,
        division_code=principal.division_code,
    )
    return AnswerOut.of(answer, day)
