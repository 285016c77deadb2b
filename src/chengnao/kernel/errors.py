"""One tree of errors.

    ChengnaoError
    ├── Invalid          400  a value that cannot be accepted: names field, value and remedy
    ├── Unauthenticated  401  who is asking is not known
    ├── Forbidden        403  known, but not allowed
    ├── NotFound         404  no such thing, or none in the asker's own divisions
    ├── Conflict         409  the thing has changed, or its state does not allow the action
    ├── TooMany          429  limited; `retry_after` seconds
    └── Unavailable      503  an engine does not answer; `retry_after` seconds

An error carries a code and parameters; its text stands in the message files, in Chinese and in English.
"""

from typing import Any, ClassVar

from chengnao.kernel.messages import Language, message


class ChengnaoError(Exception):
    """Something a caller can understand and act on."""

    status: ClassVar[int] = 400

    def __init__(self, code: str, /, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def text(self, language: Language = "zh") -> str:
        """What is wrong, where, and what to do."""
        return message(self.code, language, **self.params)

    def to_dict(self) -> dict[str, Any]:
        """The error as the API shows it."""
        return {
            "code": self.code,
            "message": self.text("zh"),
            "message_en": self.text("en"),
            "params": {key: _plain(value) for key, value in self.params.items()},
        }

    def __str__(self) -> str:
        return f"{self.text('zh')} / {self.text('en')}"


class Invalid(ChengnaoError):
    """A value that cannot be accepted; give at least `field`, and `value` where it can be shown."""

    status = 400


class Unauthenticated(ChengnaoError):
    status = 401


class Forbidden(ChengnaoError):
    status = 403


class NotFound(ChengnaoError):
    status = 404


class Conflict(ChengnaoError):
    status = 409


class TooMany(ChengnaoError):
    status = 429

    def __init__(self, code: str, /, *, retry_after: int, **params: Any) -> None:
        super().__init__(code, retry_after=retry_after, **params)
        self.retry_after = retry_after


class Unavailable(ChengnaoError):
    status = 503

    def __init__(self, code: str, /, *, retry_after: int = 5, **params: Any) -> None:
        super().__init__(code, retry_after=retry_after, **params)
        self.retry_after = retry_after


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)
