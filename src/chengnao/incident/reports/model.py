"""A report and who made it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chengnao.kernel.vocabulary import Named


class Channel(Named):
    """By which way a report came in."""

    CITIZEN = "citizen", "市民自报", "citizens' page"
    HOTLINE = "hotline", "热线", "hotline"
    PATROL = "patrol", "巡查", "patrol"
    OPEN311 = "open311", "Open311", "Open311"
    IMPORT = "import", "批量导入", "import"
    LETTER = "letter", "来信", "letter"
    CALL = "call", "录音", "recorded call"
    MACHINE = "machine", "系统对接", "another system"


REOPENS_WITHIN = timedelta(days=30)
"""So long after the answer a reporter who is not content reopens the matter."""

TITLE_LENGTH = 40


@dataclass(frozen=True)
class Report:
    """What somebody told, without personal details."""

    id: str
    tracking_number: str
    incident_id: str
    channel: Channel
    content: str
    category: str
    given_category: str | None
    """What the reporter chose; kept although the matter may be of another category."""
    confidence: float | None
    """Of the classifier, where it chose the category."""
    division_code: str
    lon: float | None
    lat: float | None
    address: str
    received_at: datetime
    code_hash: str | None = None
    """Of the code that the reporter asks with."""
    external_id: str | None = None
    """Its number in the system it came from."""
    odd: tuple[str, ...] = ()
    """What was strange about it, as codes."""
    answer: str | None = None
    answered_at: datetime | None = None
    satisfaction: int | None = None
    """1 to 5."""
    comment: str | None = None
    rated_at: datetime | None = None


@dataclass(frozen=True)
class Contact:
    """Who reported, and the words as they were said; kept sealed."""

    name: str | None
    phone: str | None
    content: str


def title_of(content: str) -> str:
    """The beginning of what was told, on one line."""
    line = " ".join(content.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"
