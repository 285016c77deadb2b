"""Small pictures for the simulated workers, since an outcome is handed in with a photo."""

import random
import struct
import zlib

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 240, 180


def site_photo(rng: random.Random) -> bytes:
    """A PNG that shows a street scene of coloured blocks; nobody will take it for a real photo."""
    rows = np.arange(HEIGHT)[:, None, None] / HEIGHT
    sky = np.array([rng.randint(150, 200), rng.randint(180, 215), rng.randint(215, 245)])
    picture = np.broadcast_to(sky * (1 - 0.25 * rows), (HEIGHT, WIDTH, 3)).copy()
    left = 0
    while left < WIDTH:
        width, top = rng.randint(18, 46), rng.randint(25, 85)
        picture[top:130, left : left + width] = np.array([1.0, 0.97, 0.92]) * rng.randint(110, 190)
        for row in range(top + 6, 118, 12):
            picture[row : row + 6, left + 4 : left + width - 4 : 8] = rng.randint(60, 110)
        left += width
    picture[130:] = rng.randint(80, 105)  # the road
    picture[150:153, 10:WIDTH:30] = 225
    patch = rng.randint(30, WIDTH - 80)
    picture[138:148, patch : patch + 46] = (58, 58, 62)  # what has been mended
    for cone in (patch - 12, patch + 52):
        picture[128:148, cone : cone + 7] = (235, 110, 40)
        picture[135:139, cone : cone + 7] = 240
    return to_png(np.clip(picture, 0, 255).astype(np.uint8))


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode height x width x RGB as a PNG (ISO/IEC 15948), without filters."""
    height, width, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(raw, 6)),
            (b"IEND", b""),
        )
    )
