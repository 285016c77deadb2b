"""The answer of the HTTP interface: headers, coding, and an error that comes after the first rows."""

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from chengnao.sensing.store.coding import choose_encoder
from chengnao.sensing.store.engine import Done, Engine
from chengnao.sensing.store.errors import StoreError
from chengnao.sensing.store.request import Request

Send = Callable[[dict[str, Any]], Awaitable[None]]

_CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "tabs": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8",
}


class Answer:
    """One response. `start` may be left to `finish`, which then knows the summary."""

    def __init__(self, send: Send, request: Request, engine: Engine) -> None:
        self._send = send
        self._request = request
        self._engine = engine
        self._began = time.monotonic_ns()
        self._tag = secrets.token_hex(8)
        self._coding: str | None = None
        self._encoder = choose_encoder("")[1]
        if request.flag("enable_http_compression"):
            self._coding, self._encoder = choose_encoder(request.headers.get("accept-encoding", ""))
        self.started = False

    async def start(self, format_name: str | None, done: Done | None = None, *, inserted: bool = False) -> None:
        headers = self._headers(format_name) | {
            "x-clickhouse-summary": self._summary(done or Done(), inserted),
            "x-clickhouse-exception-tag": self._tag,
        }
        if self._coding:
            headers["content-encoding"] = self._coding
        await self._begin(200, headers)

    async def write(self, piece: bytes) -> None:
        await self._body(self._encoder.feed(piece), more=True)

    async def finish(self) -> None:
        await self._body(self._encoder.finish(), more=False)

    async def fail(self, error: StoreError) -> None:
        """Tell the error: with its status where nothing was sent yet, else in a marked block after the rows.

        That answer is left without its end, and the connection breaks: no client may take the part for the whole.
        """
        text = f"{error.text} (version {self._engine.version})\n"
        if self.started:
            marked = f"\r\n__exception__\r\n{self._tag}\r\n{text}{len(text)} {self._tag}\r\n__exception__\r\n"
            await self._body(self._encoder.feed(marked.encode()) + self._encoder.finish(), more=True)
            return
        headers = self._headers(None) | {
            "x-clickhouse-exception-code": str(error.code),
            "content-type": "text/plain; charset=UTF-8",
        }
        if error.status == 401:
            headers["www-authenticate"] = 'Basic realm="readings store"'
        await self._begin(error.status, headers)
        await self._body(text.encode(), more=False)

    async def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.started = True
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def _body(self, piece: bytes, *, more: bool) -> None:
        if piece or not more:
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def _headers(self, format_name: str | None) -> dict[str, str]:
        headers = {
            "content-type": _content_type(format_name or ""),
            "x-clickhouse-query-id": self._request.query_id,
            "x-clickhouse-server-display-name": "chengnao",
            "x-clickhouse-timezone": self._engine.timezone,
        }
        if format_name:
            headers["x-clickhouse-format"] = format_name
        return headers

    def _summary(self, done: Done, inserted: bool) -> str:
        moved = (done.rows, done.size)
        read, written, result = (0, 0), (0, 0), (0, 0)
        if inserted:
            read = written = result = moved
        else:
            read, result = (done.scanned_rows, done.scanned_size), moved
        numbers = {
            "read_rows": read[0],
            "read_bytes": read[1],
            "written_rows": written[0],
            "written_bytes": written[1],
            "total_rows_to_read": read[0],
            "result_rows": result[0],
            "result_bytes": result[1],
            "elapsed_ns": time.monotonic_ns() - self._began,
        }
        return json.dumps({name: str(number) for name, number in numbers.items()})


def _content_type(format_name: str) -> str:
    if format_name.startswith("JSON"):
        return _CONTENT_TYPES["json"]
    if format_name.startswith("CSV"):
        return _CONTENT_TYPES["csv"]
    if format_name.startswith(("TSV", "TabSeparated")) or not format_name:
        return _CONTENT_TYPES["tabs"]
    return "application/octet-stream"
