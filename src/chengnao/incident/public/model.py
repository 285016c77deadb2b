"""Citizens as the platform sees them, what they are shown of their report, and how often they may ask. Pure."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chengnao.incident.model import OPEN, Action, Incident, State, TimelineEntry
from chengnao.incident.reports.model import Report
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.errors import TooMany
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.vocabulary import Named

CITIZEN = Principal("citizen", "市民", "machine", frozenset({Role.REPORTER}), CITY)
"""Whoever reports without an account: may hand in reports in the whole city, and nothing else."""


class Standing(Named):
    """Where a report stands, in words for the one who made it."""

    WAITING = "waiting", "已收到，尚未受理", "received, not taken up yet"
    ASSIGNED = "assigned", "已分派，等待单位签收", "given to a unit, not accepted yet"
    HANDLING = "handling", "处置中", "being handled"
    SUSPENDED = "suspended", "暂缓办理", "put on hold"
    CHECKING = "checking", "已处置，正在核查", "handled, being checked"
    ANSWERED = "answered", "已办结并答复", "closed and answered"
    DISMISSED = "dismissed", "不予受理，已说明理由", "not taken up, the reason is given"


_STANDINGS = {
    State.NEW: Standing.WAITING,
    State.RETURNED: Standing.WAITING,
    State.DISPUTED: Standing.WAITING,
    State.DISPATCHED: Standing.ASSIGNED,
    State.ACCEPTED: Standing.HANDLING,
    State.SUSPENDED: Standing.SUSPENDED,
    State.HANDLED: Standing.CHECKING,
    State.VERIFIED: Standing.CHECKING,
    State.CLOSED: Standing.ANSWERED,
    State.DISMISSED: Standing.DISMISSED,
    State.MERGED: Standing.WAITING,
}

_STEPS: dict[str, tuple[str, str]] = {
    Action.DISPATCH: ("分派给办理单位", "given to a unit"),
    Action.ACCEPT: ("单位已签收", "accepted by the unit"),
    Action.RETURN: ("单位退回，重新分派", "returned by the unit, to be given to another"),
    Action.DISPUTE: ("职责有争议，报上级裁定", "in dispute, put to the upper tier"),
    Action.SETTLE: ("上级已裁定办理单位", "the upper tier has settled who handles it"),
    Action.SUSPEND: ("暂缓办理", "put on hold"),
    Action.RESUME: ("恢复办理", "taken up again"),
    Action.EXTEND: ("办理期限延长", "more time was given"),
    Action.HANDLE: ("处置完成，等待核查", "handled, to be checked"),
    Action.REWORK: ("核查未通过，返工", "did not pass the check, sent back"),
    Action.VERIFY: ("核查通过", "passed the check"),
    Action.CLOSE: ("办结", "closed"),
    Action.ANSWER: ("直接答复", "answered at once"),
    Action.DISMISS: ("不予受理", "not taken up"),
    Action.REOPEN: ("重新办理", "opened again"),
    Action.MERGE: ("与反映同一问题的诉求合并办理", "joined with reports of the same matter"),
    Action.UNMERGE: ("恢复单独办理", "handled by itself again"),
    Action.URGE: ("已催办", "urged"),
}
"""The steps that a citizen is shown; the words of those who took them stay inside."""


@dataclass(frozen=True)
class Step:
    """Something that was done about the report."""

    at: datetime
    action: str
    name: str
    name_en: str
    unit_id: str | None = None


@dataclass(frozen=True)
class Progress:
    """The whole truth about a report, less everything personal."""

    report: Report
    standing: Standing
    unit_id: str | None
    due_at: datetime | None
    overdue: bool
    answer: str | None
    others: int
    """Other reports of the same matter."""
    reopened: bool
    steps: tuple[Step, ...]


def progress(
    report: Report, incident: Incident, others: int, timelines: Sequence[Sequence[TimelineEntry]], now: datetime
) -> Progress:
    """Where the report stands: `incident` is the one that it is handled under now.

    `timelines` are those of the incidents that it went through, the first one first; of the later ones it is shown all,
    also what was done before it came.
    """
    steps = [Step(report.received_at, OPEN, "收到诉求", "report received")]
    for entries in timelines:
        for entry in entries:
            if (words := _STEPS.get(entry.action)) is not None:
                steps.append(Step(entry.at, entry.action, *words, _unit_of(entry)))
    standing = _STANDINGS[incident.state]
    due_at = None if incident.state.final or incident.state is State.SUSPENDED else incident.close_by or incident.due_at
    return Progress(
        report=report,
        standing=standing,
        unit_id=incident.unit_id if standing is not Standing.WAITING else None,
        due_at=due_at,
        overdue=due_at is not None and now > due_at,
        answer=mask(report.answer) if report.answer else None,
        others=others,
        reopened=incident.reopened > 0,
        steps=tuple(sorted(steps, key=lambda step: step.at)),
    )


def _unit_of(entry: TimelineEntry) -> str | None:
    unit_id = entry.data.get("unit_id")
    return unit_id if isinstance(unit_id, str) and entry.action in (Action.DISPATCH, Action.ACCEPT) else None


class Buckets:
    """For each key a bucket of `burst` tokens that fills by `burst` in `seconds`; the keys least used are forgotten."""

    def __init__(
        self, burst: int, seconds: float, *, keys: int = 50_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._seconds = seconds
        self._keys = keys
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Return where the key has a token; raises TooMany with the time until it has."""
        level = self._level(key)
        if level < 1:
            wait = (1 - level) * self._seconds / self._burst
            raise TooMany("public_too_many", retry_after=int(wait) + 1)

    def take(self, key: str) -> None:
        """Take one token of the key; raises TooMany where there is none."""
        self.check(key)
        self._levels[key] = (self._level(key) - 1, self._now())
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)

    def _level(self, key: str) -> float:
        level, at = self._levels.get(key, (float(self._burst), self._now()))
        return min(self._burst, level + (self._now() - at) * self._burst / self._seconds)


def address_key(host: str | None) -> str:
    """What counts as one sender: an IPv4 address, or the /64 network of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
