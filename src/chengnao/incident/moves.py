"""What an action makes of an incident. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chengnao.incident.catalogue import category
from chengnao.incident.model import Action, Incident, Transition
from chengnao.incident.rulebook import Rulebook
from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.places import Place


@dataclass(frozen=True)
class Move:
    """An action and all that the actor gives with it."""

    action: Action
    version: int
    """The version that the actor has seen."""
    reason: str = ""
    reason_code: str | None = None
    unit_id: str | None = None
    assist_unit_ids: Sequence[str] = ()
    category: str | None = None
    division_code: str | None = None
    result: str = ""
    photo_ids: Sequence[str] = ()
    place: Place | None = None
    until: datetime | None = None
    """To when an extension or a suspension goes."""
    escalation: int = 0
    """Set where the platform itself urges."""


def after_move(
    rulebook: Rulebook, before: Incident, row: Transition, move: Move, actor: Principal, now: datetime
) -> Incident:
    """The incident after the row was taken, with its new times."""
    version = before.version + 1
    if not row.moves:
        urged = before.urged + (row.action is Action.URGE)
        return replace(before, version=version, urged=urged, escalation=max(before.escalation, move.escalation))
    after = _facts(before, row.action, move, actor)
    due_at = rulebook.state_due(after.category, after.grade, row.target, now)
    after = replace(
        after, state=row.target, version=version, entry=version, entered_at=now, due_at=due_at, escalation=0
    )
    match row.action:
        case Action.DISPATCH | Action.SETTLE:
            return replace(after, accept_by=due_at, dispatched_at=before.dispatched_at or now)
        case Action.ACCEPT | Action.REWORK:
            return replace(after, handle_by=due_at, verify_by=None, handled_at=None)
        case Action.HANDLE:
            return replace(after, verify_by=due_at, handled_at=now)
        case Action.EXTEND:
            assert move.until is not None
            later = max(move.until - (before.due_at or move.until), timedelta())
            close_by = None if before.close_by is None else before.close_by + later
            return replace(after, due_at=move.until, handle_by=move.until, close_by=close_by)
        case Action.SUSPEND:
            left = rulebook.left(before.category, before.grade, now, before.due_at or now)
            return replace(after, due_at=move.until, handle_by=None, left_seconds=left)
        case Action.RESUME:
            due = rulebook.resumed(before.category, before.grade, now, before.left_seconds or 0.0)
            close_by = None if before.close_by is None else before.close_by + (now - before.entered_at)
            return replace(after, due_at=due, handle_by=due, close_by=close_by, left_seconds=None)
        case Action.VERIFY:
            return replace(after, verified_at=now)
        case Action.CLOSE | Action.DISMISS | Action.ANSWER:
            return replace(after, closed_at=now, closed_at_intake=row.action is Action.ANSWER)
        case Action.REOPEN:
            close_by = rulebook.due(after.category, after.grade, "whole", now)
            again = replace(after, handled_at=None, verified_at=None, closed_at=None)
            return replace(again, close_by=close_by, reopened=before.reopened + 1)
        case Action.RECATEGORISE:
            return replace(after, close_by=rulebook.due(after.category, after.grade, "whole", before.opened_at))
        case _:
            return after


def _facts(before: Incident, action: Action, move: Move, actor: Principal) -> Incident:
    """The incident with what the action says of it, its times apart."""
    match action:
        case Action.DISPATCH | Action.SETTLE:
            return replace(_let_go(before), unit_id=move.unit_id, binding=action is Action.SETTLE)
        case Action.ACCEPT:
            return replace(before, assignee_id=actor.id, assignee_name=actor.name)
        case Action.HANDLE:
            return replace(before, handled_by=actor.id)
        case Action.RETURN:
            return replace(_let_go(before), returns=before.returns + 1)
        case Action.RECATEGORISE:
            kind = category(move.category or "")
            return replace(_let_go(before), category=kind.code, grade=min(before.grade, kind.grade))
        case Action.HAND_UP:
            return replace(_let_go(before), desk_code=ancestors(before.desk_code)[1])
        case Action.HAND_DOWN:
            assert move.division_code is not None
            deeper = before.division_code in ancestors(move.division_code)
            division_code = move.division_code if deeper else before.division_code
            return replace(_let_go(before), desk_code=move.division_code, division_code=division_code)
        case Action.REOPEN:
            return replace(_let_go(before), closed_at_intake=False, returns=0, binding=False)
        case _:
            return before


def _let_go(incident: Incident) -> Incident:
    """No unit holds it."""
    return replace(
        incident,
        unit_id=None,
        accept_by=None,
        handle_by=None,
        verify_by=None,
        assignee_id=None,
        assignee_name=None,
        handled_by=None,
    )
