"""Closed cases as training data: what people said, with the category that the case was closed in.

A case counts once it is closed, for only then have persons confirmed its category by handling it to the end.
"""

from datetime import datetime
from typing import Any

from chengnao.incident.case_repository import CaseRepository
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.models.training.sources import Source


async def closed_cases(
    uow: UnitOfWork, scope: Scope, since: datetime, until: datetime, limit: int
) -> list[dict[str, Any]]:
    """The newest reports of a period whose cases are closed; all reports of a case are one group."""
    division = None if scope == Scope() else scope.division_code
    told, _ = await CaseRepository(uow.session).told(division, since, until, limit)
    return [
        {"text": each.content, "label": each.final, "group": each.incident_id}
        for each in told
        if each.settled and each.content.strip()
    ]


SOURCE = Source(
    name="closed-cases",
    zh="已办结的诉求",
    en="closed cases",
    columns=("text", "label", "group"),
    action="report.read",
    rows=closed_cases,
)
