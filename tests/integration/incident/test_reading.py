"""Letters and recordings into text, by the process that reads them."""

import asyncio
import io
import time
import wave
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from chengnao.incident.drafts.reader import Reader
from chengnao.incident.drafts.reading import PAGE_LIMIT
from chengnao.incident.reports.model import Channel
from chengnao.kernel.apart import NotRead
from chengnao.models.embedded.pictures import MEGAPIXEL_LIMIT
from tests.support.letters import LETTER, LOCKED, character_errors, page, photographed, saved, text_pdf

RECORDING = Path(__file__).parent / "recordings" / "pothole.ogg"
"""Made by a speech synthesiser."""
SAID = "我要反映渝中区大坪街道长江二路的路面塌陷，有一个大坑，请尽快派人来修。"
SPEECH = find_spec("faster_whisper") is not None
needs_speech = pytest.mark.skipif(not SPEECH, reason="not run: the extra `speech` is not installed")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


async def refusal(reader: Reader, channel: Channel, data: bytes) -> NotRead:
    with pytest.raises(NotRead) as refused:
        await reader.read(channel, data)
    assert refused.value.text("zh") != refused.value.code
    return refused.value


@pytest.mark.parametrize(
    ("form", "at_most"), [("png", 0.02), ("pdf", 0.02), ("photo", 0.05)], ids=["scan", "scanned PDF", "photo"]
)
async def test_a_printed_letter_is_read(reader: Reader, form: str, at_most: float) -> None:
    image = page()
    data = {
        "png": lambda: saved(image, "PNG"),
        "pdf": lambda: saved(image, "PDF"),
        "photo": lambda: photographed(image),
    }
    reading = await reader.read(Channel.LETTER, data[form]())
    errors = character_errors(LETTER, reading.text)
    print(f"{form}: {errors:.3f} of the characters wrong, confidence {reading.confidence:.3f}")
    assert errors <= at_most
    assert (reading.engine, reading.pages) == ("ocr", 1)
    assert all(0.3 <= (line.confidence or 0) <= 1 and line.page == 1 for line in reading.lines)


async def test_a_letter_held_sideways_by_the_telephone_is_turned(reader: Reader) -> None:
    turned = page().rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees to see it upright
    reading = await reader.read(Channel.LETTER, saved(turned, "JPEG", quality=90, exif=exif))
    assert character_errors(LETTER, reading.text) <= 0.02


async def test_the_text_that_a_pdf_holds_is_taken_as_it_is(reader: Reader) -> None:
    reading = await reader.read(Channel.LETTER, text_pdf(b"The road has a hole"))
    assert (reading.text, reading.engine, reading.confidence) == ("The road has a hole", "text", None)


async def test_what_cannot_be_read_is_said_and_why(reader: Reader) -> None:
    many = saved(Image.new("1", (8, 8)), "PDF", save_all=True, append_images=[Image.new("1", (8, 8))] * PAGE_LIMIT)
    error = await refusal(reader, Channel.LETTER, many)
    assert (error.code, error.params["pages"], error.params["limit"]) == ("letter_too_many_pages", 21, 20)
    assert (await refusal(reader, Channel.LETTER, LOCKED)).code == "letter_encrypted"
    assert (await refusal(reader, Channel.LETTER, b"%PDF-1.4 and nothing")).code == "letter_damaged"
    assert (await refusal(reader, Channel.LETTER, b"\xff\xd8\xff and nothing")).code == "letter_damaged"
    vast = saved(Image.new("1", (8_000, 1_000 * MEGAPIXEL_LIMIT // 8 + 1_000)), "PNG")
    assert (await refusal(reader, Channel.LETTER, vast)).code == "letter_picture_too_large"
    assert (await refusal(reader, Channel.LETTER, saved(Image.new("RGB", (900, 900), "white"), "PNG"))).code == (
        "reading_found_nothing"
    )


async def test_reading_that_takes_too_long_is_stopped_and_the_next_letter_is_read(reader: Reader) -> None:
    data = saved(page(), "PNG")
    began = time.monotonic()
    with pytest.raises(NotRead) as refused:
        await reader.read(Channel.LETTER, data, timedelta(seconds=0.3))
    assert refused.value.code == "reading_too_long"
    assert time.monotonic() - began < 3
    assert (await reader.read(Channel.LETTER, text_pdf(b"The road has a hole"))).text


async def test_others_are_served_while_a_letter_is_read(reader: Reader) -> None:
    data = photographed(page())
    reading = asyncio.create_task(reader.read(Channel.LETTER, data))
    longest = 0.0
    while not reading.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    assert longest < 0.5, "the event loop stood still"


@pytest.mark.skipif(SPEECH, reason="the extra `speech` is installed")
async def test_without_the_extra_a_recording_is_not_heard_and_the_remedy_is_named(reader: Reader) -> None:
    error = await refusal(reader, Channel.CALL, RECORDING.read_bytes())
    assert error.code == "recording_not_heard"
    assert "chengnao[speech]" in error.text("zh")


@needs_speech
async def test_a_recording_is_heard(reader: Reader) -> None:
    reading = await reader.read(Channel.CALL, RECORDING.read_bytes())
    errors = character_errors(SAID, reading.text)
    print(f"recording: {errors:.3f} of the characters wrong, confidence {reading.confidence:.3f}")
    assert errors <= 0.35
    assert reading.seconds == pytest.approx(6.7, abs=0.3)
    assert reading.confidence is not None


@needs_speech
async def test_silence_and_junk_are_said_to_be_that(reader: Reader) -> None:
    silence = io.BytesIO()
    with wave.open(silence, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000 * 4))
    assert (await refusal(reader, Channel.CALL, silence.getvalue())).code == "reading_found_nothing"
    assert (await refusal(reader, Channel.CALL, b"OggS and nothing")).code == "recording_damaged"


@needs_speech
async def test_another_model_than_the_expected_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "whisper-base"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"another")
    error = await refusal(Reader(tmp_path), Channel.CALL, RECORDING.read_bytes())
    assert (error.code, error.params["folder"]) == ("speech_model_damaged", str(folder))
