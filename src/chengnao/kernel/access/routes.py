"""Sign-in, accounts, tokens and the audit record over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.kernel.access import service
from chengnao.kernel.access.model import MACHINE_ROLES, PERSON_ROLES, Principal, Role, Session, Token, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.errors import Invalid, TooMany, Unauthenticated
from chengnao.kernel.organisation.model import tier_of
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import today
from chengnao.kernel.vocabulary import Tier
from chengnao.kernel.web import (
    SESSION_COOKIE,
    ContextDep,
    DivisionCode,
    PageDep,
    PageOf,
    ScopeDep,
    UowDep,
    check,
    require,
)

router = APIRouter(tags=["access"])

Text = Annotated[str, Field(min_length=1, max_length=200)]


class SignIn(BaseModel):
    username: Text
    password: Annotated[str, Field(min_length=1, max_length=500)]


class NamedRef(BaseModel):
    code: str
    name: str


class ClockOut(BaseModel):
    now: datetime
    speed: float


class Me(BaseModel):
    """Who is signed in."""

    id: str
    username: str
    display_name: str
    roles: list[Role]
    tier: Tier
    division: NamedRef
    unit: NamedRef | None
    csrf_token: str
    demo: bool
    clock: ClockOut


@router.post("/session")
async def sign_in(body: SignIn, response: Response, context: ContextDep, uow: UowDep) -> Me:
    """Open a session; the cookie is HttpOnly, the CSRF token goes into the header `X-CSRF-Token` of each change."""
    try:
        signed_in = await service.sign_in(
            uow,
            body.username,
            body.password,
            context.settings.session_hours,
            demonstration=context.settings.demonstration,
        )
    except (Unauthenticated, TooMany):
        await uow.commit()
        raise
    me = await _me(signed_in.session, context, uow)
    await uow.commit()
    response.set_cookie(
        SESSION_COOKIE,
        signed_in.secret,
        max_age=int(context.settings.session_hours * 3600),
        httponly=True,
        samesite="lax",
        secure=context.settings.secure_cookies,
    )
    return me


@router.get("/session")
async def who_am_i(request: Request, context: ContextDep, uow: UowDep) -> Me:
    secret = request.cookies.get(SESSION_COOKIE, "")
    session = await service.find_session(uow, secret, demonstration=context.settings.demonstration)
    if session is None:
        raise Unauthenticated("unauthenticated")
    return await _me(session, context, uow)


@router.delete("/session", status_code=204)
async def sign_out(request: Request, response: Response, uow: UowDep) -> None:
    """End the session; also where there is none."""
    await service.sign_out(uow, request.cookies.get(SESSION_COOKIE, ""))
    await uow.commit()
    response.delete_cookie(SESSION_COOKIE)


async def _me(session: Session, context: ContextDep, uow: UowDep) -> Me:
    user = session.user
    organisation = OrganisationRepository(uow.session)
    division = await organisation.division(user.division_code, today(uow))
    unit = await organisation.unit(user.unit_id) if user.unit_id else None
    return Me(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        roles=sorted(user.roles),
        tier=tier_of(user.division_code),
        division=NamedRef(code=user.division_code, name=division.name if division else user.division_code),
        unit=NamedRef(code=unit.id, name=unit.name) if unit else None,
        csrf_token=session.csrf_token,
        demo=context.settings.demonstration,
        clock=ClockOut(now=context.clock.now(), speed=context.clock.speed),
    )


class UserOut(BaseModel):
    id: str
    username: str
    display_name: str
    roles: list[Role]
    division_code: str
    unit_id: str | None
    active: bool
    demonstration: bool

    @classmethod
    def of(cls, user: User) -> "UserOut":
        return cls(**{name: getattr(user, name) for name in cls.model_fields} | {"roles": sorted(user.roles)})


class UserIn(BaseModel):
    username: Annotated[str, Field(pattern=f"^{service.USERNAME}$")]
    display_name: Text
    password: Annotated[str, Field(max_length=500)]
    roles: Annotated[list[Role], Field(min_length=1, max_length=10)]
    division_code: DivisionCode
    unit_id: Text | None = None


@router.get("/users")
async def list_users(
    principal: Annotated[Principal, Depends(require("user.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    q: Annotated[str, Field(max_length=100)] = "",
) -> PageOf[UserOut]:
    found = await AccessRepository(uow.session).users(scope, page, q)
    return PageOf.of(found, [UserOut.of(user) for user in found.items])


@router.post("/users", status_code=201)
async def create_user(
    body: UserIn, request: Request, principal: Annotated[Principal, Depends(require("user.write"))], uow: UowDep
) -> UserOut:
    await check(request, principal, "user.write", body.division_code, body.unit_id)
    _only(body.roles, PERSON_ROLES)
    user = await service.create_user(uow, **body.model_dump() | {"roles": frozenset(body.roles)})
    await service.record_act(uow, principal, "user.write", user=user.id, username=user.username)
    await uow.commit()
    return UserOut.of(user)


class TokenOut(BaseModel):
    id: str
    name: str
    role: Role
    division_code: str
    unit_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> "TokenOut":
        return cls(**{name: getattr(token, name) for name in cls.model_fields})


class TokenMade(BaseModel):
    """The token and its secret, which is shown this once."""

    token: TokenOut
    secret: str


class TokenIn(BaseModel):
    name: Text
    role: Role
    division_code: DivisionCode
    unit_id: Text | None = None
    expires_at: AwareDatetime | None = None


@router.get("/tokens")
async def list_tokens(
    principal: Annotated[Principal, Depends(require("token.read"))], scope: ScopeDep, uow: UowDep, page: PageDep
) -> PageOf[TokenOut]:
    found = await AccessRepository(uow.session).tokens(scope, page)
    return PageOf.of(found, [TokenOut.of(token) for token in found.items])


@router.post("/tokens", status_code=201)
async def create_token(
    body: TokenIn, request: Request, principal: Annotated[Principal, Depends(require("token.write"))], uow: UowDep
) -> TokenMade:
    await check(request, principal, "token.write", body.division_code, body.unit_id)
    _only([body.role], MACHINE_ROLES)
    token, secret = await service.create_token(uow, **body.model_dump())
    await service.record_act(uow, principal, "token.write", token=token.id, name=token.name)
    await uow.commit()
    return TokenMade(token=TokenOut.of(token), secret=secret)


class ClientIn(BaseModel):
    """`days`: how long it holds."""

    name: Text
    days: Annotated[int, Field(ge=1, le=365)] = 90


Person = Annotated[Principal, Depends(require("token.own"))]


@router.get("/session/tokens")
async def list_own_tokens(principal: Person, uow: UowDep, page: PageDep) -> PageOf[TokenOut]:
    """The tokens of the asker's own clients of agents and tools."""
    found = await AccessRepository(uow.session).tokens_for(principal.id, page)
    return PageOf.of(found, [TokenOut.of(token) for token in found.items])


@router.post("/session/tokens", status_code=201)
async def create_own_token(body: ClientIn, principal: Person, uow: UowDep) -> TokenMade:
    """Make a token for a client that speaks for the asker by MCP and A2A, with the asker's rights of the moment."""
    token, secret = await service.create_client_token(uow, principal, body.name, body.days)
    await service.record_act(uow, principal, "token.own", token=token.id, name=token.name)
    await uow.commit()
    return TokenMade(token=TokenOut.of(token), secret=secret)


@router.delete("/session/tokens/{client_id}", status_code=204)
async def revoke_own_token(client_id: str, principal: Person, uow: UowDep) -> None:
    token = await service.revoke_own_token(uow, principal, client_id)
    await service.record_act(uow, principal, "token.own", token=token.id, revoked=True)
    await uow.commit()


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(
    token_id: str, principal: Annotated[Principal, Depends(require("token.write"))], scope: ScopeDep, uow: UowDep
) -> None:
    token = await service.revoke_token(uow, scope, token_id)
    await service.record_act(uow, principal, "token.write", token=token.id, revoked=True)
    await uow.commit()


class AuditOut(BaseModel):
    id: str
    at: datetime
    actor_id: str
    actor_name: str
    action: str
    outcome: Literal["allowed", "refused", "failed"]
    division_code: str
    detail: dict[str, Any]


@router.get("/audit")
async def list_audit(
    principal: Annotated[Principal, Depends(require("audit.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    q: Annotated[str, Field(max_length=100)] = "",
) -> PageOf[AuditOut]:
    found = await AccessRepository(uow.session).audit(scope, page, q)
    items = [AuditOut(**{name: getattr(entry, name) for name in AuditOut.model_fields}) for entry in found.items]
    return PageOf.of(found, items)


def _only(roles: list[Role], known: frozenset[Role]) -> None:
    for role in roles:
        if role not in known:
            raise Invalid(
                "invalid_value",
                field="roles",
                value=role,
                reason_zh="可选：" + "、".join(sorted(known)),
                reason_en="choose from " + ", ".join(sorted(known)),
            )
