"""The HTTP side of models that bring no server of their own."""

from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.models.serving import HOST, Serving


def application(what: Serving) -> FastAPI:
    """An application with `/health` and `/v1/models`, whose errors have OpenAI's shape."""
    app = FastAPI(openapi_url=None)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": what.name, "object": "model", "owned_by": "chengnao"}]}

    @app.exception_handler(ChengnaoError)
    async def refused(request: Request, error: ChengnaoError) -> JSONResponse:
        body = {"message": str(error), "type": "invalid_request_error", "code": error.code}
        return JSONResponse({"error": body}, error.status)

    return app


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request; raises Invalid where it is none."""
    try:
        found = await request.json()
    except (ValueError, UnicodeDecodeError) as error:
        raise Invalid("serving_body", field="body", reason="JSON") from error
    if not isinstance(found, dict):
        raise Invalid("serving_body", field="body", reason="object")
    return found


def run(app: FastAPI, what: Serving) -> None:
    """Serve until the process is told to end; the model is loaded by now."""
    print(f"{what.name}: http://{HOST}:{what.port}", flush=True)
    uvicorn.run(app, host=HOST, port=what.port, log_level="warning", access_log=False)
