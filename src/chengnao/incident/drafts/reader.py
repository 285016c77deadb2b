"""Has a letter or a recording read by a process that ends afterwards, so that the web does not suffer."""

from datetime import timedelta
from pathlib import Path

from chengnao.incident.drafts.model import READING_LIMITS, Reading
from chengnao.incident.reports.model import Channel
from chengnao.kernel.apart import NotRead, run_apart

_WORKS = {Channel.LETTER: "letter", Channel.CALL: "call"}
_TOLD_AS = {
    "pdf_encrypted": "letter_encrypted",
    "page_file_damaged": "letter_damaged",
    "page_form_unknown": "letter_damaged",
    "pages_too_many": "letter_too_many_pages",
    "picture_too_large": "letter_picture_too_large",
    "sound_none": "recording_damaged",
    "sound_damaged": "recording_damaged",
    "sound_too_long": "recording_too_long",
    "speech_not_installed": "recording_not_heard",
    "apart_too_long": "reading_too_long",
    "apart_memory": "reading_failed",
    "apart_failed": "reading_failed",
}
"""The same said to whom has the original before them, and can type it in."""


class Reader:
    """Reads letters and recordings of one installation."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def read(self, channel: Channel, data: bytes, limit: timedelta | None = None) -> Reading:
        """What the file says; raises NotRead where it says nothing that the machine can read within the limit."""
        seconds = (limit or READING_LIMITS[channel]).total_seconds()
        work = f"chengnao.incident.drafts.reading:{_WORKS[channel]}"
        try:
            [found] = await run_apart(work, data, home=self._home, seconds=seconds)
        except NotRead as error:
            raise NotRead(_TOLD_AS.get(error.code, error.code), **error.params) from error
        reading = Reading.from_dict(found)
        if not reading.text.strip():
            raise NotRead("reading_found_nothing")
        return reading
