"""Protocols whose messages something else delivers whole: a datagram, a message of MQTT, the body of a request."""

from collections.abc import Callable
from typing import Generic

from chengnao.sensing.protocols.shape import F, Refusal

MAX_MESSAGE = 1 << 20


class WholeFramer(Generic[F]):
    """All that was fed until the end is one message; one that grows beyond 1 MiB is refused."""

    def __init__(self, decode: Callable[[bytes], F | Refusal]) -> None:
        self._decode = decode
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[F | Refusal]:
        self._buffer += data
        if len(self._buffer) <= MAX_MESSAGE:
            return []
        return [Refusal("garbage", self._take())]

    def hurry(self) -> list[F | Refusal]:
        return self.close()

    def close(self) -> list[F | Refusal]:
        return [self._decode(self._take())] if self._buffer else []

    def _take(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data
