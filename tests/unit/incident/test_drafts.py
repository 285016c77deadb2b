from datetime import UTC, datetime, timedelta

import pytest

from chengnao.incident.drafts.model import Draft, DraftState, Line, Reading, audio_type_of, media_type
from chengnao.incident.reports.model import Channel
from chengnao.kernel.errors import Invalid

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def test_confidence_is_weighed_by_length_and_absent_where_nothing_was_guessed() -> None:
    reading = Reading((Line("一二三", 1.0), Line("四", 0.2)), "ocr", pages=1)
    assert reading.confidence == pytest.approx(0.8)
    assert reading.text == "一二三\n四"
    assert Reading((Line("一"),), "text").confidence is None
    assert Reading.from_dict(reading.to_dict()) == reading


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"OggS\0", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\x1aE\xdf\xa3", "audio/webm"),
        (b"#!AMR\n", "audio/amr"),
        (b"\xff\xd8\xff\xe0", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_sound_is_told_by_its_first_bytes(start: bytes, kind: str | None) -> None:
    assert audio_type_of(start) == kind


def test_each_channel_takes_its_own_kind_of_file() -> None:
    assert media_type(Channel.LETTER, b"%PDF-1.7") == "application/pdf"
    assert media_type(Channel.LETTER, b"\xff\xd8\xff\xe0") == "image/jpeg"
    with pytest.raises(Invalid, match="PDF"):
        media_type(Channel.LETTER, b"OggS")
    with pytest.raises(Invalid, match="WAV"):
        media_type(Channel.CALL, b"%PDF-1.7")


def test_a_reading_that_never_ended_is_known_for_that() -> None:
    draft = Draft(
        id="d", channel=Channel.LETTER, state=DraftState.READING, digest="", media_type="", size=1,
        division_code="500000", unit_id=None, created_by="u", created_by_name="u",
        created_at=NOW, read_until=NOW + timedelta(minutes=3),
    )  # fmt: skip
    assert not draft.stalled(NOW)
    assert draft.stalled(NOW + timedelta(minutes=4))
