"""Photos of citizens without what a telephone writes into them: where, when and with which device they were taken."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from chengnao.incident.photos import PHOTO_LIMIT
from chengnao.kernel.errors import Invalid

MEGAPIXEL_LIMIT = 40
_FORMS = ("JPEG", "PNG", "WEBP")


def without_traces(data: bytes) -> bytes:
    """The same picture, upright, packed anew with nothing beside it; raises Invalid for what is no image."""
    if len(data) > PHOTO_LIMIT:
        raise Invalid("photo_too_large", field="file", limit_mb=PHOTO_LIMIT // 2**20)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMS) as opened:
            if opened.width * opened.height > MEGAPIXEL_LIMIT * 1_000_000:
                raise Invalid("photo_damaged", field="file", limit=MEGAPIXEL_LIMIT)
            form = opened.format
            upright = ImageOps.exif_transpose(opened)
            bare = Image.new(upright.mode, upright.size)
            bare.paste(upright)
            if upright.mode == "P" and (palette := upright.getpalette()) is not None:
                bare.putpalette(palette)
    except UnidentifiedImageError as error:
        raise Invalid("photo_not_image", field="file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Invalid("photo_damaged", field="file", limit=MEGAPIXEL_LIMIT) from error
    packed = io.BytesIO()
    bare.save(packed, form, quality=88)
    return packed.getvalue()
