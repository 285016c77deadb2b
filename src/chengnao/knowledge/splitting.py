"""A document into passages: articles, items, rows and paragraphs, each with its headings."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chengnao.knowledge.model import Passage
from chengnao.knowledge.reading.blocks import Block
from chengnao.knowledge.text import ARTICLE, article_number, sentences

WANTED = 360
"""Characters that paragraphs under one heading are gathered to."""
LONGEST = 700
"""What is longer is cut between sentences: about what the embedding model reads at once."""

_NUMBER = "零〇一二三四五六七八九十百千\\d"
_DIVISIONS = tuple(re.compile(rf"第\s*[{_NUMBER}]+\s*{name}(?!\S{{0,4}}[条款])") for name in "编章节")
_HEADING_LINES = (
    (4, re.compile(r"[一二三四五六七八九十]+、\S")),
    (5, re.compile(r"（[一二三四五六七八九十]+）\S")),
)
_LONGEST_HEADING = 30
_CLOSED = re.compile(r"[。；！？：，.;!?]$")
_SPEAKS_TO_MACHINES = re.compile(
    r"(忽略|无视|忘记|不要(遵守|理会)|绕过).{0,12}(指令|提示|要求|规则|规定|限制|内容)"
    r"|(ignore|disregard|forget).{0,30}(instruction|prompt|rule|previous|above)"
    r"|(系统提示|system\s*prompt|你(现在)?是一个?(?:ai|人工智能|助手|模型|语言模型)|作为(?:ai|人工智能|语言模型))"
    r"|(请|必须|直接)(回答|输出|回复).{0,12}(以下|如下|“|\"|「)|<\|?(?:im_start|system|assistant)\|?>|\[/?inst\]",
    re.I,
)


def split(document_id: str, blocks: Sequence[Block]) -> list[Passage]:
    """The passages of a document in their order; ids stay the same as long as what a passage says does."""
    seen: dict[str, int] = {}
    passages = []
    for place, piece in enumerate(_pieces(blocks)):
        key = "\x1f".join((document_id, *piece.path, piece.article or "", piece.text))
        times = seen[key] = seen.get(key, 0) + 1
        name = hashlib.sha256(f"{key}\x1f{times}".encode()).hexdigest()[:24]
        passages.append(
            Passage(
                id=name,
                document_id=document_id,
                position=place,
                text=piece.text,
                path=piece.path,
                article=piece.article,
                page=piece.page,
                start=piece.start,
                end=piece.end,
                suspect=speaks_to_machines(piece.text),
            )
        )
    return passages


def speaks_to_machines(text: str) -> bool:
    """Whether a text tries to give orders to a model instead of telling people something."""
    return _SPEAKS_TO_MACHINES.search(text) is not None


@dataclass
class _Piece:
    text: str
    path: tuple[str, ...]
    article: str | None
    page: int | None
    start: int
    end: int
    alone: bool = False
    """Nothing is joined to it: a row of a table."""


@dataclass
class _Headings:
    levels: list[tuple[int, str]] = field(default_factory=list)

    def enter(self, level: int, text: str) -> None:
        self.levels = [each for each in self.levels if each[0] < level]
        self.levels.append((level, text))

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self.levels)


def _pieces(blocks: Sequence[Block]) -> Iterator[_Piece]:
    headings = _Headings()
    open_piece: _Piece | None = None
    at = 0
    for block in blocks:
        start, end = at, at + len(block.text)
        at = end + 1
        level = _heading_level(block)
        article = article_number(block.text) if level is None or block.kind == "heading" else None
        if level is not None and article is None:
            if open_piece is not None:
                yield from _cut(open_piece)
                open_piece = None
            headings.enter(level, block.text)
            continue
        joins = open_piece is not None and article is None and block.kind != "row" and not open_piece.alone
        if joins and open_piece is not None and (open_piece.article is not None or _fits(open_piece, block)):
            open_piece.text += "\n" + block.text
            open_piece.end = end
            continue
        if open_piece is not None:
            yield from _cut(open_piece)
        open_piece = _Piece(block.text, headings.path, article, block.page, start, end, alone=block.kind == "row")
    if open_piece is not None:
        yield from _cut(open_piece)


def _fits(piece: _Piece, block: Block) -> bool:
    """Items belong to the paragraph that leads to them; short paragraphs are gathered."""
    leads = piece.text.rstrip().endswith(("：", ":"))
    return len(piece.text) + len(block.text) <= (LONGEST if leads or block.kind == "item" else WANTED)


def _heading_level(block: Block) -> int | None:
    text = block.text.strip()
    if block.kind == "heading":
        return block.level
    if block.kind != "paragraph" or len(text) > _LONGEST_HEADING:
        return None
    for level, pattern in enumerate(_DIVISIONS, start=2):
        if pattern.match(text) and not _CLOSED.search(text) and not ARTICLE.match(text):
            return level + 6  # below the headings that the format itself knows
    if not _CLOSED.search(text):
        for level, pattern in _HEADING_LINES:
            if pattern.match(text):
                return level + 8
    return None


def _cut(piece: _Piece) -> Iterator[_Piece]:
    """The piece itself, or the parts of one that is too long; each part of an article bears its number."""
    if len(piece.text) <= LONGEST:
        yield piece
        return
    at = piece.start
    for part in _parts(piece.text):
        yield _Piece(part, piece.path, piece.article, piece.page, at, at + len(part))
        at += len(part)


def _parts(text: str) -> Iterator[str]:
    part = ""
    for sentence in _sentences(text):
        if part and len(part) + len(sentence) > LONGEST:
            yield part
            part = ""
        part += sentence if not part or part.endswith(("。", "；", "！", "？")) else "\n" + sentence
    if part:
        yield part


def _sentences(text: str) -> Iterator[str]:
    for sentence in sentences(text):
        for start in range(0, len(sentence), LONGEST):
            yield sentence[start : start + LONGEST]
