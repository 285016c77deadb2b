"""What reading a file gives, and how much of a file is read at all."""

from dataclasses import dataclass
from typing import Literal

FILE_LIMIT = 50 * 2**20
PAGE_LIMIT = 1_000
SCANNED_PAGE_LIMIT = 100
"""Of pages that OCR must read, about 1.5 s each."""
CHARACTER_LIMIT = 3_000_000
UNPACKED_LIMIT = 200 * 2**20
SECONDS = 600
"""For one file."""

Kind = Literal["heading", "paragraph", "item", "row"]


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, an item of a list or a row of a table. `level`: of a heading, 1 is the outermost."""

    kind: Kind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True)
class Readout:
    """What a file says. `engine`: text or ocr; `flags`: what a reader of it should know."""

    blocks: tuple[Block, ...]
    format: str
    engine: str = "text"
    pages: int | None = None
    flags: tuple[str, ...] = ()

    @property
    def characters(self) -> int:
        return sum(len(block.text) for block in self.blocks)
