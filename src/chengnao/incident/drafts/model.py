"""A letter or a recording on its way to becoming a report. Pure."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from chengnao.incident.model import media_type_of
from chengnao.incident.reports.model import Channel
from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Named

FILE_LIMIT = 15 * 2**20
TEXT_LIMIT = 4000
"""As long as a report may be."""

READING_LIMITS: Mapping[Channel, timedelta] = {
    Channel.LETTER: timedelta(minutes=3),
    Channel.CALL: timedelta(minutes=20),
}
"""How long the machine may read one; longer, and a person types it in."""


class DraftState(Named):
    READING = "reading", "识别中", "being read"
    READY = "ready", "待核对", "to be checked"
    FAILED = "failed", "未能识别", "could not be read"
    CONFIRMED = "confirmed", "已转诉求", "made a report"
    DISCARDED = "discarded", "已作废", "discarded"

    @property
    def final(self) -> bool:
        return self in (DraftState.CONFIRMED, DraftState.DISCARDED)


@dataclass(frozen=True)
class Line:
    """A line of a letter, or what was said in one breath."""

    text: str
    confidence: float | None = None
    """0 to 1; None where the file itself held the text."""
    page: int | None = None
    start: float | None = None
    """Seconds into the recording."""


@dataclass(frozen=True)
class Reading:
    """What the machine read or heard."""

    lines: tuple[Line, ...]
    engine: str
    """`text`, `ocr` or `whisper`."""
    pages: int | None = None
    seconds: float | None = None

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def confidence(self) -> float | None:
        """The mean over all characters; None where nothing was guessed."""
        weighed = [(line.confidence, len(line.text)) for line in self.lines if line.confidence is not None]
        total = sum(size for _, size in weighed)
        return math.fsum(value * size for value, size in weighed) / total if total else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values | {"lines": tuple(Line(**line) for line in values["lines"])})


@dataclass(frozen=True)
class Draft:
    """What is known of it without opening what is sealed."""

    id: str
    channel: Channel
    state: DraftState
    digest: str
    """Of the file as it came in."""
    media_type: str
    size: int
    division_code: str
    unit_id: str | None
    created_by: str
    created_by_name: str
    created_at: datetime
    read_until: datetime | None = None
    """When a reading under way has failed, whatever became of it."""
    problem: dict[str, Any] | None = None
    """Why it could not be read: the code of an error and its parameters."""
    engine: str | None = None
    pages: int | None = None
    seconds: float | None = None
    confidence: float | None = None
    report_id: str | None = None
    ended_by_name: str | None = None
    ended_at: datetime | None = None
    version: int = 1

    def stalled(self, now: datetime) -> bool:
        """Whether a reading was begun and never ended."""
        return self.state is DraftState.READING and (self.read_until is None or now > self.read_until)


def media_type(channel: Channel, data: bytes) -> str:
    """What kind of file the bytes are; raises Invalid for what is neither a letter nor a recording."""
    if channel is Channel.LETTER:
        found = "application/pdf" if b"%PDF-" in data[:1024] else media_type_of(data)
        if found is None:
            raise Invalid("letter_form_unknown", field="file")
        return found
    found = audio_type_of(data)
    if found is None:
        raise Invalid("recording_form_unknown", field="file")
    return found


def audio_type_of(data: bytes) -> str | None:
    """The type of sound that the first bytes tell: WAV, MP3, AAC, Ogg, FLAC, MP4, WebM, AMR; None for other things."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[4:8] == b"ftyp":
        return "audio/mp4"
    if data[:3] == b"ID3" or (len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "audio/mpeg"
    if len(data) > 2 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return "audio/aac"
    starts = {b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"\x1aE\xdf\xa3": "audio/webm", b"#!AMR": "audio/amr"}
    return next((kind for start, kind in starts.items() if data.startswith(start)), None)
