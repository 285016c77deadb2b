"""What the routes of all modules share: the context, the unit of work, who is asking, pages, errors."""

import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import Clock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, Unauthenticated, Unavailable
from chengnao.kernel.idempotency import Repeatable
from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

Id = Annotated[str, Field(min_length=1, max_length=64)]
DivisionCode = Annotated[str, Field(pattern=r"^(\d{6}|\d{9})$")]

SESSION_COOKIE = "chengnao_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Context:
    """What a request may use; one for the whole process."""

    settings: Settings
    clock: Clock
    database: Database
    bus: Bus
    authority: Authority


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _unit_of_work(request: Request) -> AsyncIterator[UnitOfWork]:
    async with context_of(request).database.unit_of_work() as uow:
        yield uow


ContextDep = Annotated[Context, Depends(context_of)]
UowDep = Annotated[UnitOfWork, Depends(_unit_of_work)]
"""One transaction for the request; a route that changes something commits it, and only then answers."""


def bearer_secret(request: Request) -> str:
    """The secret of the token that the request carries; empty where it carries none.

    Programs that know only user names and passwords give it as the password, under any name.
    """
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return offered.strip()
    if scheme.lower() == "basic":
        with suppress(ValueError):
            secret = b64decode(offered, validate=True).decode().partition(":")[2]
            return secret if secret.startswith(access.TOKEN_PREFIX) else ""  # else it is meant for a proxy in front
    return ""


async def _principal(request: Request, uow: UowDep) -> Principal:
    offered = bearer_secret(request)
    if offered:
        token = await access.find_token(uow, offered)
        if token is None:
            raise Unauthenticated("unauthenticated")
        return token.principal
    secret = request.cookies.get(SESSION_COOKIE, "")
    demonstration = context_of(request).settings.demonstration
    session = await access.find_session(uow, secret, demonstration=demonstration)
    if session is None:
        raise Unauthenticated("unauthenticated")
    if request.method not in _SAFE_METHODS and request.headers.get("x-csrf-token") != session.csrf_token:
        raise Forbidden("csrf_failed")
    return session.user.principal


CurrentPrincipal = Annotated[Principal, Depends(_principal)]
"""Who is asking: the user of the session cookie, or the machine of the bearer token."""


def require(action: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the principal, where the action is allowed somewhere in the own division.

    It is the first wall, on the action; a route about one record asks `check` with the record too, and the
    repository filters by the principal's scope.
    """

    async def required(request: Request, principal: CurrentPrincipal) -> Principal:
        await check(request, principal, action, principal.division_code, principal.unit_id)
        return principal

    return required


async def check(request: Request, principal: Principal, action: str, division_code: str, unit_id: str | None) -> None:
    """Return where the action on a record of this division and unit is allowed; a refusal is put on record."""
    context = context_of(request)
    if context.authority.allows(principal, action, Resource(division_code, unit_id)):
        return
    async with context.database.unit_of_work() as uow:
        await access.record_act(uow, principal, action, "refused", division=division_code, unit=unit_id)
        await uow.commit()
    raise Forbidden("forbidden", action=action)


async def _repeatable(
    request: Request,
    uow: UowDep,
    principal: CurrentPrincipal,
    idempotency_key: Annotated[
        str | None, Header(min_length=8, max_length=64, description="names the request, so that a retry does nothing")
    ] = None,
) -> Repeatable:
    what = f"{request.method} {request.url.path}\n".encode()
    if not request.headers.get("content-type", "").startswith("multipart/"):  # its boundary differs each time
        what += await request.body()
    return Repeatable(uow, principal.id, idempotency_key, what)


RepeatableDep = Annotated[Repeatable, Depends(_repeatable)]
"""The request, which its sender may have named by the header `Idempotency-Key` so as to send it again."""


def scope_of(principal: CurrentPrincipal) -> Scope:
    return Scope.of(principal)


ScopeDep = Annotated[Scope, Depends(scope_of)]


def _page(
    page: Annotated[int, Query(ge=1, le=100_000)] = 1, size: Annotated[int, Query(ge=1, le=200)] = 20
) -> PageRequest:
    return PageRequest(page, size)


PageDep = Annotated[PageRequest, Depends(_page)]


class PageOf(BaseModel, Generic[T]):
    """A page as the API gives it."""

    items: list[T]
    total: int
    page: int
    size: int

    @classmethod
    def of(cls, found: Page[Any], items: list[T]) -> Self:
        """The page that was found, with its items as the API shows them."""
        return cls(items=items, total=found.total, page=found.page, size=found.size)


class ErrorBody(BaseModel):
    code: str
    message: str
    message_en: str
    params: dict[str, Any]


class ErrorAnswer(BaseModel):
    """Every refusal has this shape."""

    error: ErrorBody


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 409, 422, 429, 503)
}


def install_error_handlers(app: FastAPI) -> None:
    """Answer each error with its code and its texts; what is not foreseen gets a number that stands in the log."""

    @app.exception_handler(ChengnaoError)
    async def _known(request: Request, error: ChengnaoError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return answer(Invalid("invalid_request", field=field, reason=first["msg"]), status=422)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        known = ChengnaoError(f"http_{error.status_code}", path=request.url.path, method=request.method)
        return answer(known, status=error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    async def _database_gone(request: Request, error: Exception) -> JSONResponse:
        log.warning("database: %s", error)
        return answer(Unavailable("database_unavailable"))

    @app.exception_handler(DBAPIError)
    async def _database_refuses(request: Request, error: DBAPIError) -> JSONResponse:
        if error.connection_invalidated:
            return await _database_gone(request, error)
        # A NUL in a text is the one value that JSON can carry and PostgreSQL cannot.
        if any(mark in str(error.orig) for mark in ("NUL", "0x00", "\\u0000")):
            return answer(Invalid("invalid_request", field="body", reason="NUL (U+0000) in a text"), status=422)
        return await _unforeseen(request, error)

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        trace = new_id()
        log.error("%s %s failed, number %s", request.method, request.url.path, trace, exc_info=error)
        return answer(ChengnaoError("internal_error", trace=trace), status=500)


def answer(error: ChengnaoError, *, status: int | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """The JSON answer for an error, with `Retry-After` where waiting helps."""
    headers = dict(headers or {})
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse({"error": error.to_dict()}, status or error.status, headers)
