"""Routes, their targets, providers and keys. Pure."""

from dataclasses import dataclass
from datetime import datetime

from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.vocabulary import DataClass, Named


class Kind(Named):
    """What a route can do."""

    CHAT = "chat", "对话", "chat"
    EMBEDDING = "embedding", "向量", "embedding"
    TRANSCRIPTION = "transcription", "转写", "transcription"


class Outcome(Named):
    """How a call ended."""

    DONE = "done", "完成", "done"
    INVALID = "invalid", "回答不合格式", "answer does not fit"
    FAILED = "failed", "失败", "failed"
    TOO_SLOW = "too_slow", "超时", "too slow"
    CUT = "cut", "中断", "cut"
    CANCELLED = "cancelled", "调用方离开", "caller went away"
    LOST = "lost", "未结清", "never settled"
    """The gateway died during the call: the worst case is counted."""


@dataclass(frozen=True)
class Target:
    """Where a call may go. Prices in micro-yuan, for 1,000 tokens or for a call.

    `source` is `provider:NAME`, `deployment:NAME` or `embedded:NAME`. `data` is the highest class it may see. Of the
    targets with the lowest `rank` one is chosen by `weight`; the others follow in the same way. `image_tokens` is
    what an image counts for before the vendor has said.
    """

    source: str
    model: str
    price_in: int = 0
    price_out: int = 0
    price_call: int = 0
    data: DataClass = DataClass.INTERNAL
    grade: str = "ungraded"
    seconds: float = 30.0
    rank: int = 1
    weight: int = 1
    image_tokens: int = 2_000

    @property
    def name(self) -> str:
        return f"{self.source}/{self.model}"

    def price(self, tokens_in: int, tokens_out: int) -> int:
        """Micro-yuan of one call, rounded up."""
        return self.price_call - (-(tokens_in * self.price_in + tokens_out * self.price_out) // 1000)


@dataclass(frozen=True)
class ModelRoute:
    """What callers name: a capability of some grade. `answer_tokens` is asked for where the caller names no bound."""

    name: str
    kind: Kind
    title: str
    targets: tuple[Target, ...] = ()
    seconds: float = 60.0
    answer_tokens: int = 2_048
    version: int = 1


@dataclass(frozen=True)
class Provider:
    """A vendor's OpenAI-compatible address; its secret is kept apart, sealed."""

    id: str
    name: str
    base_url: str
    enabled: bool
    has_secret: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Key:
    """A unit's right to call the gateway. `routes` None: all of them. `data`: the highest class it may send."""

    id: str
    name: str
    division_code: str
    unit_id: str | None
    routes: tuple[str, ...] | None
    data: DataClass
    hint: str
    """The end of the secret, to tell keys apart."""
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True)
class Caller:
    """On whose behalf a call is made; `key_id` is None for the platform itself."""

    division_code: str = CITY
    unit_id: str | None = None
    key_id: str | None = None
    purpose: str = ""
    trace: str = ""


RETENTION_DAYS = {DataClass.PUBLIC: 30, DataClass.INTERNAL: 7, DataClass.SENSITIVE: 0}
"""How long prompts and answers are kept where nobody has set it otherwise; 0 keeps none."""
