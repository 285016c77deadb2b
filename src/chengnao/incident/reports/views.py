"""Reports as the API shows them: without personal details."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from chengnao.incident.catalogue import category_name
from chengnao.incident.names import Names
from chengnao.incident.reports.model import Channel, Report


class ReportOut(BaseModel):
    """`given_category`: what the reporter chose; `satisfaction`: 1 to 5."""

    id: str
    tracking_number: str
    incident_id: str
    channel: Channel
    channel_name: str
    content: str
    category: str
    category_name: str
    given_category: str | None
    confidence: float | None
    division_code: str
    division_name: str
    lon: float | None
    lat: float | None
    address: str
    received_at: datetime
    external_id: str | None
    odd: list[str]
    answer: str | None
    answered_at: datetime | None
    satisfaction: int | None
    comment: str | None

    @classmethod
    def of(cls, report: Report, names: Names) -> Self:
        derived = {
            "channel_name": report.channel.zh,
            "category_name": category_name(report.category),
            "division_name": names.division(report.division_code),
            "odd": list(report.odd),
        }
        plain = {name: getattr(report, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)
