"""What a client of the HTTP interface asks for: parameters of the URL and of forms, credentials, settings."""

import hmac
import re
import uuid
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from chengnao.sensing.store.errors import (
    AUTHENTICATION_FAILED,
    BAD_REQUEST_PARAMETER,
    NOT_IMPLEMENTED,
    REQUIRED_PASSWORD,
    StoreError,
)

# Parameters that speak to the HTTP interface; everything else is a setting of the engine.
_INTERFACE = frozenset(
    (
        *("query", "database", "default_format", "user", "password", "query_id", "quota_key", "role"),
        *("session_id", "session_timeout", "session_check", "close_session"),
        *("wait_end_of_query", "buffer_size", "stacktrace", "client_protocol_version"),
        *("compress", "decompress", "enable_http_compression", "http_zlib_compression_level"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    )
)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(slots=True)
class Request:
    """A request without its body."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    query_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.query_id = self.parameters.get("query_id") or str(uuid.uuid4())

    @classmethod
    def of(cls, scope: dict[str, Any]) -> "Request":
        url = parse_qsl(scope["query_string"].decode("utf-8", "replace"), keep_blank_values=True)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(scope["method"], scope["path"], dict(url), headers)

    def authenticate(self, user: str, password: str) -> None:
        """Raise StoreError unless the request carries these credentials."""
        given_user, given_password = self._credentials()
        known = hmac.compare_digest(given_user.encode(), user.encode())
        if not (hmac.compare_digest(given_password.encode(), password.encode()) and known):
            raise StoreError.refused(
                AUTHENTICATION_FAILED,
                f"{given_user}: Authentication failed: password is incorrect, or there is no user with such name.",
            )

    def _credentials(self) -> tuple[str, str]:
        if "x-clickhouse-user" in self.headers:
            return self.headers["x-clickhouse-user"], self.headers.get("x-clickhouse-key", "")
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = b64decode(value, validate=True).decode().partition(":")
            except ValueError as error:
                raise StoreError.refused(AUTHENTICATION_FAILED, f"Authorization cannot be read: {error}") from error
            return user, password
        if "user" in self.parameters:
            return self.parameters["user"], self.parameters.get("password", "")
        raise StoreError.refused(REQUIRED_PASSWORD, "Authentication required: send user and password.")

    def flag(self, name: str) -> bool:
        return self.parameters.get(name, "0") not in ("0", "", "false")

    @property
    def bind_parameters(self) -> dict[str, str]:
        return {
            name.removeprefix("param_"): value for name, value in self.parameters.items() if name.startswith("param_")
        }

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the engine for this request; unknown ones are the engine's to refuse."""
        if self.flag("compress") or self.flag("decompress"):
            raise StoreError.refused(
                NOT_IMPLEMENTED, "compress and decompress are not served; use Content-Encoding and Accept-Encoding."
            )
        chosen = {
            name: value
            for name, value in self.parameters.items()
            if name not in _INTERFACE and not name.startswith("param_")
        }
        for name in chosen:
            if not _SETTING_NAME.fullmatch(name):
                raise StoreError.refused(BAD_REQUEST_PARAMETER, f"{name!r} is no name of a setting.")
        if self.method == "GET":
            chosen["readonly"] = "2"
        return chosen

    @property
    def default_format(self) -> str:
        return self.parameters.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated"
