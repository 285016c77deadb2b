"""Plain text, Markdown and web pages."""

import re
from typing import Any

from charset_normalizer import from_bytes
from lxml import html

from chengnao.kernel.errors import Invalid
from chengnao.knowledge.reading.blocks import Block, Readout

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_PROBE = 200_000
_DROPPED = ("script", "style", "noscript", "template", "iframe", "object", "svg", "nav", "form", "head")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0", re.I)
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.+)")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_EMPHASIS = re.compile(r"(\*\*|__|`)(.+?)\1")


def decoded(data: bytes, file_name: str) -> str:
    """The text in whatever encoding it is; raises Invalid where it is no text at all."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _checked(data.decode(encoding, "replace"), file_name)
    for encoding in ("utf-8", "gb18030"):
        try:
            return _checked(data.decode(encoding), file_name)
        except (UnicodeDecodeError, Invalid):
            continue
    best = from_bytes(data[:_PROBE]).best()
    if best is None:
        raise Invalid("knowledge_file_unknown", field="file", file=file_name, found=data[:4].hex())
    return _checked(data.decode(best.encoding, "replace"), file_name)


def _checked(text: str, file_name: str) -> str:
    sample = text[:_PROBE]
    odd = sum(each == "\ufffd" or (ord(each) < 32 and each not in "\t\r\n\f\v") for each in sample)
    if odd > len(sample) * 0.02:
        raise Invalid("knowledge_file_unknown", field="file", file=file_name, found=sample[:4].encode().hex())
    return text.replace("\x00", "")


def is_web_page(text: str, suffix: str) -> bool:
    start = text[:2000].lstrip("\ufeff \t\r\n").lower()
    return start.startswith(("<!doctype html", "<html")) or (suffix in (".html", ".htm") and "<" in start)


def read_markdown(text: str, kind: str) -> Readout:
    """Headings, lists and tables of Markdown; a plain text is one without them."""
    blocks: list[Block] = []
    header: list[str] | None = None
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for place, line in enumerate(lines):
        if not line.strip():
            header = None
            continue
        if line.lstrip().startswith("|") or (header is not None and "|" in line):
            if _RULE.match(line):
                continue
            cells = [_clean(cell) for cell in line.strip().strip("|").split("|")]
            if header is None and place + 1 < len(lines) and _RULE.match(lines[place + 1]):
                header = cells
            else:
                blocks.append(Block("row", row_text(header, cells)))
            continue
        if kind == "markdown" and (match := _HEADING.match(line)):
            blocks.append(Block("heading", _clean(match[2]), len(match[1])))
        elif kind == "markdown" and (match := _ITEM.match(line)):
            blocks.append(Block("item", _clean(match[1])))
        else:
            blocks.append(Block("paragraph", _clean(line)))
    return Readout(tuple(blocks), kind)


def _clean(text: str) -> str:
    return _EMPHASIS.sub(r"\2", text).strip()


def row_text(header: list[str] | None, cells: list[str]) -> str:
    """A row of a table that can be understood alone: each value with its column's name."""
    if header is None:
        return "；".join(cell for cell in cells if cell)
    names = [*header, *[""] * len(cells)]
    return "；".join(f"{name}：{cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell)


def read_web_page(text: str) -> Readout:
    """What a reader of the page sees; scripts, hidden text and menus are left out."""
    try:
        root = html.fromstring(text.encode("utf-8"), parser=html.HTMLParser(encoding="utf-8", huge_tree=False))
    except (ValueError, html.etree.ParserError):
        return Readout((), "html")
    flags: list[str] = []
    for each in list(root.iter(*_DROPPED, html.etree.Comment)):
        each.drop_tree()
    for each in list(root.iter()):
        if isinstance(each.tag, str) and (each.get("hidden") is not None or _HIDDEN.search(each.get("style") or "")):
            if each.getparent() is not None:
                each.drop_tree()
            flags.append("hidden_text")
    blocks: list[Block] = []
    _walk(root, blocks)
    return Readout(tuple(blocks), "html", flags=tuple(dict.fromkeys(flags)))


_CONTAINERS = {
    "html", "body", "div", "section", "article", "main", "ul", "ol", "dl", "tbody", "thead", "header", "footer",
    "center", "span", "font", "form", "blockquote", "aside", "td", "figure", "details",
}  # fmt: skip
_BLOCKS = {"p", "div", "li", "table", "section", "article", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "main"}


def _walk(element: Any, blocks: list[Block]) -> None:
    tag = element.tag if isinstance(element.tag, str) else ""
    if re.fullmatch("h[1-6]", tag):
        _add(blocks, "heading", element.text_content(), int(tag[1]))
    elif tag == "table":
        _table(element, blocks)
    elif tag in _CONTAINERS and any(child.tag in _BLOCKS for child in element.iterdescendants()):
        _add(blocks, "paragraph", element.text or "")
        for child in element:
            _walk(child, blocks)
            _add(blocks, "paragraph", child.tail or "")
    else:
        for part in re.split(r"\n\s*\n", _with_breaks(element)):
            _add(blocks, "item" if tag == "li" else "paragraph", part)


def _with_breaks(element: Any) -> str:
    for line_break in element.iter("br"):
        line_break.tail = "\n\n" + (line_break.tail or "")
    return str(element.text_content())


def _add(blocks: list[Block], kind: Any, text: str, level: int = 0) -> None:
    if shown := " ".join(text.split()):
        blocks.append(Block(kind, shown, level))


def _table(table: Any, blocks: list[Block]) -> None:
    rows = [[" ".join(cell.text_content().split()) for cell in row.iter("td", "th")] for row in table.iter("tr")]
    rows = [row for row in rows if any(row)]
    add_table(rows, blocks, None)


def add_table(rows: list[list[str]], blocks: list[Block], page: int | None) -> None:
    """Each row below the first with the first as its header; a table of one row or one column is plain text."""
    if len(rows) < 2 or max(map(len, rows)) < 2:
        blocks += [Block("paragraph", "；".join(cell for cell in row if cell), page=page) for row in rows]
        return
    header = rows[0]
    blocks += [Block("row", row_text(header, row), page=page) for row in rows[1:]]
