"""The body of a request, piece by piece, without its content coding."""

from collections.abc import Awaitable, Callable
from typing import Any

from python_multipart import MultipartParser
from python_multipart.multipart import parse_options_header

from chengnao.sensing.store.coding import Decoder
from chengnao.sensing.store.errors import BAD_REQUEST_PARAMETER, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, StoreError
from chengnao.sensing.store.request import Request

Receive = Callable[[], Awaitable[dict[str, Any]]]

LARGEST_STATEMENT = 16 * 2**20
LARGEST_DATA = 4 * 2**30


class ClientGoneError(Exception):
    """The client closed the connection before it had sent the whole request."""


class Body:
    """Reads what the client sends; `piece` gives None at the end."""

    def __init__(self, receive: Receive, coding: str) -> None:
        self._receive = receive
        self._decoder = Decoder(coding) if coding and coding != "identity" else None
        self._more = True
        self._size = 0

    async def piece(self) -> bytes | None:
        while self._more:
            raw = await self._next()
            decoded = self._decoder.feed(raw) if self._decoder else raw
            if not self._more and self._decoder:
                self._decoder.finish()
            self._size += len(decoded)
            if self._size > LARGEST_DATA:
                raise StoreError.refused(QUERY_IS_TOO_LARGE, f"the body is larger than {LARGEST_DATA} bytes.")
            if decoded:
                return decoded
        return None

    async def rest(self) -> bytes:
        """Everything left, where it is text and not data."""
        whole = bytearray()
        while (piece := await self.piece()) is not None:
            whole += piece
            if len(whole) > LARGEST_STATEMENT:
                raise StoreError.refused(QUERY_IS_TOO_LARGE, f"the statement is larger than {LARGEST_STATEMENT} bytes.")
        return bytes(whole)

    async def drain(self) -> None:
        """Take the rest and forget it: a client that still sends would not see the answer."""
        while self._more:
            await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._more = False
            raise ClientGoneError
        self._more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece


async def read_form(request: Request, body: Body) -> None:
    """Add the fields of a multipart form to the request's parameters; queries with many values come this way."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        return
    fields = _parse_form(await body.rest(), options[b"boundary"])
    request.parameters.update(fields)


def _parse_form(raw: bytes, boundary: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    header_name, header_value, content = bytearray(), bytearray(), bytearray()
    headers: dict[bytes, bytes] = {}

    def begin() -> None:
        headers.clear()
        content.clear()

    def header_end() -> None:
        headers[bytes(header_name).lower()] = bytes(header_value)
        header_name.clear()
        header_value.clear()

    def end() -> None:
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        if b"filename" in options:
            raise StoreError.refused(NOT_IMPLEMENTED, "external tables are not served; insert into a temporary table.")
        fields[options.get(b"name", b"").decode()] = content.decode()

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_header_field": lambda data, start, stop: header_name.extend(data[start:stop]),
            "on_header_value": lambda data, start, stop: header_value.extend(data[start:stop]),
            "on_header_end": header_end,
            "on_part_data": lambda data, start, stop: content.extend(data[start:stop]),
            "on_part_end": end,
        },
    )
    try:
        parser.write(raw)
        parser.finalize()
    except ValueError as error:
        raise StoreError.refused(BAD_REQUEST_PARAMETER, f"the form cannot be read: {error}") from error
    return fields
