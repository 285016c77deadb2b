"""The door of the `agents` process: who comes without a client's token is sent away before anything else happens."""

from typing import Any

from starlette.datastructures import Headers, State
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import find_client
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unauthenticated
from chengnao.kernel.settings import Settings


class Guard:
    """Lets in whoever shows a client's token; whom it speaks for is looked up anew with each request."""

    def __init__(self, app: ASGIApp, database: Database, settings: Settings) -> None:
        self.app = app
        self._database = database
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        principal = await self._principal(Headers(scope=scope).get("authorization", ""))
        if principal is None:
            refusal = {"error": Unauthenticated("outside_unauthenticated").to_dict()}
            await JSONResponse(refusal, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        await self.app(scope, receive, send)

    async def _principal(self, authorization: str) -> Principal | None:
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return None
        async with self._database.unit_of_work() as uow:
            return await find_client(uow, secret.strip(), demonstration=self._settings.demonstration)


def principal_of(request: HTTPConnection | Any) -> Principal:
    """Whom the request speaks for, as the guard found it."""
    state: State = request.state
    principal: Principal = state.principal
    return principal
