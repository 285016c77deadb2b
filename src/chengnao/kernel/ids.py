"""Identifiers."""

import secrets
import time
from uuid import UUID


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: unique everywhere, and sorted by text it is sorted by time of making.

    The time inside is real time, also where the platform's clock is accelerated: an id is no timestamp.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(UUID(int=value))


def new_secret(size: int = 32) -> str:
    """A URL-safe secret of `size` random bytes, for tokens and passwords of engines."""
    return secrets.token_urlsafe(size)
