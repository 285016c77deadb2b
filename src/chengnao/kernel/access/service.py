"""Sign-in, accounts, tokens and the audit record; none of it commits, but for the count of failed sign-ins' sake
the caller must commit also when `sign_in` raises."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chengnao.kernel.access.model import AuditEntry, Principal, Role, Scope, Session, Token, User
from chengnao.kernel.access.repository import AccessRepository, user_of
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated
from chengnao.kernel.ids import new_id, new_secret
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.service import require_division, require_unit

USERNAME = r"[A-Za-z0-9_.-]{2,64}"
TOKEN_PREFIX = "cn_"  # noqa: S105 - what tokens begin with, no secret
FAILURES_BEFORE_LOCK = 5
LOCK_FIRST = timedelta(seconds=60)
LOCK_LONGEST = timedelta(hours=1)

_hasher = PasswordHasher()
# One verification takes 64 MiB for some 50 ms by design; two at a time keep a storm of sign-ins within bounds.
_hashing = asyncio.Semaphore(2)
_NO_SUCH_USER = _hasher.hash("no such user, but the same time is spent")


@dataclass(frozen=True)
class SignedIn:
    """A new session and the secret that the browser keeps."""

    session: Session
    secret: str


async def hash_password(password: str) -> str:
    async with _hashing:
        return await asyncio.to_thread(_hasher.hash, password)


async def sign_in(
    uow: UnitOfWork, username: str, password: str, hours: float, *, demonstration: bool = False
) -> SignedIn:
    """Open a session; raises Unauthenticated, or TooMany while the account is locked.

    Accounts of the demonstration have a password that everybody knows: they are let in only where it is on.
    From the fifth failure on, each locks the account, the first for a minute, then twice as long, at most an hour.
    """
    repository = AccessRepository(uow.session)
    account = await repository.account(username)
    now = datetime.now(UTC)
    if account is not None and account.locked_until is not None and account.locked_until > now:
        await record(uow, username, username, "session.create", "refused", {"reason": "locked"})
        raise TooMany("sign_in_locked", retry_after=int((account.locked_until - now).total_seconds()) + 1)
    right = await _verify(account.password_hash if account else _NO_SUCH_USER, password)
    if account is None or not right or not account.active or (account.demonstration and not demonstration):
        if account is not None:
            account.failures += 1
            if account.failures >= FAILURES_BEFORE_LOCK:
                doublings = min(account.failures - FAILURES_BEFORE_LOCK, 10)
                account.locked_until = now + min(LOCK_FIRST * 2**doublings, LOCK_LONGEST)
        await record(uow, username, username, "session.create", "failed", {})
        raise Unauthenticated("sign_in_failed")
    account.failures = 0
    account.locked_until = None
    user, secret = user_of(account), new_secret()
    session = Session(user, new_secret(24), now + timedelta(hours=hours))
    await repository.add_session(digest(secret), user.id, session.csrf_token, session.expires_at, now)
    await record_act(uow, user.principal, "session.create")
    return SignedIn(session, secret)


async def _verify(password_hash: str, password: str) -> bool:
    async with _hashing:
        try:
            return await asyncio.to_thread(_hasher.verify, password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


async def find_session(uow: UnitOfWork, secret: str, *, demonstration: bool = False) -> Session | None:
    """The open session with the secret; one of a demonstration account only where the demonstration is on."""
    session = await AccessRepository(uow.session).session_of(digest(secret), datetime.now(UTC))
    if session is not None and session.user.demonstration and not demonstration:
        return None
    return session


async def sign_out(uow: UnitOfWork, secret: str) -> None:
    await AccessRepository(uow.session).drop_session(digest(secret))


async def create_user(
    uow: UnitOfWork,
    *,
    username: str,
    display_name: str,
    password: str,
    roles: frozenset[Role],
    division_code: str,
    unit_id: str | None,
    demonstration: bool = False,
) -> User:
    """Add an account; raises Invalid for a weak password, Conflict where the name is taken."""
    if not re.fullmatch(USERNAME, username):
        raise Invalid(
            "invalid_value",
            field="username",
            value=username,
            reason_zh="应为 2 至 64 位字母、数字、_、. 或 -",
            reason_en="it must be 2 to 64 letters, digits, _, . or -",
        )
    if not demonstration:
        _check_password(username, password)
    await require_division(uow, division_code)
    if unit_id is not None:
        await require_unit(uow, unit_id)
    repository = AccessRepository(uow.session)
    if await repository.account(username) is not None:
        raise Conflict("username_taken", field="username", username=username)
    user = User(new_id(), username, display_name, roles, division_code, unit_id, demonstration=demonstration)
    await repository.add_user(user, await hash_password(password))
    return user


async def set_password(uow: UnitOfWork, username: str, password: str) -> User:
    """Give the account a new password, unlock it and end its sessions; raises NotFound, Invalid."""
    account = await AccessRepository(uow.session).account(username)
    if account is None:
        raise _no_account(username)
    _check_password(username, password)
    account.password_hash = await hash_password(password)
    account.failures = 0
    account.locked_until = None
    await AccessRepository(uow.session).drop_sessions_of(account.id)
    return user_of(account)


async def set_active(uow: UnitOfWork, username: str, active: bool) -> User:
    """Close the account and end its sessions, or open it again; raises NotFound."""
    account = await AccessRepository(uow.session).account(username)
    if account is None:
        raise _no_account(username)
    account.active = active
    if not active:
        await AccessRepository(uow.session).drop_sessions_of(account.id)
    return user_of(account)


def _no_account(username: str) -> NotFound:
    return NotFound("not_found", kind="账号 account", id=username)


def _check_password(username: str, password: str) -> None:
    if len(password) < 12 or password == username:
        raise Invalid("weak_password", field="password")


async def create_token(
    uow: UnitOfWork,
    *,
    name: str,
    role: Role,
    division_code: str,
    unit_id: str | None,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a machine's token; the second value is its secret, which is not kept."""
    await require_division(uow, division_code)
    if unit_id is not None:
        await require_unit(uow, unit_id)
    secret = TOKEN_PREFIX + new_secret()
    token = Token(new_id(), name, role, division_code, unit_id, datetime.now(UTC), expires_at, None)
    await AccessRepository(uow.session).add_token(token, digest(secret))
    return token, secret


async def create_client_token(uow: UnitOfWork, person: Principal, name: str, days: int) -> tuple[Token, str]:
    """Make a token for a client that speaks for the person to agents and tools; the second value is its secret."""
    secret, now = TOKEN_PREFIX + new_secret(), datetime.now(UTC)
    token = Token(
        new_id(),
        name,
        Role.AGENT_CLIENT,
        person.division_code,
        person.unit_id,
        now,
        now + timedelta(days=days),
        None,
        person.id,
    )
    await AccessRepository(uow.session).add_token(token, digest(secret))
    return token, secret


async def find_client(uow: UnitOfWork, secret: str, *, demonstration: bool = False) -> Principal | None:
    """Whom an agent client speaks for: the person of its token, with the rights of this moment, or the client itself.

    None where the token is none of a client, or the person's account is closed; one of a demonstration account counts
    only where the demonstration is on.
    """
    token = await find_token(uow, secret)
    if token is None or token.role is not Role.AGENT_CLIENT:
        return None
    if token.user_id is None:
        return token.principal
    user = await AccessRepository(uow.session).user(Scope(), token.user_id)
    if user is None or not user.active or (user.demonstration and not demonstration):
        return None
    return user.principal


async def revoke_own_token(uow: UnitOfWork, person: Principal, token_id: str) -> Token:
    """End a token of a client of one's own at once; raises NotFound."""
    repository = AccessRepository(uow.session)
    token = await repository.token(Scope(), token_id)
    if token is None or token.user_id != person.id:
        raise NotFound("not_found", kind="令牌 token", id=token_id)
    await repository.revoke_token(token_id, datetime.now(UTC))
    return token


async def find_token(uow: UnitOfWork, secret: str) -> Token | None:
    return await AccessRepository(uow.session).token_of(digest(secret), datetime.now(UTC))


async def revoke_token(uow: UnitOfWork, scope: Scope, token_id: str) -> Token:
    """End the token at once; raises NotFound outside the scope."""
    repository = AccessRepository(uow.session)
    token = await repository.token(scope, token_id)
    if token is None:
        raise NotFound("not_found", kind="令牌 token", id=token_id)
    await repository.revoke_token(token_id, datetime.now(UTC))
    return token


async def user_names(uow: UnitOfWork) -> dict[str, str]:
    """The display name of every account, by id."""
    return await AccessRepository(uow.session).user_names()


async def require_user(uow: UnitOfWork, user_id: str, scope: Scope | None = None) -> User:
    """The account; raises NotFound outside the scope."""
    user = await AccessRepository(uow.session).user(scope or Scope(), user_id)
    if user is None:
        raise NotFound("not_found", kind="用户 user", id=user_id)
    return user


async def record_act(
    uow: UnitOfWork,
    principal: Principal,
    action: str,
    outcome: Literal["allowed", "refused", "failed"] = "allowed",
    **detail: Any,
) -> None:
    """Write what a known principal did, or was refused, into the audit record."""
    await record(uow, principal.id, principal.name, action, outcome, detail, principal.division_code, principal.unit_id)


async def record(
    uow: UnitOfWork,
    actor_id: str,
    actor_name: str,
    action: str,
    outcome: Literal["allowed", "refused", "failed"],
    detail: Mapping[str, Any],
    division_code: str = CITY,
    unit_id: str | None = None,
) -> None:
    """Write one line of the audit record; an actor that is not known is recorded under the name it gave."""
    entry = AuditEntry(
        new_id(), datetime.now(UTC), actor_id, actor_name, action, outcome, division_code, unit_id, dict(detail)
    )
    await AccessRepository(uow.session).record(entry)


def digest(secret: str) -> str:
    """What is kept of a secret of high entropy: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
