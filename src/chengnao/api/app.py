"""Puts the application together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from chengnao.agents.catalogue import routes as agent_catalogue
from chengnao.agents.evals import routes as agent_evals
from chengnao.agents.general import routes as content
from chengnao.agents.outside import routes as tool_servers
from chengnao.agents.runtime import routes as agent_runs
from chengnao.api import live, system
from chengnao.incident import routes as incident
from chengnao.incident.advice import routes as advice
from chengnao.incident.classification import routes as classification
from chengnao.incident.dispatch import routes as dispatch
from chengnao.incident.drafts import routes as drafts
from chengnao.incident.drafts.queue import ReadingQueue
from chengnao.incident.importing import routes as importing
from chengnao.incident.limits import routes as limits
from chengnao.incident.merging import routes as merging
from chengnao.incident.open311 import routes as open311
from chengnao.incident.public import routes as public
from chengnao.incident.public.service import PublicLimits
from chengnao.incident.reports import routes as reports
from chengnao.incident.requests import routes as requests
from chengnao.kernel.access import routes as access
from chengnao.kernel.calendar_days import routes as calendar
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.organisation import routes as organisation
from chengnao.kernel.subscriptions import routes as subscriptions
from chengnao.kernel.tabular.files import SIZE_LIMIT as IMPORT_LIMIT
from chengnao.kernel.web import ERRORS, Context, answer, install_error_handlers
from chengnao.knowledge import routes as knowledge
from chengnao.models.deployment import routes as model_deployments
from chengnao.models.gateway import routes as model_gateway
from chengnao.models.gateway.metering import routes as model_metering
from chengnao.models.registry import routes as models
from chengnao.models.training import routes as training
from chengnao.review import routes as review
from chengnao.review.proposals import routes as proposals
from chengnao.sensing.commands import routes as commands
from chengnao.sensing.devices import routes as devices
from chengnao.sensing.devices.importing import routes as device_imports
from chengnao.sensing.devices.upkeep import routes as upkeep
from chengnao.sensing.discovery import routes as discovery
from chengnao.sensing.edge import routes as edges
from chengnao.sensing.open.features import routes as features
from chengnao.sensing.open.features.devices import DEVICES
from chengnao.sensing.open.sta import routes as sensorthings
from chengnao.sensing.quarantine import routes as quarantine
from chengnao.sensing.readings import health
from chengnao.sensing.readings import routes as readings
from chengnao.sensing.readings.area_routes import router as area_router
from chengnao.sensing.readings.export import Exports
from chengnao.sensing.readings.latest import LatestValues
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.supervision import routes as supervision
from chengnao.supervision.duty import routes as duty
from chengnao.supervision.evaluation import routes as evaluation
from chengnao.supervision.letters import routes as letters
from chengnao.supervision.writing import routes as writing
from chengnao.warning import routes as warning
from chengnao.warning.features import WARNINGS

ROUTERS: tuple[APIRouter, ...] = (
    access.router,
    organisation.router,
    calendar.router,
    devices.router,
    upkeep.router,
    device_imports.router,
    discovery.router,
    area_router,
    readings.router,
    health.router,
    commands.router,
    subscriptions.router,
    edges.router,
    quarantine.router,
    warning.router,
    incident.router,
    classification.router,
    dispatch.router,
    limits.router,
    requests.router,
    merging.router,
    advice.router,
    reports.router,
    drafts.router,
    public.router,
    importing.router,
    supervision.router,
    duty.router,
    letters.router,
    evaluation.router,
    writing.router,
    review.router,
    proposals.router,
    agent_runs.router,  # before the agents' own: an id could be read as "runs"
    agent_evals.router,
    agent_catalogue.router,
    tool_servers.router,
    content.router,
    model_gateway.router,  # before the models' own, as the next three: an id could be read as "routes" or "training"
    model_metering.router,
    training.router,
    model_deployments.router,
    models.router,
    knowledge.router,
    live.router,
    system.router,
)
BODY_LIMIT = 16 * 2**20
BODY_LIMITS = {"/api/reports/import": IMPORT_LIMIT + 2**20, "/api/models/training": training.BODY_LIMIT}
"""Of paths that take files; what comes in by them is bounded again where it is read."""
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_NOT_BUILT = (
    '<!doctype html><meta charset="utf-8"><title>城脑</title><p>控制台尚未构建：请在源码目录运行 <code>make console'
    "</code>。<p>The console is not built: run <code>make console</code> in the source folder."
)


def create_app(context: Context, store: ReadingsStore) -> FastAPI:
    """The application over the given engines."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await app.state.hub.start(context.bus)
        following = asyncio.create_task(app.state.latest.run(context.bus))
        yield
        following.cancel()

    app = FastAPI(
        title="Chengnao 城脑",
        summary="城市治理平台接口 / API of the city governance platform",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages would load scripts from outside
        redoc_url=None,
        lifespan=lifespan,
        responses=ERRORS,
    )
    app.state.context = context
    app.state.readings = store
    app.state.latest = LatestValues(store)
    app.state.exports = Exports()
    app.state.collections = (DEVICES, WARNINGS)
    app.state.threshold_lines = warning.threshold_lines
    app.state.hub = live.Hub()
    app.state.reading_queue = ReadingQueue(context)
    app.state.public_limits = PublicLimits.of(context.settings)
    app.add_middleware(GZipMiddleware, minimum_size=2_000)
    app.add_middleware(Guard)
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/api")
    app.include_router(system.health_router)
    app.include_router(open311.router)
    app.include_router(sensorthings.router)
    app.include_router(features.router)
    _serve_console(app, Path(str(files("chengnao"))) / "console" / "static")
    return app


class Guard:
    """Refuses a body over the limit before it is read, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = _CONTENT_POLICY
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        limit = BODY_LIMITS.get(scope["path"], BODY_LIMIT)
        if scope["path"].startswith(("/api/knowledge/bases/", "/api/knowledge/documents/")):
            limit = knowledge.BODY_LIMIT
        if length.isdigit() and int(length) > limit:
            refusal = answer(ChengnaoError("too_large", size=int(length), limit=limit), status=413)
            await refusal(scope, receive, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)


def _serve_console(app: FastAPI, static: Path) -> None:
    """The console's files; every address that is no file and no API is the citizens' page or the console's own."""

    @app.get("/{path:path}", include_in_schema=False)
    async def console(path: str) -> Response:
        if path.startswith("api/"):
            raise HTTPException(404)
        index = static / ("citizen.html" if path.split("/", maxsplit=1)[0] == "citizen" else "index.html")
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503)
        file = static / path
        if path and ".." not in path and file.is_file():
            # Vite names assets by their content, so those never change.
            age = "max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
            return FileResponse(file, headers={"Cache-Control": age})
        return FileResponse(index, headers={"Cache-Control": "no-cache"})
