"""Text files: their encoding, the records of CSV, the objects of JSON lines.

A record that is broken is given out as broken, and reading goes on with the next line.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from chengnao.kernel.tabular.cells import cell_text

DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 2**20
_LONGEST_RECORD = 200_000
"""Characters; a quoted cell that goes on for longer was never closed."""
_MOST_LINES = 300

csv.field_size_limit(_LONGEST_RECORD)


@dataclass(frozen=True)
class Line:
    """A record with the number that Excel shows beside it, or a line of a file of JSON lines with its own."""

    number: int
    texts: list[str]
    broken: str = ""


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its mark, else UTF-8 where it reads so, else GB18030, which contains GBK."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(mark):
            return name
    if sample.count(0) > len(sample) // 100:
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        damaged = foreign = 0
        for chunk in iter(lambda: file.read(_SAMPLE), b""):
            text = decoder.decode(chunk)
            damaged += text.count("\ufffd")
            foreign += len(text) - len(text.encode("ascii", "ignore"))
    # A few damaged characters make damaged rows; a text of another encoding is damaged everywhere.
    return "utf-8" if damaged * 20 <= foreign else "gb18030"


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The text with its line ends as they stand; what cannot be decoded becomes U+FFFD."""
    return path.open(encoding=encoding, errors="replace", newline="")


def sniff_delimiter(head: list[str], score: Callable[[list[list[str]]], int]) -> str:
    """The delimiter by which the first lines score best, a comma where none does."""
    scores = {each: score([line.texts for line in records(iter(head), each)]) for each in DELIMITERS}
    return max(DELIMITERS, key=lambda each: scores[each])


def records(lines: Iterator[str], delimiter: str) -> Iterator[Line]:
    """The records of CSV, one after another; empty ones too, for they have a number."""
    waiting: list[str] = []
    number = 0
    while True:
        line = waiting.pop(0) if waiting else next(lines, None)
        if line is None:
            return
        number += 1
        if '"' not in line:
            yield Line(number, [cell_text(each) for each in line.rstrip("\r\n").split(delimiter)])
            continue
        parts = [line]
        texts = _parsed(parts, delimiter)
        while texts is None and len(parts) < _MOST_LINES and sum(map(len, parts)) < _LONGEST_RECORD:
            more = waiting.pop(0) if waiting else next(lines, None)
            if more is None:
                break
            parts.append(more)
            texts = _parsed(parts, delimiter)
        if texts:
            yield Line(number, [cell_text(each) for each in texts])
            continue
        # A quote was opened and not closed, or closed in the middle of a cell: only this line is lost.
        waiting = parts[1:] + waiting
        yield Line(number, [cell_text(each) for each in line.rstrip("\r\n").split(delimiter)], "import_quote_broken")


def _parsed(parts: list[str], delimiter: str) -> list[str] | None:
    """The cells of the record; None while a quoted cell is still open, no cells where its quotes make no sense."""
    try:
        found = list(csv.reader(["".join(parts)], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None if "unexpected end" in str(error) else []
    return found[0] if len(found) == 1 else []


@dataclass(frozen=True)
class JsonLine:
    number: int
    keys: tuple[str, ...]
    texts: list[str]
    broken: str = ""


def json_lines(lines: Iterator[str]) -> Iterator[JsonLine]:
    """The objects of JSON lines; empty lines are passed over."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line.encode("utf-8", "surrogatepass"))
        except ValueError:
            value = None
        if not isinstance(value, dict):
            yield JsonLine(number, (), [line.strip()], "import_line_not_json")
            continue
        yield JsonLine(number, tuple(value), [_plain(each) for each in value.values()])


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else cell_text(value)
