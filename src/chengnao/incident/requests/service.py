"""Use cases of requests for more time. None of them commits."""

from dataclasses import replace
from datetime import datetime

from chengnao.incident.model import TRANSITIONS, Incident, State
from chengnao.incident.moves import Move
from chengnao.incident.requests.events import RequestAsked
from chengnao.incident.requests.model import Kind, RequestState, TimeRequest
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.service import apply, require_incident, tell
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.clock import city_text
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import ancestors


async def ask(
    uow: UnitOfWork, authority: Authority, actor: Principal, incident_id: str, kind: Kind, until: datetime, reason: str
) -> TimeRequest:
    """Ask for more time with an incident that the own unit is handling.

    A second request of the same kind is decided by the tier above. Raises Conflict where the incident is not being
    handled or a request is open already, Invalid where the time is not later than the present deadline.
    """
    incident = await require_incident(uow, Scope.of(actor), incident_id, lock=True)
    authority.require(actor, "request.create", Resource(incident.division_code, incident.unit_id))
    if incident.state is not State.ACCEPTED:
        raise Conflict("request_not_possible", state=incident.state.zh, state_en=incident.state.en)
    now = uow.clock.now()
    if not reason.strip():
        raise Invalid("incident_action_needs", field="reason", action=kind.zh, action_en=kind.en)
    earliest = max(now, incident.due_at or now) if kind is Kind.EXTENSION else now
    if until <= earliest:
        raise Invalid("request_too_early", field="until", value=city_text(until), earliest=city_text(earliest))
    repository = RequestRepository(uow.session)
    before = await repository.of_incident(incident.id)
    if any(each.state is RequestState.OPEN for each in before):
        raise Conflict("request_open_already")
    again = any(each.kind is kind and each.state is RequestState.GRANTED for each in before)
    rulebook = await Rulebook.load(uow)
    request = TimeRequest(
        id=new_id(),
        incident_id=incident.id,
        kind=kind,
        state=RequestState.OPEN,
        until=until,
        reason=reason.strip(),
        division_code=incident.division_code,
        unit_id=incident.unit_id,
        asked_by=actor.id,
        asked_by_name=actor.name,
        asked_at=now,
        decide_by=rulebook.due(incident.category, incident.grade, "request", now),
        decider_code=_decider(incident, again),
    )
    await repository.add(request)
    text = f"申请{kind.zh}至 {city_text(until)}：{request.reason}"
    await tell(uow, incident, text, _data(request), actor)
    uow.publish(
        RequestAsked(
            subject=request.id,
            division_code=request.division_code,
            unit_id=request.unit_id,
            incident_id=incident.id,
            kind=kind.value,
            decide_by=request.decide_by.isoformat(),
        )
    )
    return request


def _decider(incident: Incident, again: bool) -> str:
    chain = ancestors(incident.desk_code)
    return chain[1] if again and len(chain) > 1 else chain[0]


async def decide(
    uow: UnitOfWork, authority: Authority, actor: Principal, request_id: str, *, grant: bool, reason: str
) -> TimeRequest:
    """Grant the request, which extends or suspends at once, or refuse it with a reason.

    Raises Forbidden for whoever asked it or is not of the deciding desk or above, Conflict where it was decided or
    the incident has gone on.
    """
    repository = RequestRepository(uow.session)
    request = await repository.get(Scope.of(actor), request_id)
    if request is None:
        raise NotFound("not_found", kind="申请 request", id=request_id)
    authority.require(actor, "request.decide", Resource(request.division_code, request.unit_id))
    if actor.id == request.asked_by or actor.division_code not in ancestors(request.decider_code):
        raise Forbidden("forbidden", action="request.decide")
    if request.state is not RequestState.OPEN:
        raise Conflict("request_decided", state=request.state.zh, state_en=request.state.en)
    if not grant and not reason.strip():
        raise Invalid("incident_action_needs", field="reason", action="不同意", action_en="refuse")
    incident = await require_incident(uow, Scope(), request.incident_id, lock=True)
    now = uow.clock.now()
    if incident.state is not State.ACCEPTED or request.until <= now:
        state = RequestState.LAPSED
    else:
        state = RequestState.GRANTED if grant else RequestState.REFUSED
    decided = replace(request, state=state, decided_by_name=actor.name, decided_at=now, decision=reason.strip() or None)
    await repository.save(decided)
    if state is RequestState.GRANTED:
        row = TRANSITIONS[State.ACCEPTED, request.kind.action]
        why = f"同意{request.kind.zh}至 {city_text(request.until)}：{request.reason}"
        move = Move(request.kind.action, incident.version, reason=why, until=request.until)
        await apply(uow, actor, incident, row, move, _data(decided))
    else:
        text = f"{request.kind.zh}申请{state.zh}" + (f"：{reason.strip()}" if reason.strip() else "")
        await tell(uow, incident, text, _data(decided), actor)
    return decided


def _data(request: TimeRequest) -> dict[str, str]:
    return {
        "request": request.id,
        "request_kind": request.kind.value,
        "request_state": request.state.value,
        "until": request.until.isoformat(),
    }
