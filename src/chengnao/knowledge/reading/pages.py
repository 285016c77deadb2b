"""PDF and pictures: the lines of their pages joined to paragraphs again."""

import re
from collections import Counter

from chengnao.kernel.errors import Invalid
from chengnao.knowledge.reading.blocks import PAGE_LIMIT, SCANNED_PAGE_LIMIT, Block, Readout
from chengnao.models.embedded.ocr import read_pages

_FULL_LINE = 0.75
"""A line shorter than this part of the page's longest line ends its paragraph."""
_STARTS = re.compile(
    r"第\s*[零〇一二三四五六七八九十百千\d]+\s*[章节条编]|[一二三四五六七八九十]+、|（[一二三四五六七八九十]+）|\d+[.、]"
)
_PAGE_NUMBER = re.compile(r"[-—－\s]*(?:第\s*)?\d+(?:\s*页)?[-—－\s]*(?:共\s*\d+\s*页)?")


def read_paged(data: bytes, form: str) -> Readout:
    """The text of a PDF or a picture; raises Invalid for what is encrypted, damaged or has too many pages."""
    blocks: list[Block] = []
    pages = scanned = 0
    for page in read_pages(data, PAGE_LIMIT):
        pages += 1
        scanned += page.engine == "ocr"
        if scanned > SCANNED_PAGE_LIMIT:
            raise Invalid("knowledge_file_too_many_scans", field="file", limit=SCANNED_PAGE_LIMIT)
        blocks += _paragraphs([line.text for line in page.lines], page.number)
    return Readout(tuple(_without_margins(blocks, pages)), form, "ocr" if scanned else "text", pages)


def _paragraphs(lines: list[str], page: int) -> list[Block]:
    lines = [line.strip() for line in lines if line.strip()]
    usual = max((len(line) for line in lines), default=0)
    paragraphs: list[str] = []
    last = usual
    for line in lines:
        if not paragraphs or _STARTS.match(line) or last < usual * _FULL_LINE:
            paragraphs.append(line)
        else:
            # Words of a language with spaces were parted at the end of the line.
            space = " " if paragraphs[-1][-1:].isascii() and line[0].isascii() else ""
            paragraphs[-1] += space + line
        last = len(line)
    return [Block("paragraph", text, page=page) for text in paragraphs]


def _without_margins(blocks: list[Block], pages: int) -> list[Block]:
    """Without page numbers and what stands at the edge of most pages."""
    often = Counter(_shape(block) for block in blocks if len(block.text) <= 40)
    edge = {text for text, count in often.items() if pages >= 4 and count >= pages * 0.6}
    return [block for block in blocks if _shape(block) not in edge and not _PAGE_NUMBER.fullmatch(block.text)]


def _shape(block: Block) -> str:
    return re.sub(r"\d+", "#", block.text)
