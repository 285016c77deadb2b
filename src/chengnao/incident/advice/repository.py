"""SQL over incidents by their words, over ended ones of a category, and over drafted answers."""

from collections.abc import Sequence
from dataclasses import asdict, fields

from sqlalchemy import Integer, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.advice.model import AnswerDraft
from chengnao.incident.advice.tables import AnswerDraftRow
from chengnao.incident.model import Incident, State, Task
from chengnao.incident.repository import FINAL, incident_of, task_of, visible
from chengnao.incident.tables import IncidentRow, ReportRow, TaskRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository, contains

_LOOKED_THROUGH = 5000
"""The newest incidents of the scope, among which words are looked for: a search box must not read a whole archive."""


class AdviceRepository(Repository):
    async def matching(
        self, scope: Scope, pieces: Sequence[str], limit: int, *, open_: bool | None = None
    ) -> list[tuple[Incident, int]]:
        """Incidents with most of the pieces in title, address or text, the newest of equals first; and how many."""
        if not pieces:
            return []
        row = IncidentRow
        newest = select(row.id).where(visible(scope))
        if open_ is not None:
            newest = newest.where(row.state.not_in(FINAL) if open_ else row.state.in_(FINAL))
        newest = newest.order_by(row.opened_at.desc()).limit(_LOOKED_THROUGH)
        text = func.concat_ws(" ", row.number, row.title, row.address, row.description)
        hits = sum((contains(text, piece).cast(Integer) for piece in pieces), literal(0))
        query = select(row, hits.label("hits")).where(row.id.in_(newest))
        query = query.where(or_(*(contains(text, piece) for piece in pieces)))
        query = query.order_by(hits.desc(), row.opened_at.desc(), row.id).limit(limit)
        return [(incident_of(each), count) for each, count in await self.session.execute(query)]

    async def by_number(self, scope: Scope, number: str) -> list[Incident]:
        """The incident of the number, or that of the report with it."""
        row = IncidentRow
        reported = select(ReportRow.incident_id).where(ReportRow.tracking_number == number)
        query = select(row).where(or_(row.number == number, row.id.in_(reported)), visible(scope))
        return [incident_of(each) for each in await self.session.scalars(query)]

    async def closed(self, scope: Scope, category: str, limit: int, apart_from: str = "") -> list[Incident]:
        """The incidents of the category that were closed last."""
        row = IncidentRow
        query = select(row).where(
            row.category == category, row.state == State.CLOSED.value, row.id != apart_from, visible(scope)
        )
        query = query.order_by(row.closed_at.desc(), row.id).limit(limit)
        return [incident_of(each) for each in await self.session.scalars(query)]

    async def results(self, incident_ids: Sequence[str]) -> dict[str, Task]:
        """Of each incident the last task that came to a result."""
        query = select(TaskRow).where(TaskRow.incident_id.in_(incident_ids), TaskRow.result.is_not(None))
        rows = await self.session.scalars(query.order_by(TaskRow.seq))
        return {row.incident_id: task_of(row) for row in rows}

    async def add_draft(self, draft: AnswerDraft) -> None:
        await self.session.execute(insert(AnswerDraftRow).values(**asdict(draft)))

    async def drafts_of(self, report_id: str) -> list[AnswerDraft]:
        """The drafted answers of a report, the newest first."""
        query = select(AnswerDraftRow).where(AnswerDraftRow.report_id == report_id)
        rows = await self.session.scalars(query.order_by(AnswerDraftRow.at.desc(), AnswerDraftRow.id.desc()))
        return [AnswerDraft(**{each.name: getattr(row, each.name) for each in fields(AnswerDraft)}) for row in rows]
