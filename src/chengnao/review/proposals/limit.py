"""Proposals that set a time limit: replayed on how long the step took in the past, in the working calendar."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chengnao.incident.case_repository import CaseRepository
from chengnao.incident.catalogue import category, category_name, default_limits
from chengnao.incident.limits.service import delete_limit, put_limit
from chengnao.incident.model import Action, Incident, State
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import ANY, Step
from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.calendar import Amount, WorkingCalendar, parse_amount
from chengnao.kernel.calendar_days.service import load_calendar
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.review.proposals.changes import LimitChange
from chengnao.review.proposals.kinds import MOST_CASES, Outcome, Tools, case_of
from chengnao.review.proposals.model import Case, Measure, Span, Target, Thing
from chengnao.review.stays import Stay, stays

STEP_NAMES: dict[Step, str] = {
    "dispatch": "分拨",
    "accept": "签收",
    "handle": "处置",
    "verify": "核查",
    "close": "办结",
    "settle": "裁定",
    "request": "审批",
    "whole": "全程",
}


@dataclass(frozen=True)
class Took:
    """How long a step took in one past case."""

    since: datetime
    until: datetime | None
    """None where it lasts."""
    paused: bool = False
    """It was suspended in between, so that its length says nothing."""


def judge(took: Took, calendar: WorkingCalendar, was: Amount, would: Amount, now: datetime) -> str:
    """`late` or `on_time` under both limits, `becomes_late` or `becomes_on_time` under the new one alone.

    `running`: it lasts, and is late under neither. `paused`: it was suspended, and is not judged.
    """
    if took.paused:
        return "paused"
    end = took.until or now
    before, after = end > calendar.after(took.since, was), end > calendar.after(took.since, would)
    if took.until is None and not (before or after):
        return "running"
    if before == after:
        return "late" if after else "on_time"
    return "becomes_late" if after else "becomes_on_time"


def took(step: Step, incident: Incident, all_stays: Iterable[Stay]) -> list[Took]:
    """How long the step took, as often as it was taken: what was extended counts as one, from its beginning."""
    if step == "whole":
        paused = any(stay.state is State.SUSPENDED for stay in all_stays)
        return [Took(incident.opened_at, incident.closed_at, paused)]
    found: list[Took] = []
    for stay in all_stays:
        handling = step == "handle" and stay.state in (State.ACCEPTED, State.SUSPENDED)
        if handling and found and stay.begun_by in (Action.EXTEND, Action.SUSPEND, Action.RESUME):
            found[-1] = Took(found[-1].since, stay.until, found[-1].paused or stay.begun_by != Action.EXTEND)
        elif stay.step == step:
            found.append(Took(stay.since, stay.until))
    return found


class LimitKind:
    """Sets a time limit of the city, or drops it."""

    action = "limit.write"

    async def target(self, uow: UnitOfWork, change: LimitChange) -> Target:
        if change.category != ANY:
            category(change.category)
        if change.amount is not None:
            parse_amount(change.amount)
        if await self.current(uow, change) == self._thing(change):
            raise Invalid("proposal_changes_nothing", field="change")
        kind = "各类别" if change.category == ANY else category_name(change.category)
        amount = "恢复平台缺省" if change.amount is None else f"改为 {parse_amount(change.amount).zh}"
        about = f"{kind} {change.grade} 级事件的{STEP_NAMES[change.step]}时限{amount}"
        return Target(f"limit:{change.category}:{change.grade}:{change.step}", CITY, about)

    @staticmethod
    def _thing(change: LimitChange) -> Thing:
        return None if change.amount is None else {"amount": str(parse_amount(change.amount))}

    async def current(self, uow: UnitOfWork, change: LimitChange) -> Thing:
        own = await IncidentRepository(uow.session).own_limits()
        amount = own.get((change.category, change.grade, change.step))
        return None if amount is None else {"amount": str(amount)}

    async def replay(self, uow: UnitOfWork, change: LimitChange, span: Span, tools: Tools) -> Outcome:
        own, calendar = await IncidentRepository(uow.session).own_limits(), await load_calendar(uow)
        would = dict(own)
        would.pop((change.category, change.grade, change.step), None)
        if change.amount is not None:
            would[change.category, change.grade, change.step] = parse_amount(change.amount)
        now, cases, seen = uow.clock.now(), list[Case](), 0
        past, total = await self._past(uow, change, span)
        for incident, each in past:
            was_limit, would_limit = (_limit(limits, incident, change.step) for limits in (own, would))
            if was_limit == would_limit:
                continue  # a limit of its own category holds
            seen += 1
            outcome = judge(each, calendar, was_limit, would_limit, now)
            detail = {
                "since": each.since.isoformat(),
                "until": each.until and each.until.isoformat(),
                "due_was": calendar.after(each.since, was_limit).isoformat(),
                "due_would": calendar.after(each.since, would_limit).isoformat(),
            }
            cases.append(case_of(incident, outcome, each.since, detail))
        counts = Counter(each.outcome for each in cases)
        judged = [each for each in cases if each.outcome not in ("paused", "running")]
        figures = {
            "on_time_was": counts["on_time"] + counts["becomes_late"],
            "on_time_would": counts["on_time"] + counts["becomes_on_time"],
            "judged": len(judged),
        }
        notes = ("按事件现在的类别和等级回放；挂起过的环节不判",)
        return Outcome(cases, dict(counts), total, seen, figures, notes)

    async def _past(self, uow: UnitOfWork, change: LimitChange, span: Span) -> tuple[list[tuple[Incident, Took]], int]:
        repository = CaseRepository(uow.session)
        wanted = None if change.category == ANY else change.category
        if change.step == "request":
            asked = await repository.requests(wanted, change.grade, span.since, span.until, MOST_CASES)
            return [(incident, Took(since, until)) for incident, since, until in asked], len(asked)
        logs, total = await repository.logs(wanted, change.grade, span.since, span.until, MOST_CASES)
        pairs = [(incident, each) for incident, log in logs for each in took(change.step, incident, stays(log))]
        return pairs, total

    async def apply(self, uow: UnitOfWork, actor: Principal, change: LimitChange) -> None:
        if change.amount is None:
            await delete_limit(uow, change.category, change.grade, change.step)
        else:
            await put_limit(uow, change.category, change.grade, change.step, change.amount)
        await record_act(uow, actor, self.action, **change.model_dump(exclude={"kind"}))

    async def restore(self, uow: UnitOfWork, actor: Principal, change: LimitChange, before: Thing) -> None:
        await self.apply(uow, actor, change.model_copy(update={"amount": before["amount"] if before else None}))

    async def measures(self, uow: UnitOfWork, change: LimitChange, span: Span) -> list[Measure]:
        """The share of steps that ended or ran late in the period, by the limits that then were in force."""
        wanted = None if change.category == ANY else change.category
        late = known = 0
        logs, _ = await CaseRepository(uow.session).logs(wanted, change.grade, span.since, span.until, MOST_CASES)
        for incident, log in logs:
            for due, end in _ends(change.step, incident, stays(log)):
                known += end is not None or due < span.until
                late += (end or span.until) > due
        return [Measure("late", "超时率", "share late", late, known)]


def _ends(step: Step, incident: Incident, all_stays: Iterable[Stay]) -> list[tuple[datetime, datetime | None]]:
    if step == "whole":
        return [(incident.close_by, incident.closed_at)] if incident.close_by else []
    return [(stay.due_at, stay.until) for stay in all_stays if stay.step == step and stay.due_at is not None]


def _limit(own: dict[tuple[str, int, str], Amount], incident: Incident, step: Step) -> Amount:
    for key in ((incident.category, incident.grade, step), (ANY, incident.grade, step)):
        if key in own:
            return own[key]
    return default_limits()[incident.grade][step]
