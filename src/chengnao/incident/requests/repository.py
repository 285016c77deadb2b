"""SQL over requests for more time."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.requests.model import Kind, RequestState, TimeRequest
from chengnao.incident.tables import RequestRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository


class RequestRepository(Repository):
    async def add(self, request: TimeRequest) -> None:
        await self.session.execute(insert(RequestRow).values(**_plain(request)))

    async def save(self, request: TimeRequest) -> None:
        await self.session.execute(update(RequestRow).where(RequestRow.id == request.id).values(**_plain(request)))

    async def get(self, scope: Scope, request_id: str) -> TimeRequest | None:
        row = await self.session.scalar(
            select(RequestRow).where(RequestRow.id == request_id, scope.where(RequestRow)).with_for_update()
        )
        return None if row is None else _request(row)

    async def of_incident(self, incident_id: str) -> list[TimeRequest]:
        query = select(RequestRow).where(RequestRow.incident_id == incident_id).order_by(RequestRow.asked_at)
        return [_request(row) for row in await self.session.scalars(query.execution_options(populate_existing=True))]

    async def open_requests(self) -> list[str]:
        """The ids of all requests of the platform that wait for a decision."""
        query = select(RequestRow.id).where(RequestRow.state == RequestState.OPEN.value).order_by(RequestRow.decide_by)
        return list(await self.session.scalars(query))

    async def requests(self, scope: Scope, state: RequestState | None, request: PageRequest) -> Page[TimeRequest]:
        """Requests, those to be decided first by urgency."""
        query = select(RequestRow).where(scope.where(RequestRow))
        if state is not None:
            query = query.where(RequestRow.state == state.value)
        return (await self.page(query.order_by(RequestRow.decide_by, RequestRow.id), request)).map(_request)


def _plain(request: TimeRequest) -> dict[str, Any]:
    return asdict(request) | {"kind": request.kind.value, "state": request.state.value}


def _request(row: RequestRow) -> TimeRequest:
    values = {each.name: getattr(row, each.name) for each in fields(TimeRequest)}
    return TimeRequest(**values | {"kind": Kind(row.kind), "state": RequestState(row.state)})
