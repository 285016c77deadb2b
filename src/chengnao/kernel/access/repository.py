"""All SQL over accounts, sessions, tokens and the audit record."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from chengnao.kernel.access.model import AuditEntry, Role, Scope, Session, Token, User
from chengnao.kernel.access.tables import AuditRow, SessionRow, TokenRow, UserRow
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains


class AccessRepository(Repository):
    async def add_user(self, user: User, password_hash: str) -> None:
        self.session.add(
            UserRow(
                id=user.id,
                username=user.username,
                display_name=user.display_name,
                password_hash=password_hash,
                roles=sorted(user.roles),
                division_code=user.division_code,
                unit_id=user.unit_id,
                active=user.active,
                demonstration=user.demonstration,
                failures=0,
            )
        )
        await self.session.flush()

    async def account(self, username: str) -> UserRow | None:
        """The row of the account, locked for this transaction, so that parallel guesses are counted one by one."""
        return await self.session.scalar(select(UserRow).where(UserRow.username == username).with_for_update())

    async def user(self, scope: Scope, user_id: str) -> User | None:
        row = await self.session.scalar(select(UserRow).where(UserRow.id == user_id, scope.where(UserRow)))
        return None if row is None else user_of(row)

    async def users(self, scope: Scope, request: PageRequest, words: str = "") -> Page[User]:
        query = select(UserRow).where(scope.where(UserRow)).order_by(UserRow.username)
        if words:
            query = query.where(or_(contains(UserRow.username, words), contains(UserRow.display_name, words)))
        page = await self.page(query, request)
        return page.map(user_of)

    async def names_of(self, user_ids: Collection[str]) -> dict[str, str]:
        query = select(UserRow.id, UserRow.display_name).where(UserRow.id.in_(user_ids))
        return {row.id: row.display_name for row in await self.session.execute(query)}

    async def user_names(self) -> dict[str, str]:
        return {
            row.id: row.display_name
            for row in (await self.session.execute(select(UserRow.id, UserRow.display_name))).all()
        }

    async def add_session(
        self, secret_hash: str, user_id: str, csrf_token: str, expires_at: datetime, now: datetime
    ) -> None:
        await self.session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
        self.session.add(
            SessionRow(secret_hash=secret_hash, user_id=user_id, csrf_token=csrf_token, expires_at=expires_at)
        )

    async def session_of(self, secret_hash: str, now: datetime) -> Session | None:
        query = (
            select(SessionRow, UserRow)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(SessionRow.secret_hash == secret_hash, SessionRow.expires_at > now, UserRow.active)
        )
        found = (await self.session.execute(query)).one_or_none()
        return None if found is None else Session(user_of(found[1]), found[0].csrf_token, found[0].expires_at)

    async def drop_session(self, secret_hash: str) -> None:
        await self.session.execute(delete(SessionRow).where(SessionRow.secret_hash == secret_hash))

    async def drop_sessions_of(self, user_id: str) -> None:
        await self.session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))

    async def add_token(self, token: Token, secret_hash: str) -> None:
        self.session.add(TokenRow(**asdict(token) | {"role": str(token.role)}, secret_hash=secret_hash))

    async def token_of(self, secret_hash: str, now: datetime) -> Token | None:
        row = await self.session.scalar(
            select(TokenRow).where(
                TokenRow.secret_hash == secret_hash,
                TokenRow.revoked_at.is_(None),
                or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > now),
            )
        )
        return None if row is None else _token(row)

    async def tokens(self, scope: Scope, request: PageRequest) -> Page[Token]:
        query = select(TokenRow).where(scope.where(TokenRow)).order_by(TokenRow.created_at.desc(), TokenRow.id)
        page = await self.page(query, request)
        return page.map(_token)

    async def tokens_for(self, user_id: str, request: PageRequest) -> Page[Token]:
        """The tokens of the clients that speak for a person, the newest first."""
        query = select(TokenRow).where(TokenRow.user_id == user_id).order_by(TokenRow.created_at.desc(), TokenRow.id)
        return (await self.page(query, request)).map(_token)

    async def token(self, scope: Scope, token_id: str) -> Token | None:
        row = await self.session.scalar(select(TokenRow).where(TokenRow.id == token_id, scope.where(TokenRow)))
        return None if row is None else _token(row)

    async def revoke_token(self, token_id: str, at: datetime) -> None:
        await self.session.execute(
            update(TokenRow).where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None)).values(revoked_at=at)
        )

    async def record(self, entry: AuditEntry) -> None:
        self.session.add(AuditRow(**asdict(entry)))

    async def audit(self, scope: Scope, request: PageRequest, words: str = "") -> Page[AuditEntry]:
        query = select(AuditRow).where(scope.where(AuditRow)).order_by(AuditRow.id.desc())
        if words:
            query = query.where(or_(contains(AuditRow.actor_name, words), contains(AuditRow.action, words)))
        page = await self.page(query, request)
        entries = [
            AuditEntry(
                row.id,
                row.at,
                row.actor_id,
                row.actor_name,
                row.action,
                row.outcome,
                row.division_code,
                row.unit_id,
                row.detail,
            )
            for row in page.items
        ]
        return Page(entries, page.total, page.page, page.size)


def user_of(row: UserRow) -> User:
    return User(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        roles=frozenset(Role(role) for role in row.roles),
        division_code=row.division_code,
        unit_id=row.unit_id,
        active=row.active,
        demonstration=row.demonstration,
    )


def _token(row: TokenRow) -> Token:
    return Token(
        row.id,
        row.name,
        Role(row.role),
        row.division_code,
        row.unit_id,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.user_id,
    )
