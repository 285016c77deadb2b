"""HTTP servers that live in the platform's processes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from chengnao.kernel.health import Heartbeat


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_until_cancelled(self, heartbeat: Heartbeat) -> None:
        """Serve, ready from the moment the socket listens; when cancelled, finish the requests under way."""
        serving = asyncio.ensure_future(self.serve())
        try:
            while not self.started and not serving.done():
                await asyncio.sleep(0.02)
            heartbeat.ready = self.started
            await asyncio.shield(serving)
        finally:
            heartbeat.ready = False
            self.should_exit = True
            await serving
