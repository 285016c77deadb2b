"""`chengnao ocr` and `chengnao transcribe` on good files and on bad ones."""

import io
import json
import os
import subprocess
import sys
import wave
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from chengnao.kernel.apart import NotRead, run_apart
from chengnao.models.embedded import ocr, speech
from chengnao.models.embedded.pictures import MEGAPIXEL_LIMIT
from tests.support.letters import LETTER, LOCKED, character_errors, page, pdf, saved, text_pdf

RECORDING = Path(__file__).parents[2] / "incident" / "recordings" / "pothole.ogg"
SPEECH = find_spec("faster_whisper") is not None
needs_speech = pytest.mark.skipif(not SPEECH, reason="not run: no model (the extra `speech` is not installed)")
SECONDS = 120


def chengnao(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from chengnao.app.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        program, env=os.environ | {"CHENGNAO_HOME": str(home)}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip


def written(folder: Path, **files: bytes) -> list[Path]:
    paths = []
    for name, content in files.items():
        paths.append(folder / name.replace("__", "."))
        paths[-1].write_bytes(content)
    return paths


def pages(count: int) -> bytes:
    """A PDF of so many pages, each of which holds its text."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(count))
    head = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count)]
    each = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>"
    return pdf([*head, *[each] * count])


def silent_video() -> bytes:
    av = pytest.importorskip("av", reason="not run: no model (the extra `speech` is not installed)")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def tone(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(round(32_000 * seconds)))
    return buffer.getvalue()


async def refused(work: str, data: bytes, home: Path) -> str:
    with pytest.raises(NotRead) as error:
        await run_apart(f"chengnao.models.embedded.{work}", data, home=home, seconds=60)
    assert error.value.text("zh") != error.value.code
    return error.value.code


def test_one_bad_file_never_stops_the_rest(tmp_path: Path) -> None:
    files = written(tmp_path, locked__pdf=LOCKED, empty__png=b"", scan__pdf=saved(page(), "PDF"))
    done = chengnao(tmp_path, "ocr", files[0], files[1], tmp_path / "none.png", files[2])
    assert done.returncode == 2
    assert character_errors(LETTER, "".join(line[7:] for line in done.stdout.splitlines()[1:])) < 0.05
    assert "打开密码" in done.stderr
    assert "0 字节" in done.stderr
    assert "none.png" in done.stderr
    assert "Traceback" not in done.stderr


def test_lines_as_json_have_page_confidence_and_place(tmp_path: Path) -> None:
    (scan,) = written(tmp_path, scan__dat=saved(page(), "PNG"))  # the name says nothing
    done = chengnao(tmp_path, "ocr", "--json", scan)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(LETTER.splitlines())
    assert all(row["page"] == 1 and 0.3 <= row["confidence"] <= 1 and row["file"] == str(scan) for row in rows)
    assert [row["box"][1] for row in rows] == sorted(row["box"][1] for row in rows)
    assert all(0 <= row["box"][0] < row["box"][2] <= 1 for row in rows)


def test_a_refusal_as_json_keeps_its_code(tmp_path: Path) -> None:
    (locked,) = written(tmp_path, locked__pdf=LOCKED)
    done = chengnao(tmp_path, "ocr", "--json", locked)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "pdf_encrypted"


def test_text_and_scans_of_one_pdf_are_each_read_their_way() -> None:
    (found,) = ocr.read_pages(text_pdf(b"The road has a hole"))
    assert (found.engine, found.text, found.lines[0].confidence) == ("text", "The road has a hole", None)
    blank = Image.new("RGB", (600, 400), "white")
    sheets = saved(page(), "TIFF", save_all=True, append_images=[blank, page()], compression="tiff_deflate")
    read = list(ocr.read_pages(sheets))
    assert [(each.number, each.engine, bool(each.lines)) for each in read] == [
        (1, "ocr", True), (2, "ocr", False), (3, "ocr", True),
    ]  # fmt: skip
    assert read[0].text == read[2].text


async def test_what_no_page_can_be_read_of_is_said(tmp_path: Path) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(50_000_000))
    work = "ocr:pages_apart"
    assert await refused(work, zipped.getvalue(), tmp_path) == "page_form_unknown"
    assert await refused(work, b"%!PS-Adobe-3.0\nshowpage", tmp_path) == "page_form_unknown"
    assert await refused(work, pages(5_000), tmp_path) == "pages_too_many"
    assert await refused(work, b"%PDF-1.4 and nothing", tmp_path) == "page_file_damaged"
    assert await refused(work, saved(page(), "PNG")[:5_000], tmp_path) == "page_file_damaged"
    for sides in ((8_000, 1_000 * MEGAPIXEL_LIMIT // 8 + 1_000), (15_000, 15_000)):
        vast = saved(Image.new("1", sides), "PNG")
        assert len(vast) < 100_000
        assert await refused(work, vast, tmp_path) == "picture_too_large"


@pytest.mark.skipif(SPEECH, reason="the extra `speech` is installed")
def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    done = chengnao(tmp_path, "transcribe", RECORDING)
    assert done.returncode == 2
    assert "chengnao[speech]" in done.stderr


@needs_speech
def test_what_is_said_comes_with_its_times(tmp_path: Path) -> None:
    files = written(tmp_path, broken__mp3=b"ID3 and nothing")
    done = chengnao(tmp_path, "transcribe", "--json", *files, RECORDING)
    assert done.returncode == 2
    bad, *rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert bad["error"]["code"] == "sound_damaged"
    assert "路面塌陷" in "".join(row["text"] for row in rows)
    assert all(0 <= row["start"] < row["end"] <= 8 and 0 < row["confidence"] <= 1 for row in rows)


@needs_speech
async def test_what_is_no_sound_is_said(tmp_path: Path) -> None:
    work = "speech:segments_apart"
    assert await refused(work, b"", tmp_path) == "foreign_file_empty"
    assert await refused(work, silent_video(), tmp_path) == "sound_none"
    assert await refused(work, "一段文字".encode() * 100, tmp_path) == "sound_damaged"
    assert await refused(work, text_pdf(b"The road has a hole"), tmp_path) == "sound_damaged"
    assert await refused(work, tone(speech.MINUTES_LIMIT * 60 + 5), tmp_path) == "sound_too_long"


@needs_speech
async def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    (other,) = written(tmp_path, other__wav=tone(3))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{other}\n#EXT-X-ENDLIST\n"
    assert await refused("speech:segments_apart", playlist.encode(), tmp_path) == "sound_damaged"
    listed = f"ffconcat version 1.0\nfile {other}\n"
    assert await refused("speech:segments_apart", listed.encode(), tmp_path) == "sound_damaged"


@needs_speech
async def test_a_cut_off_recording_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    first, *_ = await run_apart(
        "chengnao.models.embedded.speech:segments_apart", RECORDING.read_bytes()[:9_000], home=tmp_path, seconds=60
    )
    assert 3 < first["seconds"] < 6.7
