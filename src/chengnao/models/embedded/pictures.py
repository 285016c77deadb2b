"""Foreign pictures into pixels, within limits; what detectors have in common."""

import io
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from chengnao.kernel.errors import Invalid

FORMS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
MEGAPIXEL_LIMIT = 50

Pixels = NDArray[np.uint8]
"""Height x width x 3: red, green, blue."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the picture, 0 to 1."""


def open_picture(data: bytes) -> Image.Image:
    """The picture, not decoded yet; raises Invalid for what is none (JPEG, PNG, WebP, BMP, TIFF, GIF)."""
    if not data:
        raise Invalid("foreign_file_empty", field="file")
    try:
        return Image.open(io.BytesIO(data), formats=FORMS)
    except UnidentifiedImageError as error:
        raise Invalid("page_form_unknown", field="file") from error
    except Image.DecompressionBombError as error:
        raise _too_large(int(re.findall(r"\d+", str(error))[0])) from error  # "Image size (225000000 pixels) ..."
    except (OSError, SyntaxError, ValueError) as error:
        raise Invalid("page_file_damaged", field="file") from error


def pixels_of(file: Image.Image, longest: int | None = None, frame: int = 0) -> Pixels:
    """The pixels of a frame as a reader sees it, no side longer than `longest`.

    Raises Invalid for more than 50 megapixels, before they are decoded, and for what is damaged.
    """
    try:
        file.seek(frame)
        if file.width * file.height > MEGAPIXEL_LIMIT * 1_000_000:
            raise _too_large(file.width * file.height)
        image = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise Invalid("page_file_damaged", field="file") from error
    if longest is not None:
        image.thumbnail((longest, longest))
    return np.asarray(image)


def _too_large(pixels: int) -> Invalid:
    return Invalid("picture_too_large", field="file", megapixels=pixels // 1_000_000, limit=MEGAPIXEL_LIMIT)


def read_pixels(data: bytes, longest: int | None = None) -> Pixels:
    """The pixels of a foreign picture's first frame; raises Invalid as `open_picture` and `pixels_of` do."""
    return pixels_of(open_picture(data), longest)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture in another size."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def strongest(boxes: NDArray[np.floating], scores: NDArray[np.floating], overlap: float) -> list[int]:
    """Rows of boxes (left, top, right, bottom), the best first, each standing for one thing.

    A box stands for the same as a better one where they share more than `overlap` of their union, or where seven
    tenths of the smaller lie in the other.
    """
    left, top, right, bottom = (boxes[:, side] for side in range(4))
    areas = (right - left) * (bottom - top)
    order: Sequence[int] = np.argsort(-scores, kind="stable").tolist()
    kept: list[int] = []
    for row in order:
        others = np.array(kept, dtype=int)
        width = np.minimum(right[row], right[others]) - np.maximum(left[row], left[others])
        height = np.minimum(bottom[row], bottom[others]) - np.maximum(top[row], top[others])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = areas[row] + areas[others] - shared
        if not ((shared > overlap * union) | (shared > 0.7 * np.minimum(areas[row], areas[others]))).any():
            kept.append(row)
    return kept
