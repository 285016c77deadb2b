"""One row of texts as a report, or as all that is wrong with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chengnao.incident.districts import district_at
from chengnao.incident.importing.columns import Columns, category_of, channel_of, folded, status_of
from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, ReportRow, Row, RowError, Spot
from chengnao.incident.importing.values import Moment, Unreadable, in_china, parse_degrees, parse_moment, parse_pair
from chengnao.kernel.errors import Invalid
from chengnao.kernel.places import Place

LONGEST = {"content": 10_000, "result": 10_000, "address": 500}
LONGEST_OTHER = 200

_NOTHING = frozenset(
    {"", "-", "--", "/", "\\", "无", "空", "未知", "不详", "保密", "匿名", "null", "none", "nan", "n/a", "#n/a"}
)
_PHONE = re.compile(r"\+?[0-9][0-9 ()-]{3,18}[0-9]")
_DAMAGED = re.compile("[\ufffd\ud800-\udfff]")


@dataclass(frozen=True)
class RawRow:
    """The texts of a row by column, before anything is understood."""

    spot: Spot
    texts: Sequence[str]
    covered: Mapping[int, int]
    """Columns where a cell merged from above lies over this row, and the row that holds its text."""
    broken: str = ""
    """The code of what is wrong with the row as a whole."""


class RowParser:
    """Understands the rows of one sheet."""

    def __init__(self, columns: Columns, now: datetime, crs: Crs = Crs.WGS84, mode: Mode = Mode.AUTO) -> None:
        self.columns = columns
        self.now = now
        self.crs = crs
        self.historic = columns.historic if mode is Mode.AUTO else mode is Mode.HISTORIC

    def parse(self, raw: RawRow) -> Row:
        """The row understood; what is wrong with it is named column by column."""
        reading = _Reading(self, raw)
        cells = self._cells(raw)
        row = reading.row(cells)
        return BadRow(raw.spot, cells, tuple(reading.errors)) if reading.errors else row

    def _cells(self, raw: RawRow) -> dict[str, str]:
        cells: dict[str, str] = {}
        headers = [*self.columns.headers, *[""] * (len(raw.texts) - len(self.columns.headers))]
        for index, (header, text) in enumerate(zip(headers, raw.texts, strict=False), start=1):
            if text:
                name = header or f"#{index}"
                cells[name] = f"{cells[name]} {text}" if name in cells else text
        return cells


class _Reading:
    def __init__(self, parser: RowParser, raw: RawRow) -> None:
        self.parser = parser
        self.columns = parser.columns
        self.raw = raw
        self.errors: list[RowError] = []
        self.odd: list[Odd] = []

    def wrong(self, code: str, field: str | None = None, value: str = "", **params: Any) -> None:
        column = self.columns.header(field) if field else ""
        self.errors.append(RowError(self.raw.spot, code, column, value[:200], params))

    def text(self, field: str) -> str:
        found = [self.raw.texts[i] for i in self.columns.by_field.get(field, ()) if i < len(self.raw.texts)]
        text = " ".join(dict.fromkeys(each for each in found if each))
        if text.lower() in _NOTHING:
            return ""
        if _DAMAGED.search(text):
            text = _DAMAGED.sub("?", text)
            self.wrong("import_text_damaged", field, text)
        longest = LONGEST.get(field, LONGEST_OTHER)
        if len(text) > longest:
            self.wrong("import_text_too_long", field, text[:40] + "…", length=len(text), longest=longest)
        return text

    def row(self, cells: Mapping[str, str]) -> ReportRow:
        spot, raw = self.raw.spot, self.raw
        empty = ReportRow(spot, cells, "")
        if raw.broken:
            self.wrong(raw.broken, value=" ".join(raw.texts)[:80])
            return empty
        if any(raw.texts[len(self.columns.headers) :]):
            self.wrong(
                "import_cells_too_many", value=raw.texts[-1], cells=len(raw.texts), known=len(self.columns.headers)
            )
        if self._is_header():
            self.wrong("import_row_is_header", value=" ".join(filter(None, raw.texts))[:80])
            return empty
        row = replace(
            empty,
            external_id=self.text("external_id"),
            address=self.text("address"),
            district=self.text("district"),
            street=self.text("street"),
            name=self.text("name"),
            phone=self._phone(),
            unit=self.text("unit"),
            result=self.text("result"),
        )
        row = self._with_content(row)
        row = self._with_place(row)
        row = self._with_words(row)
        row = self._with_times(row)
        return replace(row, odd=tuple(dict.fromkeys(self.odd)))

    def _is_header(self) -> bool:
        """Whether the header stands here again, as on each page of a print."""
        known = [i for columns in self.columns.by_field.values() for i in columns if i < len(self.raw.texts)]
        same = [i for i in known if folded(self.raw.texts[i]) == folded(self.columns.headers[i])]
        return len(same) > max(1, len(known) // 2)

    def _with_content(self, row: ReportRow) -> ReportRow:
        content, category = self.text("content"), self.text("category")
        columns = self.columns.by_field.get("content", ())
        if not content and (above := next((self.raw.covered[i] for i in columns if i in self.raw.covered), None)):
            self.wrong("import_content_merged", "content", above=above)
        elif not content and not category:
            self.wrong("import_content_missing", "content" if columns else "category")
        elif not content:
            content = category
            if columns:
                self.odd.append(Odd.NO_CONTENT)
        code = category_of(category) if category else None
        if not category and "category" in self.columns.by_field:
            self.odd.append(Odd.NO_CATEGORY)
        elif category and code is None:
            self.odd.append(Odd.CATEGORY_UNKNOWN)
        return replace(row, content=content, category=code, given_category=category)

    def _with_place(self, row: ReportRow) -> ReportRow:
        code = self.text("division_code")
        if code and not re.fullmatch(r"\d{6}|\d{9}", code):
            self.wrong("import_division_code_invalid", "division_code", code)
        place = self._place()
        if place is None and not row.address:
            self.odd.append(Odd.NO_PLACE)
        if place is not None and not code:
            code = district_at(place) or ""
            if not in_china(place.lon, place.lat):
                self.odd.append(Odd.OUTSIDE_CHINA)
            elif not code:
                self.odd.append(Odd.OUTSIDE_CITY)
        return replace(row, place=place, division_code=code or None)

    def _place(self) -> Place | None:
        lon = self._degrees("lon")
        lat = self._degrees("lat")
        field = "lon"
        if (lon is None) != (lat is None):
            self.odd.append(Odd.HALF_PLACE)
            return None
        if (lon is None or lat is None) and (pair := self.text("lonlat")):
            field = "lonlat"
            try:
                lon, lat = parse_pair(pair)
            except Unreadable as error:
                self.wrong(error.code, field, pair)
        if lon is None or lat is None or (lon == 0 and lat == 0):
            return None
        if not in_china(lon, lat) and in_china(lat, lon):
            lon, lat = lat, lon
            self.odd.append(Odd.SWAPPED)
        try:
            return self.parser.crs.place(lon, lat)
        except Invalid:
            self.wrong("import_place_invalid", field, f"{lon}, {lat}")
            return None

    def _degrees(self, field: str) -> float | None:
        if not (text := self.text(field)):
            return None
        try:
            return parse_degrees(text)
        except Unreadable as error:
            self.wrong(error.code, field, text)
            return None

    def _with_words(self, row: ReportRow) -> ReportRow:
        status, channel = self.text("status"), self.text("channel")
        known, way = status_of(status), channel_of(channel)
        if status and known is None:
            self.odd.append(Odd.STATUS_UNKNOWN)
        if channel and way is None:
            self.odd.append(Odd.CHANNEL_UNKNOWN)
        return replace(row, status=known, given_status=status, channel=way)

    def _phone(self) -> str:
        text = self.text("phone")
        if text and not _PHONE.fullmatch(text):
            self.odd.append(Odd.PHONE_UNREADABLE)
        return text

    def _moment(self, field: str) -> Moment | None:
        if not (text := self.text(field)):
            return None
        try:
            return parse_moment(text)
        except Unreadable as error:
            self.wrong(error.code, field, text)
            return None

    def _with_times(self, row: ReportRow) -> ReportRow:
        created, closed, due = self._moment("created"), self._moment("closed"), self._moment("due")
        row = replace(row, created_at=created.at if created else None, due_at=due.end if due else None)
        if closed is not None:
            # Of a day alone, the earliest moment that can be meant.
            early = closed.day_only and created is not None and closed.at < created.at <= closed.end
            row = replace(row, closed_at=created.at if early and created else closed.at)
        if created is None and "created" in self.columns.by_field:
            self.odd.append(Odd.NO_CREATED)
        if self.parser.historic and row.ended and not self.errors:
            # Without both, nothing honest can be said of how long it took.
            if created is None:
                self.wrong("import_created_missing", "created")
            if closed is None:
                self.wrong("import_closed_missing", "closed")
        if row.created_at and row.closed_at and row.closed_at < row.created_at:
            self.odd.append(Odd.CLOSED_BEFORE_CREATED)
        if row.created_at and row.due_at and row.due_at < row.created_at:
            self.odd.append(Odd.DUE_BEFORE_CREATED)
        if row.status is not None and not row.status.ended and row.closed_at is not None:
            self.odd.append(Odd.OPEN_WITH_CLOSED_DATE)
        if any(each and each > self.parser.now for each in (row.created_at, row.closed_at)):
            self.odd.append(Odd.FUTURE_DATE)
        return row
