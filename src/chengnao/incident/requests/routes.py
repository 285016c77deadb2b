"""Requests for more time over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.incident.names import Names
from chengnao.incident.requests import service
from chengnao.incident.requests.model import Kind, RequestState
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.requests.views import RequestOut
from chengnao.kernel.access.model import Principal
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, RepeatableDep, ScopeDep, UowDep, require

router = APIRouter(tags=["incident"])

Text = Annotated[str, Field(max_length=4000)]


class RequestIn(BaseModel):
    """`until`: the deadline asked for, or when the handling goes on after a suspension."""

    kind: Kind
    until: AwareDatetime
    reason: Text


@router.post("/incidents/{incident_id}/requests", status_code=201)
async def ask_for_time(
    incident_id: Id,
    body: RequestIn,
    principal: Annotated[Principal, Depends(require("request.create"))],
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> RequestOut:
    """Ask for an extension or a suspension; the desk decides."""
    if (known := await repeatable.known(RequestOut)) is not None:
        return known
    made = await service.ask(uow, context.authority, principal, incident_id, body.kind, body.until, body.reason)
    answer = await repeatable.keep(RequestOut.of(made, await Names.load(uow)))
    await uow.commit()
    return answer


@router.get("/requests")
async def list_requests(
    principal: Annotated[Principal, Depends(require("incident.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: RequestState | None = None,
) -> PageOf[RequestOut]:
    """Requests of the own divisions, those that must be decided soonest first."""
    found = await RequestRepository(uow.session).requests(scope, state, page)
    names = await Names.load(uow)
    return PageOf.of(found, [RequestOut.of(each, names) for each in found.items])


class DecisionIn(BaseModel):
    """A refusal needs a reason."""

    approve: bool
    reason: Text = ""


@router.post("/requests/{request_id}/decision")
async def decide_request(
    request_id: Id,
    body: DecisionIn,
    principal: Annotated[Principal, Depends(require("request.decide"))],
    uow: UowDep,
    context: ContextDep,
) -> RequestOut:
    """Grant or refuse; the answer's state is `lapsed` where the incident has gone on meanwhile."""
    decided = await service.decide(
        uow, context.authority, principal, request_id, grant=body.approve, reason=body.reason
    )
    answer = RequestOut.of(decided, await Names.load(uow))
    await uow.commit()
    return answer
