"""Digest access authentication of SIP REGISTER (RFC 8760: MD5 and SHA-256; GB/T 28181-2022 adds SM3)."""

import hashlib
import hmac
import re

ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SM3": "sm3"}
"""Names in the header and in OpenSSL; SM3 is there where the system's OpenSSL has it."""

_PART = re.compile(r"([A-Za-z]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"]+))")


def challenge(realm: str, nonce: str, algorithm: str, *, stale: bool = False) -> str:
    """The value of WWW-Authenticate."""
    more = ", stale=true" if stale else ""
    return f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


def parts_of(header: str) -> dict[str, str]:
    """What an Authorization or WWW-Authenticate header says, by lower-case names; empty for another scheme."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    return {name.lower(): quoted or plain for name, quoted, plain in _PART.findall(rest)}


def response_of(parts: dict[str, str], method: str, password: str) -> str | None:
    """The response that the password gives under the header's own parameters; None for an unknown algorithm.

    With qop as RFC 2617 has it, without as RFC 2069: devices do either.
    """
    known = {name.upper(): code for name, code in ALGORITHMS.items()}
    code = known.get(parts.get("algorithm", "MD5").upper())
    if code is None:
        return None

    def digest(*texts: str) -> str:
        return hashlib.new(code, ":".join(texts).encode()).hexdigest()

    try:
        secret = digest(parts.get("username", ""), parts.get("realm", ""), password)
        asked = digest(method, parts.get("uri", ""))
        nonce = parts.get("nonce", "")
        if parts.get("qop"):
            return digest(secret, nonce, parts.get("nc", ""), parts.get("cnonce", ""), parts["qop"], asked)
        return digest(secret, nonce, asked)
    except ValueError:  # the system's OpenSSL knows no SM3
        return None


def proves(parts: dict[str, str], method: str, password: str) -> bool:
    """Whether the sender of the header knows the password."""
    wanted = response_of(parts, method, password)
    return wanted is not None and hmac.compare_digest(wanted.encode(), parts.get("response", "").lower().encode())
