"""What tools see on a photo and hear in a recording that somebody sent: counts, quality, words; never who it is."""

from typing import Annotated

from pydantic import BaseModel, Field

from chengnao.agents.tools import Call
from chengnao.incident.drafts.reader import Reader
from chengnao.incident.drafts.service import file_of, require_draft
from chengnao.incident.photos import photo_path, require_photo
from chengnao.incident.reports.model import Channel
from chengnao.kernel.apart import run_apart
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.privacy.model import mask
from chengnao.models.embedded.snapshot import Quality, density_of

_SECONDS = 60.0
_TEXT = 2_000


class PictureIn(BaseModel):
    photo_id: Annotated[str, Field(min_length=1, max_length=64, description="照片的编号")]


class PersonsOut(BaseModel):
    """`persons` is null where no model is installed that counts; `reliable` false where the picture is too poor."""

    persons: int | None
    density: str
    reliable: bool
    problems: list[str]
    width: int
    height: int
    brightness: float
    contrast: float
    sharpness: float


class SeenOut(BaseModel):
    text: str
    confidence: float | None


class RecordingIn(BaseModel):
    draft_id: Annotated[str, Field(min_length=1, max_length=64, description="录音草稿的编号")]


class SpeechOut(BaseModel):
    text: str
    confidence: float | None
    seconds: float | None


async def persons(call: Call, given: PictureIn) -> PersonsOut:
    """How many persons are on the photo, and how far that can be relied on; nothing of it but numbers is kept."""
    data = await _photo(call, given.photo_id)
    work = "chengnao.models.embedded.snapshot:snapshot_apart"
    [found] = await run_apart(work, data, home=call.home, seconds=_SECONDS)
    return persons_out(Quality(**found["quality"]), found["persons"])


def persons_out(quality: Quality, count: int | None) -> PersonsOut:
    """The answer of these measures."""
    return PersonsOut(
        persons=count,
        density="未知" if count is None else density_of(count).zh,
        reliable=count is not None and not quality.faults,
        problems=[fault.zh for fault in quality.faults],
        **vars(quality),
    )


async def read(call: Call, given: PictureIn) -> SeenOut:
    """The words on the photo, without personal details."""
    data = await _photo(call, given.photo_id)
    pages = await run_apart("chengnao.models.embedded.ocr:pages_apart", data, home=call.home, seconds=_SECONDS)
    lines = [line for page in pages for line in page["lines"]]
    known = [line["confidence"] for line in lines if line["confidence"] is not None]
    text = mask("\n".join(line["text"] for line in lines))[:_TEXT]
    return SeenOut(text=text, confidence=round(sum(known) / len(known), 3) if known else None)


async def hear(call: Call, given: RecordingIn) -> SpeechOut:
    """What is said in the recording, without personal details."""
    draft = await require_draft(call.uow, call.scope, given.draft_id)
    if draft.channel is not Channel.CALL:
        raise Conflict("advice_no_recording", id=draft.id)
    reading = await Reader(call.home).read(Channel.CALL, file_of(call.home, draft))
    return SpeechOut(text=mask(reading.text)[:4000], confidence=reading.confidence, seconds=reading.seconds)


async def _photo(call: Call, photo_id: str) -> bytes:
    photo = await require_photo(call.uow, call.principal, photo_id)
    path = photo_path(call.home, photo.digest)
    if not path.is_file():
        raise NotFound("not_found", kind="照片文件 photo file", id=photo_id)
    return path.read_bytes()
