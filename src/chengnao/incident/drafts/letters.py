"""Letters into text: the text that a PDF holds, or what OCR reads on its pages or on a photo.

Runs in a process of its own (`reading.py`): files from outside are decoded here.
"""

import io
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image, ImageOps, UnidentifiedImageError

from chengnao.incident.drafts.model import Line, Reading
from chengnao.kernel.errors import Invalid

PAGE_LIMIT = 20
MEGAPIXEL_LIMIT = 50
LONGEST_SIDE = 1800
"""Of a page that is given to the OCR, in pixels: about 150 dots to the inch of an A4 page."""

_LEAST_CONFIDENCE = 0.3
_LEAST_TEXT = 10
"""A page whose own text is shorter than this is read by OCR: a scanner may have left a stamp."""


def read_letter(data: bytes) -> Reading:
    """The text of a PDF or of a JPEG, PNG or WebP image; raises Invalid for what cannot be read."""
    return _read_pdf(data) if b"%PDF-" in data[:1024] else _read_image(data)


def _read_pdf(data: bytes) -> Reading:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        code = "letter_encrypted" if "password" in str(error).lower() else "letter_damaged"
        raise Invalid(code, field="file") from error
    if len(document) > PAGE_LIMIT:
        raise Invalid("letter_too_many_pages", field="file", pages=len(document), limit=PAGE_LIMIT)
    lines: list[Line] = []
    engine = "text"
    for number in range(len(document)):
        try:
            page = document[number]
            own = page.get_textpage().get_text_range()
            if _is_text(own):
                lines += [Line(line.strip(), page=number + 1) for line in own.splitlines() if line.strip()]
                continue
            picture = page.render(scale=LONGEST_SIDE / max(page.get_size())).to_numpy()
        except (pypdfium2.PdfiumError, ZeroDivisionError) as error:
            raise Invalid("letter_damaged", field="file") from error
        engine = "ocr"
        lines += _seen(picture, number + 1)
    return Reading(tuple(lines), engine, pages=len(document))


def _is_text(text: str) -> bool:
    """Whether a page's own text is what a reader sees: fonts without a table of characters give rubbish."""
    shown = [character for character in text if not character.isspace()]
    odd = sum(
        unicodedata.category(character) in ("Co", "Cn", "Cc", "Cs") or character == "\ufffd" for character in shown
    )
    return len(shown) >= _LEAST_TEXT and odd <= len(shown) * 0.05


def _read_image(data: bytes) -> Reading:
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        if image.width * image.height > MEGAPIXEL_LIMIT * 1_000_000:
            raise Invalid(
                "letter_picture_too_large",
                field="file",
                megapixels=image.width * image.height // 1_000_000,
                limit=MEGAPIXEL_LIMIT,
            )
        image = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Invalid("letter_damaged", field="file") from error
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return Reading(tuple(_seen(np.asarray(image)[:, :, ::-1], 1)), "ocr", pages=1)


def _seen(picture: Any, page: int) -> Iterator[Line]:
    found = _engine()(picture)
    for text, score in zip(found.txts or (), found.scores or (), strict=True):
        if text.strip():
            yield Line(text.strip(), round(float(score), 3), page)


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
