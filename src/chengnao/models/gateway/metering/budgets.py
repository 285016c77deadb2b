"""Budgets: what a unit, a division or a key may use in a minute, a day or a month. Pure.

Before a call its worst case is reserved, afterwards the truth is settled. A limit holds for what is spent and what is
reserved together, so that it is never passed, whatever happens to the calls under way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chengnao.kernel.clock import CST
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.vocabulary import DataClass, Named
from chengnao.models.gateway.model import Caller


class Period(Named):
    """A calendar period of the city (UTC+8)."""

    MINUTE = "minute", "分钟", "minute"
    DAY = "day", "日", "day"
    MONTH = "month", "月", "month"

    def start(self, at: datetime) -> datetime:
        """When the period began that `at` lies in."""
        local = at.astimezone(CST).replace(second=0, microsecond=0)
        if self is Period.DAY:
            local = local.replace(hour=0, minute=0)
        elif self is Period.MONTH:
            local = local.replace(day=1, hour=0, minute=0)
        return local.astimezone(at.tzinfo)

    def end(self, start: datetime) -> datetime:
        """When the period ends that began at `start`."""
        if self is Period.MINUTE:
            return start + timedelta(minutes=1)
        if self is Period.DAY:
            return start + timedelta(days=1)
        local = start.astimezone(CST)
        return (local + timedelta(days=32)).replace(day=1).astimezone(start.tzinfo)


@dataclass(frozen=True)
class Amount:
    """Requests, tokens and micro-yuan."""

    requests: int = 0
    tokens: int = 0
    money: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.requests + other.requests, self.tokens + other.tokens, self.money + other.money)

    def __neg__(self) -> "Amount":
        return Amount(-self.requests, -self.tokens, -self.money)


MEASURES = {"requests": ("次数", "requests"), "tokens": ("词元", "tokens"), "money": ("金额（微元）", "micro-yuan")}


@dataclass(frozen=True)
class Budget:
    """A limit on one of requests, tokens and money at least.

    For the key, where it names one; else for the unit; else for the division and all that lies in it. `route` None
    counts all routes together.
    """

    id: str
    name: str
    division_code: str
    unit_id: str | None
    key_id: str | None
    route: str | None
    period: Period
    requests: int | None
    tokens: int | None
    money: int | None

    def covers(self, caller: Caller, route: str) -> bool:
        if self.route is not None and self.route != route:
            return False
        if self.key_id is not None:
            return caller.key_id == self.key_id
        if self.unit_id is not None:
            return caller.unit_id == self.unit_id
        return self.division_code in ancestors(caller.division_code)


Window = tuple[str, datetime]
"""A budget's id and the start of one of its periods."""


@dataclass(frozen=True)
class Hold:
    """The worst case of a call, reserved: what its budgets must have room for. Times are real."""

    id: str
    request_id: str
    at: datetime
    expires_at: datetime
    caller: Caller
    route: str
    data: DataClass
    worst: Amount
    budgets: tuple[Budget, ...] = ()

    @property
    def windows(self) -> list[Window]:
        return [(each.id, each.period.start(self.at)) for each in self.budgets]


@dataclass(frozen=True)
class Use:
    """What one period of a budget has spent and reserved."""

    spent: Amount = Amount()
    reserved: Amount = Amount()


@dataclass(frozen=True)
class Refusal:
    """Why a hold has no room: which measure of which budget, and when to try again."""

    budget: Budget
    measure: str
    limit: int
    left: int
    wanted: int
    retry_after: int


@dataclass
class Decisions:
    """What becomes of holds that ask together."""

    granted: list[Hold] = field(default_factory=list)
    refused: dict[str, Refusal] = field(default_factory=dict)
    """By the hold's id."""
    reserved: dict[Window, Amount] = field(default_factory=dict)
    """What the granted ones add to each period."""


def decide(holds: Iterable[Hold], used: Mapping[Window, Use], now: datetime) -> Decisions:
    """Grant the holds one after another, as long as each of their budgets has room."""
    made = Decisions()
    for hold in holds:
        taken = {window: made.reserved.get(window, Amount()) for window in hold.windows}
        refusals = (
            _refusal(budget, window, used.get(window, Use()), taken[window], hold.worst, now)
            for budget, window in zip(hold.budgets, hold.windows, strict=True)
        )
        refusal = next((each for each in refusals if each is not None), None)
        if refusal is not None:
            made.refused[hold.id] = refusal
            continue
        made.granted.append(hold)
        made.reserved |= {window: amount + hold.worst for window, amount in taken.items()}
    return made


_SOON = 2
"""Seconds until calls under way have probably given back what they do not need."""


def _refusal(budget: Budget, window: Window, use: Use, taken: Amount, wanted: Amount, now: datetime) -> Refusal | None:
    for measure in MEASURES:
        limit: int | None = getattr(budget, measure)
        if limit is None:
            continue
        need: int = getattr(wanted, measure)
        spent: int = getattr(use.spent, measure)
        left = limit - spent - getattr(use.reserved, measure) - getattr(taken, measure)
        if need > left:
            until_next = max(1, -int(-(budget.period.end(window[1]) - now).total_seconds() // 1))
            wait = min(_SOON, until_next) if spent + need <= limit else until_next
            return Refusal(budget, measure, limit, max(left, 0), need, wait)
    return None


def covering(budgets: Sequence[Budget], caller: Caller, route: str) -> tuple[Budget, ...]:
    """The budgets that a call must fit in."""
    return tuple(each for each in budgets if each.covers(caller, route))
