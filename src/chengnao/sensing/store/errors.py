"""Errors as ClickHouse words them: a code, a text that starts with it, and the HTTP status that goes with it."""

import re
from typing import Self

_REPEATED_PREFIX = re.compile(r"^(?:Streaming query failed: )?(?:Code: (\d+)\. DB::Exception: )+")
_INNER_VERSION = re.compile(r" \(version [^()]*(?:\([^()]*\))?\)\.?(?= \([A-Z_0-9]+\)$)")

SYNTAX_ERROR = 62
UNKNOWN_EXCEPTION = 1002
NOT_IMPLEMENTED = 48
QUERY_IS_TOO_LARGE = 264
REQUIRED_PASSWORD = 194
AUTHENTICATION_FAILED = 516
ACCESS_DENIED = 497
BAD_REQUEST_PARAMETER = 36
CANNOT_DECOMPRESS = 271
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373

_NAMES = {
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    REQUIRED_PASSWORD: "REQUIRED_PASSWORD",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    ACCESS_DENIED: "ACCESS_DENIED",
    BAD_REQUEST_PARAMETER: "BAD_ARGUMENTS",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
}

# fmt: off
_STATUS_OF_CODE: dict[int, int] = {
    REQUIRED_PASSWORD: 401,
    **dict.fromkeys((192, 193, ACCESS_DENIED, 511, AUTHENTICATION_FAILED), 403),
    # unknown: function, column, database, table, type, storage, format, setting, aggregate function, engine
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 336, 78, SESSION_NOT_FOUND), 404),
    # what was sent cannot be read: syntax, types, values, parameters
    **dict.fromkeys((SYNTAX_ERROR, 6, 26, 27, 38, 41, 53, 72, 116, 117, 130, 167, 168, 223, 456, 457,
                     BAD_REQUEST_PARAMETER, CANNOT_DECOMPRESS), 400),
    159: 408,
    QUERY_IS_TOO_LARGE: 413,
    SESSION_IS_LOCKED: 423,
    NOT_IMPLEMENTED: 501,
    **dict.fromkeys((202, 209, 241, 252), 503),
}
# fmt: on


class StoreError(Exception):
    """A statement that failed, or was refused before it reached the engine."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def refused(cls, code: int, reason: str) -> Self:
        """An error of this server's own, worded like the engine's."""
        return cls(code, f"Code: {code}. DB::Exception: {reason} ({_NAMES[code]})")

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """The error that the engine raised, without the wrappings it gathered on its way."""
        text = str(error)
        prefix = _REPEATED_PREFIX.match(text)
        if prefix is None:
            return cls.refused(UNKNOWN_EXCEPTION, f"{type(error).__name__}: {text}")
        code = int(prefix.group(1))
        reason = _INNER_VERSION.sub("", text[prefix.end() :])
        # A wrapped error names itself twice at its end.
        reason = re.sub(r" (\([A-Z_0-9]+\))\.? \1$", r" \1", reason)
        return cls(code, f"Code: {code}. DB::Exception: {reason}")

    @property
    def status(self) -> int:
        return _STATUS_OF_CODE.get(self.code, 500)
