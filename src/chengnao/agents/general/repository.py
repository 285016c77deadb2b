"""SQL over content reviews."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.agents.general.model import ContentReview, ReviewState
from chengnao.agents.general.review import Issue
from chengnao.agents.general.tables import ContentReviewRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository


class ContentReviewRepository(Repository):
    async def add(self, review: ContentReview) -> None:
        await self.session.execute(insert(ContentReviewRow).values(**_plain(review)))

    async def save(self, review: ContentReview) -> None:
        statement = update(ContentReviewRow).where(ContentReviewRow.id == review.id)
        await self.session.execute(statement.values(**_plain(review)))

    async def get(self, scope: Scope, review_id: str, *, lock: bool = False) -> ContentReview | None:
        query = select(ContentReviewRow).where(ContentReviewRow.id == review_id, scope.where(ContentReviewRow))
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else _review(row)

    async def reviews(self, scope: Scope, state: ReviewState | None, request: PageRequest) -> Page[ContentReview]:
        """Reviews of the scope, the newest first."""
        query = select(ContentReviewRow).where(scope.where(ContentReviewRow))
        if state is not None:
            query = query.where(ContentReviewRow.state == state.value)
        page = await self.page(query.order_by(ContentReviewRow.at.desc(), ContentReviewRow.id), request)
        return page.map(_review)


def _plain(review: ContentReview) -> dict[str, Any]:
    return asdict(review) | {"state": review.state.value, "issues": {"of": [vars(each) for each in review.issues]}}


def _review(row: ContentReviewRow) -> ContentReview:
    values = {each.name: getattr(row, each.name) for each in fields(ContentReview)}
    issues = tuple(Issue(**each) for each in row.issues["of"])
    return ContentReview(**values | {"state": ReviewState(row.state), "issues": issues})
