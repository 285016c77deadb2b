"""Requests for more time as the API shows them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from chengnao.incident.names import Names
from chengnao.incident.requests.model import Kind, RequestState, TimeRequest


class RequestOut(BaseModel):
    """`decider_code`: the division whose desk decides; `decision`: the reason given with it."""

    id: str
    incident_id: str
    kind: Kind
    kind_name: str
    state: RequestState
    state_name: str
    until: datetime
    reason: str
    division_code: str
    unit_id: str | None
    unit_name: str | None
    asked_by_name: str
    asked_at: datetime
    decide_by: datetime
    overdue: bool
    decider_code: str
    decider_name: str
    decided_by_name: str | None
    decided_at: datetime | None
    decision: str | None

    @classmethod
    def of(cls, request: TimeRequest, names: Names) -> Self:
        derived = {
            "kind_name": request.kind.zh,
            "state_name": request.state.zh,
            "unit_name": names.unit(request.unit_id),
            "overdue": request.state is RequestState.OPEN and request.decide_by < names.now,
            "decider_name": names.division(request.decider_code),
        }
        plain = {name: getattr(request, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)
