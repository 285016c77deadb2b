"""What runs in a process of its own (`kernel/apart.py`): a letter or a recorded call into a Reading."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chengnao.incident.drafts.model import Line, Reading
from chengnao.models.embedded import ocr, speech

PAGE_LIMIT = 20
_PROMPT = "以下是市民拨打热线反映城市问题的普通话录音。"


def letter(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The text of a PDF or of a picture; raises Invalid for what cannot be read."""
    pages = list(ocr.read_pages(data, PAGE_LIMIT))
    lines = tuple(Line(line.text, line.confidence, page.number) for page in pages for line in page.lines)
    engine = "ocr" if any(page.engine == "ocr" for page in pages) else "text"
    yield Reading(lines, engine, pages=len(pages)).to_dict()


def call(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is said in a recording; raises Invalid for what is no sound, Unavailable without the extra."""
    model = speech.load_model(home)
    sound = speech.decode(data)
    lines = tuple(
        Line(each.text, each.confidence, start=each.start) for each in speech.hear(model, sound, prompt=_PROMPT)
    )
    yield Reading(lines, "whisper", seconds=speech.seconds_of(sound)).to_dict()
