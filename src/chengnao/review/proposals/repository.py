"""SQL over proposals and the cases of their replays."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.model import Actor
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, batched
from chengnao.review.proposals.changes import ProposalKind, change_of
from chengnao.review.proposals.model import Case, Decision, Origin, Proposal, ProposalState, Replay, Span
from chengnao.review.proposals.tables import ProposalCaseRow, ProposalRow


class ProposalRepository(Repository):
    async def add(self, proposal: Proposal) -> bool:
        """False where there is an undecided one from the same pattern."""
        statement = insert(ProposalRow).values(**_plain(proposal)).on_conflict_do_nothing()
        return (await self.session.scalar(statement.returning(ProposalRow.id))) is not None

    async def save(self, proposal: Proposal) -> None:
        await self.session.execute(update(ProposalRow).where(ProposalRow.id == proposal.id).values(**_plain(proposal)))

    async def tell_progress(self, proposal_id: str, progress: Mapping[str, int] | None) -> None:
        await self.session.execute(update(ProposalRow).where(ProposalRow.id == proposal_id).values(progress=progress))

    async def get(self, scope: Scope, proposal_id: str, *, lock: bool = False) -> Proposal | None:
        query = select(ProposalRow).where(
            ProposalRow.id == proposal_id, scope.division_condition(ProposalRow.division_code)
        )
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else _proposal(row)

    async def proposals(
        self,
        scope: Scope,
        request: PageRequest,
        *,
        state: ProposalState | None = None,
        kind: ProposalKind | None = None,
        origin: Origin | None = None,
        review_id: str | None = None,
    ) -> Page[Proposal]:
        """Proposals, the newest first."""
        query = select(ProposalRow).where(scope.division_condition(ProposalRow.division_code))
        for column, value in (
            (ProposalRow.state, state),
            (ProposalRow.kind, kind),
            (ProposalRow.origin, origin),
            (ProposalRow.review_id, review_id),
        ):
            if value is not None:
                query = query.where(column == str(value))
        query = query.order_by(ProposalRow.made_at.desc(), ProposalRow.id.desc())
        return (await self.page(query, request)).map(_proposal)

    async def last_of_pattern(self, pattern: str) -> tuple[ProposalState, datetime] | None:
        """State of the newest proposal from the pattern, and when it was decided, else made."""
        row = ProposalRow
        query = select(row).where(row.pattern == pattern).order_by(row.made_at.desc()).limit(1)
        found = await self.session.scalar(query)
        if found is None:
            return None
        proposal = _proposal(found)
        last = proposal.withdrawal or proposal.decision
        return proposal.state, last.at if last else proposal.made_at

    async def put_cases(self, proposal_id: str, cases: Sequence[Case]) -> None:
        """Keep the cases of the last replay in the place of those of the one before."""
        row = ProposalCaseRow
        await self.session.execute(delete(row).where(row.proposal_id == proposal_id))
        rows = [
            asdict(case) | {"proposal_id": proposal_id, "seq": number, "detail": dict(case.detail)}
            for number, case in enumerate(cases, start=1)
        ]
        for part in batched(rows, 2_000):
            await self.session.execute(insert(row), part)

    async def cases(self, scope: Scope, proposal_id: str, outcome: str | None, request: PageRequest) -> Page[Case]:
        """The cases of the last replay that lie in the scope, in their order."""
        row = ProposalCaseRow
        query = select(row).where(row.proposal_id == proposal_id, scope.where(row))
        if outcome is not None:
            query = query.where(row.outcome == outcome)
        page = await self.page(query.order_by(row.seq), request)
        return page.map(_case)


def _plain(proposal: Proposal) -> dict[str, Any]:
    return {
        "id": proposal.id,
        "number": proposal.number,
        "kind": proposal.kind.value,
        "change": proposal.change.model_dump(mode="json"),
        "about": proposal.about,
        "key": proposal.key,
        "reason": proposal.reason,
        "origin": proposal.origin.value,
        "pattern": proposal.pattern,
        "state": proposal.state.value,
        "author": asdict(proposal.author),
        "division_code": proposal.division_code,
        "target_code": proposal.target_code,
        "made_at": proposal.made_at,
        "review_id": proposal.review_id,
        "replay": proposal.replay and _replay_values(proposal.replay),
        "progress": proposal.progress,
        "decision": _decided(proposal.decision),
        "before": proposal.before,
        "after": proposal.after,
        "withdrawal": _decided(proposal.withdrawal),
        "version": proposal.version,
    }


def _replay_values(replay: Replay) -> dict[str, Any]:
    return {
        "since": replay.span.since.isoformat(),
        "until": replay.span.until.isoformat(),
        "at": replay.at.isoformat(),
        "basis": replay.basis,
        "counts": dict(replay.counts),
        "detail": dict(replay.detail),
        "total": replay.total,
        "looked_at": replay.looked_at,
        "notes": list(replay.notes),
    }


def _replay(values: dict[str, Any]) -> Replay:
    return Replay(
        span=Span(datetime.fromisoformat(values["since"]), datetime.fromisoformat(values["until"])),
        at=datetime.fromisoformat(values["at"]),
        **{name: values[name] for name in ("basis", "counts", "detail", "total", "looked_at", "notes")},
    )


def _decided(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {"actor": asdict(decision.actor), "at": decision.at.isoformat(), "reason": decision.reason}


def _decision(values: dict[str, Any] | None) -> Decision | None:
    if values is None:
        return None
    return Decision(Actor(**values["actor"]), datetime.fromisoformat(values["at"]), values["reason"])


def _proposal(row: ProposalRow) -> Proposal:
    return Proposal(
        id=row.id,
        number=row.number,
        kind=ProposalKind(row.kind),
        change=change_of(row.change),
        about=row.about,
        key=row.key,
        reason=row.reason,
        origin=Origin(row.origin),
        pattern=row.pattern,
        state=ProposalState(row.state),
        author=Actor(**row.author),
        division_code=row.division_code,
        target_code=row.target_code,
        made_at=row.made_at,
        review_id=row.review_id,
        replay=_replay(row.replay) if row.replay else None,
        progress=row.progress,
        decision=_decision(row.decision),
        before=row.before,
        after=row.after,
        withdrawal=_decision(row.withdrawal),
        version=row.version,
    )


def _case(row: ProposalCaseRow) -> Case:
    return Case(**{each.name: getattr(row, each.name) for each in fields(Case)})
