"""Principals, roles, and the scope of rows that a principal may see."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from sqlalchemy import ColumnElement, and_, true

from chengnao.kernel.organisation.model import CITY, tier_of
from chengnao.kernel.vocabulary import Tier


class Role(StrEnum):
    """What a person or a machine does here; one may have several."""

    DUTY_OFFICER = "duty_officer"
    DISPATCHER = "dispatcher"
    HANDLER = "handler"
    VERIFIER = "verifier"
    STEWARD = "steward"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    DEVELOPER = "developer"
    GATEWAY = "gateway"
    REPORTER = "reporter"
    AGENT_CLIENT = "agent_client"
    READER = "reader"
    INTEGRATOR = "integrator"


MACHINE_ROLES = frozenset({Role.GATEWAY, Role.REPORTER, Role.AGENT_CLIENT, Role.READER, Role.INTEGRATOR})
_OWN_UNIT_ONLY = frozenset({Role.HANDLER, Role.REPORTER, Role.READER, Role.INTEGRATOR})
PERSON_ROLES = frozenset(Role) - MACHINE_ROLES


@dataclass(frozen=True)
class Principal:
    """Whoever asks: a person, a machine with a token, or the platform itself (`SYSTEM`)."""

    id: str
    name: str
    kind: Literal["user", "machine", "system"]
    roles: frozenset[Role]
    division_code: str
    unit_id: str | None = None
    demonstration: bool = False

    @property
    def tier(self) -> Tier:
        return tier_of(self.division_code)


SYSTEM = Principal("system", "系统", "system", frozenset(), CITY)
"""The platform acting by its own rules: it passes the walls, and every act of it is recorded under this name."""


@dataclass(frozen=True)
class Scope:
    """The rows a principal may see: those of one division and what lies in it, perhaps of one unit only."""

    division_code: str = CITY
    unit_id: str | None = None

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """A handler without a wider role, and a machine that reads, see the rows of the own unit where they have one;
        all others see their division."""
        if principal.kind == "system":
            return cls()
        own_unit_only = not principal.roles - _OWN_UNIT_ONLY
        return cls(principal.division_code, principal.unit_id if own_unit_only else None)

    def division_condition(self, column: Any) -> ColumnElement[bool]:
        """The condition on a column of division codes: a street's code begins with its district's."""
        if self.division_code == CITY:
            return true()
        condition: ColumnElement[bool] = column.startswith(self.division_code, autoescape=True)
        return condition

    def where(self, table: Any) -> ColumnElement[bool]:
        """The condition for a table with `division_code` and `unit_id`."""
        conditions = [self.division_condition(table.division_code)]
        if self.unit_id is not None:
            conditions.append(table.unit_id == self.unit_id)
        return and_(*conditions)


@dataclass(frozen=True)
class Resource:
    """The thing an action is about, as far as authorisation needs to know it."""

    division_code: str
    unit_id: str | None = None


@dataclass(frozen=True)
class User:
    """A person with an account."""

    id: str
    username: str
    display_name: str
    roles: frozenset[Role]
    division_code: str
    unit_id: str | None
    active: bool = True
    demonstration: bool = False

    @property
    def principal(self) -> Principal:
        return Principal(
            self.id, self.display_name, "user", self.roles, self.division_code, self.unit_id, self.demonstration
        )


@dataclass(frozen=True)
class Session:
    """A signed-in browser; `expires_at` is real time, since security does not live in an accelerated city."""

    user: User
    csrf_token: str
    expires_at: datetime


@dataclass(frozen=True)
class Token:
    """A machine's right to speak for one unit or division; the secret itself is shown once and never kept."""

    id: str
    name: str
    role: Role
    division_code: str
    unit_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: str | None = None
    """The person an agent client speaks for; in the API it has the few rights of a client all the same."""

    @property
    def principal(self) -> Principal:
        return Principal(self.id, self.name, "machine", frozenset({self.role}), self.division_code, self.unit_id)


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit record: sign-ins, refusals, and changes of accounts and tokens."""

    id: str
    at: datetime
    actor_id: str
    actor_name: str
    action: str
    outcome: Literal["allowed", "refused", "failed"]
    division_code: str
    unit_id: str | None
    detail: dict[str, Any] = field(default_factory=dict)
