"""Number plates made for tests: rendered, on the back of something like a car; no real plate is among them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_PROVINCES = "京津沪渝冀晋辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云陕甘青蒙藏宁新"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_CHINESE = ("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc", "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
_LATIN = ("/usr/share/fonts/truetype/dejavu/DejaVuSansCondensed-Bold.ttf", *_CHINESE)
BLUE, GREEN, YELLOW = (20, 60, 180), (120, 210, 150), (240, 190, 30)

Pixels = NDArray[np.uint8]


def numbers(rng: np.random.Generator, count: int, length: int = 7) -> list[str]:
    """Numbers of plates as they could be; 8 characters for cars with electric motors."""
    signs = list("0123456789" + _LETTERS)
    heads = [str(rng.choice(list(_PROVINCES))) + str(rng.choice(list(_LETTERS))) for _ in range(count)]
    return [head + "".join(map(str, rng.choice(signs, length - 2))) for head in heads]


def street(
    text: str, rng: np.random.Generator, width: int = 200, noisy: bool = False, ground: tuple[int, int, int] = BLUE
) -> Pixels:
    """A grey street with a car whose plate is `width` pixels wide; noisy: askew, blurred, grainy."""
    image = Image.fromarray(_grain(np.full((720, 960, 3), 125.0), rng, 6))
    draw = ImageDraw.Draw(image)
    draw.rectangle((250, 150, 710, 560), fill=(60, 62, 70))
    draw.rectangle((300, 180, 660, 300), fill=(170, 190, 200))
    plate = _plate(text, ground).resize((width, width * 140 // 440), Image.Resampling.LANCZOS)
    if noisy:
        angle = float(rng.uniform(-6, 6))
        plate = plate.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(60, 62, 70))
    image.paste(plate, (480 - width // 2, 450))
    if not noisy:
        return np.asarray(image)
    return _grain(np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), dtype=float), rng, 10)


def _grain(pixels: NDArray[np.float64], rng: np.random.Generator, strength: float) -> Pixels:
    grain: Pixels = (pixels + rng.normal(0, strength, pixels.shape)).clip(0, 255).astype(np.uint8)
    return grain


def _plate(text: str, ground: tuple[int, int, int]) -> Image.Image:
    ink = "white" if ground == BLUE else "black"
    image = Image.new("RGB", (440, 140), ground)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((5, 5, 434, 134), 10, outline=ink, width=4)
    step, x = 394 / len(text), 16.0
    for place, character in enumerate(text):
        image.paste(_sign(character, ground, ink).resize((int(step * 0.86), 96)), (int(x), 22))
        x += step
        if place == 1:
            draw.ellipse((x - 1, 66, x + 7, 74), fill=ink)
            x += 14
    return image


def _sign(character: str, ground: tuple[int, int, int], ink: str) -> Image.Image:
    font = _font(_CHINESE if ord(character) > 255 else _LATIN)
    left, top, right, bottom = (round(each) for each in font.getbbox(character))
    image = Image.new("RGB", (right - left, bottom - top), ground)
    ImageDraw.Draw(image).text((-left, -top), character, font=font, fill=ink)
    return image


def _font(paths: tuple[str, ...]) -> ImageFont.FreeTypeFont:
    path = next((each for each in paths if Path(each).exists()), None)
    if path is None:
        pytest.skip("not run: no Chinese font (fonts-noto-cjk or fonts-wqy-microhei)")
    return ImageFont.truetype(path, 90)
