"""Letters made for tests: pages of Chinese writing, and how far what was read is from what was written."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
)

LETTER = """尊敬的市长：
我是渝中区大坪街道的居民，反映小区门口的路面塌陷问题。
十一月二十日晚上，长江二路一百八十六号门口的井盖被压坏，
路面塌了一个大坑，深约半米，有老人骑车经过摔伤。
我们打了物业和街道的电话，都说不归他们管，推来推去。
请尽快派人修好，并在坑边围起来，晚上装上警示灯。
此致
敬礼
反映人：张伟
电话：13800138000"""


def page(text: str = LETTER) -> Image.Image:
    """The text printed on a white A4 page of 150 dots to the inch."""
    path = next((each for each in FONTS if Path(each).exists()), None)
    if path is None:
        pytest.skip("not run: no Chinese font (fonts-noto-cjk or fonts-wqy-microhei)")
    font = ImageFont.truetype(path, 34)
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(text.splitlines()):
        draw.text((110, 120 + 64 * number), line, font=font, fill="black")
    return image


def photographed(image: Image.Image) -> bytes:
    """The page as a telephone takes it: askew, not quite sharp, grainy, packed hard."""
    turned = image.rotate(1.5, fillcolor="white").filter(ImageFilter.GaussianBlur(1))
    rng = random.Random(1)
    grain = Image.frombytes("L", turned.size, rng.randbytes(turned.width * turned.height)).convert("RGB")
    return saved(Image.blend(turned, grain, 0.12), "JPEG", quality=45)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pdf(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, the first of which is the catalogue."""
    body, starts = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        starts.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % start for start in starts)
    end = b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, len(body))
    return body + table + end


def text_pdf(text: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of one page that holds its text as text."""
    stream = b"BT /F1 18 Tf 72 720 Td (%s) Tj ET" % text
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ],
        trailer,
    )


LOCKED = text_pdf(
    b"secret",
    b"/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] /Encrypt << "
    b"/Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >>" % (b"ab" * 32, b"cd" * 32),
)
"""A PDF that asks for a password."""


def character_errors(wanted: str, found: str) -> float:
    """The share of characters that must be changed, added or taken away; spaces do not count."""
    wanted, found = ("".join(each.split()) for each in (wanted, found))
    row = list(range(len(found) + 1))
    for at, character in enumerate(wanted, 1):
        before, row[0] = row[0], at
        for other in range(1, len(found) + 1):
            change = before + (character != found[other - 1])
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, change)
    return row[-1] / len(wanted)
