"""A review of what the city's own channels are about to publish, and the appeal against it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from chengnao.agents.general.review import Issue
from chengnao.kernel.vocabulary import Named


class ReviewState(Named):
    PASSED = "passed", "可以发布", "may be published"
    HELD = "held", "建议不发布", "better not published so"
    APPEALED = "appealed", "已申诉", "appealed"
    UPHELD = "upheld", "维持意见", "upheld"
    SET_ASIDE = "set_aside", "撤销意见", "set aside"


@dataclass(frozen=True)
class ContentReview:
    """One text that was reviewed."""

    id: str
    text: str
    channel: str
    ai_generated: bool
    passed: bool
    issues: tuple[Issue, ...]
    state: ReviewState
    asked_by: str
    asked_by_name: str
    at: datetime
    division_code: str
    unit_id: str | None
    appeal: str = ""
    appealed_at: datetime | None = None
    decision: str = ""
    decided_by: str | None = None
    decided_by_name: str | None = None
    decided_at: datetime | None = None
