"""Live views: domain events to browsers as server-sent events, each principal only what lies in its scope."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import UowDep, require

log = logging.getLogger(__name__)

router = APIRouter(tags=["live"])

QUEUE = 1_000
KEEP_ALIVE_SECONDS = 15.0
STREAM_SECONDS = 600.0
"""A stream ends after this long and the browser opens it anew, so that a session that has ended stops seeing."""


class Hub:
    """Spreads the events of the bus over the open streams."""

    def __init__(self) -> None:
        self._streams: dict[asyncio.Queue[dict[str, Any] | None], Scope] = {}

    async def start(self, bus: Bus) -> None:
        await bus.tail_events(self.spread)

    async def spread(self, document: dict[str, Any]) -> None:
        for queue, scope in list(self._streams.items()):
            if not _visible(document, scope):
                continue
            try:
                queue.put_nowait(document)
            except asyncio.QueueFull:
                # A browser that does not read is cut off; it comes back and reads the lists afresh.
                del self._streams[queue]
                queue.get_nowait()
                queue.put_nowait(None)

    async def stream(self, scope: Scope) -> AsyncIterator[str]:
        """The lines of one browser's stream."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE)
        self._streams[queue] = scope
        ends = asyncio.get_running_loop().time() + STREAM_SECONDS
        try:
            yield "retry: 2000\n: connected\n\n"
            while asyncio.get_running_loop().time() < ends:
                try:
                    document = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if document is None:
                    return
                yield _line(document)
        finally:
            self._streams.pop(queue, None)


def _visible(document: dict[str, Any], scope: Scope) -> bool:
    inside = scope.division_code == CITY or document["divisioncode"].startswith(scope.division_code)
    return inside and (scope.unit_id is None or document["unitid"] == scope.unit_id)


def _line(document: dict[str, Any]) -> str:
    data = {
        "id": document["id"],
        "type": document["type"],
        "subject": document["subject"],
        "division_code": document["divisioncode"],
        "unit_id": document["unitid"],
        "time": document["time"],
        "data": document["data"],
    }
    return f"id: {document['id']}\nevent: {document['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


@router.get("/stream", response_class=StreamingResponse)
async def stream(
    request: Request, principal: Annotated[Principal, Depends(require("situation.read"))], uow: UowDep
) -> StreamingResponse:
    """Domain events of the own scope as they happen (text/event-stream); lists stay the truth."""
    # The stream outlives any transaction: give the connection back first.
    await uow.session.close()
    hub: Hub = request.app.state.hub
    return StreamingResponse(
        hub.stream(Scope.of(principal)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
