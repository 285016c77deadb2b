"""SQL over reviews."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.model import Actor
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.review.model import Finding, Occasion, Review, ReviewState
from chengnao.review.tables import ReviewIncidentRow, ReviewRow


class ReviewRepository(Repository):
    async def add(self, review: Review) -> None:
        await self.session.execute(insert(ReviewRow).values(**_plain(review)))
        await self._put_incidents(review)

    async def save(self, review: Review) -> None:
        await self.session.execute(update(ReviewRow).where(ReviewRow.id == review.id).values(**_plain(review)))
        await self._put_incidents(review)

    async def _put_incidents(self, review: Review) -> None:
        row = ReviewIncidentRow
        await self.session.execute(delete(row).where(row.review_id == review.id))
        rows = [
            {"review_id": review.id, "incident_id": each, "seq": number}
            for number, each in enumerate(review.incident_ids, start=1)
        ]
        await self.session.execute(insert(row), rows)

    async def get(self, scope: Scope, review_id: str, *, lock: bool = False) -> Review | None:
        query = select(ReviewRow).where(ReviewRow.id == review_id, scope.where(ReviewRow))
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        return await self._one(query)

    async def open_with(self, incident_ids: Sequence[str], occasion: Occasion | None = None) -> Review | None:
        """The oldest open review that looks at one of the incidents, perhaps for that occasion; locked."""
        among = select(ReviewIncidentRow.review_id).where(ReviewIncidentRow.incident_id.in_(incident_ids))
        query = select(ReviewRow).where(ReviewRow.state == ReviewState.OPEN.value, ReviewRow.id.in_(among))
        if occasion is not None:
            query = query.where(ReviewRow.occasions.contains([occasion.value]))
        query = query.order_by(ReviewRow.opened_at, ReviewRow.id).limit(1).with_for_update()
        return await self._one(query.execution_options(populate_existing=True))

    async def reviews(
        self, scope: Scope, state: ReviewState | None, incident_id: str | None, request: PageRequest
    ) -> Page[Review]:
        """Reviews, the newest first."""
        query = select(ReviewRow).where(scope.where(ReviewRow))
        if state is not None:
            query = query.where(ReviewRow.state == state.value)
        if incident_id is not None:
            query = query.where(
                ReviewRow.id.in_(
                    select(ReviewIncidentRow.review_id).where(ReviewIncidentRow.incident_id == incident_id)
                )
            )
        page = await self.page(query.order_by(ReviewRow.opened_at.desc(), ReviewRow.id.desc()), request)
        incidents = await self._incidents([row.id for row in page.items])
        return page.map(lambda row: _review(row, incidents[row.id]))

    async def _one(self, query: Any) -> Review | None:
        row = await self.session.scalar(query)
        return None if row is None else _review(row, (await self._incidents([row.id]))[row.id])

    async def _incidents(self, review_ids: Sequence[str]) -> dict[str, list[str]]:
        row = ReviewIncidentRow
        query = select(row.review_id, row.incident_id).where(row.review_id.in_(review_ids)).order_by(row.seq)
        found: defaultdict[str, list[str]] = defaultdict(list)
        for review_id, incident_id in await self.session.execute(query):
            found[review_id].append(incident_id)
        return found


def _plain(review: Review) -> dict[str, Any]:
    values = asdict(review)
    del values["incident_ids"]
    return values | {
        "state": review.state.value,
        "occasions": [each.value for each in review.occasions],
        "causes": [_written(each) for each in review.causes],
        "lessons": [_written(each) for each in review.lessons],
    }


def _written(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"at": finding.at.isoformat()}


def _finding(value: dict[str, Any]) -> Finding:
    return Finding(**value | {"at": datetime.fromisoformat(value["at"])})


def _review(row: ReviewRow, incident_ids: Sequence[str]) -> Review:
    return Review(
        id=row.id,
        number=row.number,
        title=row.title,
        state=ReviewState(row.state),
        occasions=tuple(Occasion(each) for each in row.occasions),
        incident_ids=tuple(incident_ids),
        division_code=row.division_code,
        unit_id=row.unit_id,
        opened_at=row.opened_at,
        opened_by=Actor(**row.opened_by),
        causes=tuple(_finding(each) for each in row.causes),
        lessons=tuple(_finding(each) for each in row.lessons),
        finished_at=row.finished_at,
        finished_by=Actor(**row.finished_by) if row.finished_by else None,
        version=row.version,
    )
