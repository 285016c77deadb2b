"""Content codings of HTTP bodies, in pieces: gzip, deflate, lz4 and zstd."""

import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.frame

from chengnao.sensing.store.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, StoreError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(wbits=15),
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
}
_PREFERENCE = ("lz4", "zstd", "gzip", "deflate")


class Decoder:
    """Undoes a coding; several frames one after another are one body."""

    def __init__(self, coding: str) -> None:
        if coding not in _DECOMPRESSORS:
            raise StoreError.refused(
                NOT_IMPLEMENTED, f"Content-Encoding {coding} is not served; use one of {', '.join(_DECOMPRESSORS)}."
            )
        self._coding = coding
        self._frame = _DECOMPRESSORS[coding]()
        self._open = False

    def feed(self, piece: bytes) -> bytes:
        output = b""
        try:
            while piece:
                if self._frame.eof:
                    self._frame = _DECOMPRESSORS[self._coding]()
                output += self._frame.decompress(piece)
                self._open = not self._frame.eof
                piece = self._frame.unused_data if self._frame.eof else b""
        except (zlib.error, RuntimeError, EOFError, zstd.ZstdError) as error:
            raise StoreError.refused(CANNOT_DECOMPRESS, f"the body is not {self._coding}: {error}") from error
        return output

    def finish(self) -> None:
        if self._open:
            raise StoreError.refused(CANNOT_DECOMPRESS, f"the {self._coding} body ends in the middle.")


class Encoder(Protocol):
    """Codes a body in pieces; `finish` gives its end."""

    def feed(self, piece: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Plain:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.compressobj(level=3, wbits=wbits)

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Lz4:
    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        start = b"" if self._begun else self._stream.begin()
        self._begun = True
        return bytes(start + self._stream.compress(piece))

    def finish(self) -> bytes:
        return self.feed(b"") + bytes(self._stream.flush())


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(level=1)

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def finish(self) -> bytes:
        return self._stream.flush()


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "lz4": _Lz4,
    "zstd": _Zstd,
}


def choose_encoder(accepted: str) -> tuple[str | None, Encoder]:
    """The coding to answer with, out of an Accept-Encoding header, and its encoder."""
    offered = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
    for coding in _PREFERENCE:
        if coding in offered:
            return coding, _ENCODERS[coding]()
    return None, _Plain()
