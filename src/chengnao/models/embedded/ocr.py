"""Pages into lines of text: the text that a PDF holds, or what OCR reads on a page or in a picture.

Files from outside are decoded here: let `kernel/apart.py` run it (`chengnao.models.embedded.ocr:pages_apart`).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import pypdfium2

from chengnao.kernel.errors import Invalid
from chengnao.models.embedded.pictures import Box, open_picture, pixels_of

PAGE_LIMIT = 500
LONGEST_SIDE = 1800
"""Of a page that is given to the OCR, in pixels: about 150 dots to the inch of an A4 page."""

_LEAST_CONFIDENCE = 0.3
_LEAST_TEXT = 10
"""A page whose own text is shorter than this is read by OCR: a scanner may have left a stamp."""


@dataclass(frozen=True)
class Line:
    text: str
    confidence: float | None = None
    """0 to 1; None where the file itself held the text."""
    box: Box | None = None
    """None where the file itself held the text."""


@dataclass(frozen=True)
class Page:
    number: int
    """From 1."""
    lines: tuple[Line, ...]
    engine: Literal["text", "ocr"]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


def pages_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pages for `kernel/apart.py`, as dictionaries; the option `page_limit` is that of `read_pages`."""
    return (asdict(page) for page in read_pages(data, **options))


def read_pages(data: bytes, page_limit: int = PAGE_LIMIT) -> Iterator[Page]:
    """The pages of a PDF, a TIFF, or one picture (JPEG, PNG, WebP, BMP, GIF), whatever the file is called.

    About 1.5 s for a page that OCR reads, 10 ms for one that holds its text. Raises Invalid for what cannot be read.
    """
    if not data:
        raise Invalid("foreign_file_empty", field="file")
    return _pdf_pages(data, page_limit) if b"%PDF-" in data[:1024] else _picture_pages(data, page_limit)


def read_picture(picture: Any) -> tuple[Line, ...]:
    """What OCR reads in pixels (height x width x 3, blue green red), from top to bottom."""
    height, width = picture.shape[:2]
    found = _engine()(picture)
    if not found.txts:
        return ()
    return tuple(
        Line(text.strip(), round(float(score), 3), _box(corners, width, height))
        for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True)
        if text.strip()
    )


def _pdf_pages(data: bytes, page_limit: int) -> Iterator[Page]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = "pdf_encrypted" if "password" in str(error).lower() else "page_file_damaged"
        raise Invalid(code, field="file") from error
    _check_pages(len(document), page_limit)
    for number in range(len(document)):
        try:
            page = document[number]
            own = page.get_textpage().get_text_range()
            if _is_text(own):
                lines = tuple(Line(line.strip()) for line in own.splitlines() if line.strip())
                yield Page(number + 1, lines, "text")
                continue
            picture = page.render(scale=LONGEST_SIDE / max(page.get_size())).to_numpy()
        except (pypdfium2.PdfiumError, ZeroDivisionError) as error:
            raise Invalid("page_file_damaged", field="file") from error
        yield Page(number + 1, read_picture(picture), "ocr")


def _is_text(text: str) -> bool:
    """Whether a page's own text is what a reader sees: fonts without a table of characters give rubbish."""
    shown = [character for character in text if not character.isspace()]
    odd = sum(
        unicodedata.category(character) in ("Co", "Cn", "Cc", "Cs") or character == "\ufffd" for character in shown
    )
    return len(shown) >= _LEAST_TEXT and odd <= len(shown) * 0.05


def _picture_pages(data: bytes, page_limit: int) -> Iterator[Page]:
    file = open_picture(data)
    frames = getattr(file, "n_frames", 1) if file.format == "TIFF" else 1
    _check_pages(frames, page_limit)
    for number in range(frames):
        yield Page(number + 1, read_picture(pixels_of(file, LONGEST_SIDE, number)[:, :, ::-1]), "ocr")


def _check_pages(pages: int, limit: int) -> None:
    if pages > limit:
        raise Invalid("pages_too_many", field="file", pages=pages, limit=limit)


def _box(corners: Any, width: int, height: int) -> Box:
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    shares = (left / width, top / height, right / width, bottom / height)
    left, top, right, bottom = (round(min(1.0, max(0.0, float(share))), 4) for share in shares)
    return left, top, right, bottom


@cache
def _engine() -> Any:
    """The OCR with the models that its package carries; given by path, so that it never looks for others."""
    rapidocr = import_module("rapidocr")
    models = Path(str(rapidocr.__file__)).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": _LEAST_CONFIDENCE,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
