"""The rows that a job learns from: read from a file or taken from a source, checked one by one, masked, kept.

What a row may not hold is named with its number and left out; the others are learnt from. Personal details are hidden
in memory, before anything is written: neither the file that was handed in nor a copy of it ever lies on the disk.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.files import write_atomically
from chengnao.kernel.privacy.model import mask
from chengnao.models.training.model import Data, Refusal
from chengnao.models.training.recipe import Column, Row

SIZE_LIMIT = 48 * 2**20
TEXT_LIMIT = 20_000
"""Characters of one text."""
REFUSALS_SHOWN = 200
_DELIMITERS = ",\t;|"
_SAMPLE = 20

Record = tuple[int, dict[str, Any] | Refusal]
"""A row of a file with the number of its line, or why the line is none."""


def read_file(name: str, content: bytes) -> Iterator[Record]:
    """The rows of a file of JSON lines or CSV, told apart by their first sign; raises Invalid for what is neither."""
    if len(content) > SIZE_LIMIT:
        mb = {"size_mb": len(content) // 2**20, "limit_mb": SIZE_LIMIT // 2**20}
        raise Invalid("training_data_large", field="file", file=name, **mb)
    text = _decoded(name, content)
    if not text.strip():
        raise Invalid("training_data_empty", field="file", file=name)
    return _json_lines(text) if text.lstrip().startswith("{") else _csv(name, text)


def _decoded(name: str, content: bytes) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Invalid("training_data_unreadable", field="file", file=name)


def _json_lines(text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except ValueError:
            found = None
        if isinstance(found, dict):
            yield number, found
        else:
            yield number, Refusal(number, "不是 JSON 对象", "no JSON object")


def _csv(name: str, text: str) -> Iterator[Record]:
    head = "\n".join(text.splitlines()[:_SAMPLE])
    delimiter = max(_DELIMITERS, key=head.split("\n", maxsplit=1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(reader)]
        if len(set(header)) < len(header):
            raise Invalid("training_data_header", field="file", file=name, columns=", ".join(header))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                few = {
                    "zh": f"有 {len(cells)} 列，表头有 {len(header)} 列",
                    "en": f"{len(cells)} cells, not {len(header)}",
                }
                yield reader.line_num, Refusal(reader.line_num, **few)
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise Invalid("training_data_unreadable", field="file", file=name) from error


def collect(origin: str, records: Iterable[Record], columns: Sequence[Column]) -> tuple[list[Row], Data]:
    """The usable rows, masked, and what is to be told about them; `sha256` of the bytes that `keep` writes.

    Raises Invalid where a column is in no row, or no row is left.
    """
    rows: list[Row] = []
    refusals: list[Refusal] = []
    seen: dict[str, None] = {}
    refused = masked = 0
    digest = hashlib.sha256()
    for number, record in records:
        found = record if isinstance(record, Refusal) else _row(number, record, columns)
        if isinstance(record, dict) and len(seen) < 100:
            seen.update(dict.fromkeys(map(str, record)))
        if isinstance(found, Refusal):
            refused += 1
            if len(refusals) < REFUSALS_SHOWN:
                refusals.append(found)
            continue
        row, hidden = found
        masked += hidden
        rows.append(row)
        digest.update(orjson.dumps(row) + b"\n")
    for column in columns:
        if seen and column.source not in seen and not column.optional:
            known = ", ".join(list(seen)[:30])
            raise Invalid("training_data_column", field=column.name, column=column.source, known=mask(known))
    if not rows:
        if refusals:
            first = refusals[0]
            why = {"reason_zh": first.zh, "reason_en": first.en, "row": first.row}
            raise Invalid("training_data_no_row", field="file", file=origin, rows=refused, **why)
        raise Invalid("training_data_empty", field="file", file=origin)
    return rows, Data(origin, len(rows), digest.hexdigest(), refused, tuple(refusals), masked)


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows durably, one JSON object a line."""
    write_atomically(path, b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _row(number: int, record: dict[str, Any], columns: Sequence[Column]) -> tuple[Row, bool] | Refusal:
    row: Row = {}
    hidden = False
    for column in columns:
        value = record.get(column.source)
        if value is None or (isinstance(value, str) and not value.strip()):
            if column.optional:
                continue
            return Refusal(number, f"{column.source} 没有内容", f"{column.source} is missing or empty")
        found = _value(number, column, value)
        if isinstance(found, Refusal):
            return found
        if isinstance(found, str) and column.kind in ("text", "label"):
            plain = mask(found)
            hidden = hidden or plain != found
            found = plain
        row[column.name] = found
    return row, hidden


def _value(number: int, column: Column, value: Any) -> str | float | Refusal:
    source = column.source
    match column.kind:
        case "text":
            if not isinstance(value, str):
                return Refusal(number, f"{source} 不是文本", f"{source} is no text")
            text = value.encode("utf-8", "replace").decode().replace("\x00", "").strip()
            if len(text) > TEXT_LIMIT:
                return Refusal(
                    number, f"{source} 超过 {TEXT_LIMIT} 字", f"{source} is longer than {TEXT_LIMIT} characters"
                )
            return text or Refusal(number, f"{source} 没有内容", f"{source} is missing or empty")
        case "label":
            if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 200:
                return Refusal(number, f"{source} 不是文字或整数", f"{source} is no text and no whole number")
            return str(value).encode("utf-8", "replace").decode().strip()
        case "number":
            try:
                number_found = float("nan") if isinstance(value, bool) else float(value)
            except (TypeError, ValueError):
                number_found = float("nan")
            return (
                number_found
                if isfinite(number_found)
                else Refusal(number, f"{source} 不是数", f"{source} is no number")
            )
        case "time":
            return _time(value) or Refusal(number, f"{source} 不是 ISO 时间", f"{source} is no ISO time")


def _time(value: Any) -> str | None:
    """The time with its zone; one without a zone is Chongqing's."""
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (found.replace(tzinfo=CST) if found.tzinfo is None else found).isoformat()
