"""Word documents (DOCX): paragraphs, headings, lists and tables in their order."""

import io
import re
import zipfile
from typing import Any

from docx import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph

from chengnao.kernel.errors import Invalid
from chengnao.knowledge.reading.blocks import UNPACKED_LIMIT, Block, Readout
from chengnao.knowledge.reading.plain import add_table

_LEVEL = re.compile(r"(?:heading|标题)\s*(\d)", re.I)
_RATIO = 200
"""A part that grows more than this in unpacking is no text that people wrote."""


def read_word(data: bytes, file_name: str) -> Readout:
    """Raises Invalid for what is damaged or unpacks to more than people write."""
    _check_size(data, file_name)
    try:
        document: Any = Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError, zipfile.BadZipFile, SyntaxError, OSError) as error:
        raise Invalid("knowledge_file_damaged", field="file", file=file_name) from error
    blocks: list[Block] = []
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            add_table(_rows(part), blocks, None)
        else:
            _add(part, blocks)
    return Readout(tuple(blocks), "docx")


def _check_size(data: bytes, file_name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    limit = UNPACKED_LIMIT // 2**20
    if sum(part.file_size for part in parts) > UNPACKED_LIMIT:
        raise Invalid("knowledge_file_unpacks", field="file", file=file_name, limit_mb=limit)
    for part in parts:
        if part.flag_bits & 1:
            raise Invalid("knowledge_file_encrypted", field="file", file=file_name)
        if part.filename.endswith(".xml") and part.file_size > 2**20 and part.file_size > part.compress_size * _RATIO:
            raise Invalid("knowledge_file_unpacks", field="file", file=file_name, limit_mb=limit)


def _rows(table: Table) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in table.rows:
        cells, seen = [], set()
        for cell in row.cells:  # a cell that spans columns comes once for each
            if id(cell._tc) not in seen:
                seen.add(id(cell._tc))
                cells.append(" ".join(cell.text.split()))
        if any(cells):
            rows.append(cells)
    return rows


def _add(paragraph: Paragraph, blocks: list[Block]) -> None:
    text = " ".join(paragraph.text.split())
    if not text:
        return
    style = str(paragraph.style.name if paragraph.style is not None else "")
    if match := _LEVEL.match(style):
        blocks.append(Block("heading", text, int(match[1])))
    elif style in ("Title", "标题"):
        blocks.append(Block("heading", text, 1))
    elif style.startswith("List"):
        blocks.append(Block("item", text))
    else:
        blocks.append(Block("paragraph", text))
