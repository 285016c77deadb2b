"""From the texts of a row to what they say of a device, with every wrong cell named."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY, Division
from chengnao.kernel.places import Bd09Place, Gcj02Place
from chengnao.sensing.devices.importing.model import CellError, Header, Row, Wanted, WrongCell
from chengnao.sensing.devices.model import Life, Protocol, check_device_id, device_classes, place_of

LONGEST = 200
_LIVES = {
    "规划": Life.PLANNED,
    "待装": Life.PLANNED,
    "待建": Life.PLANNED,
    "在建": Life.PLANNED,
    "未启用": Life.PLANNED,
    "在用": Life.IN_SERVICE,
    "运行": Life.IN_SERVICE,
    "正常": Life.IN_SERVICE,
    "启用": Life.IN_SERVICE,
    "维护": Life.MAINTENANCE,
    "检修": Life.MAINTENANCE,
    "维修": Life.MAINTENANCE,
    "停用": Life.RETIRED,
    "报废": Life.RETIRED,
    "退役": Life.RETIRED,
    "拆除": Life.RETIRED,
}
_PROTOCOLS = {
    "hj/t212": Protocol.HJ212,
    "hj212-2017": Protocol.HJ212,
    "jt/t808": Protocol.JT808,
    "sl651-2014": Protocol.SL651,
    "gb/t26875": Protocol.GB26875,
    "gb/t26875.3": Protocol.GB26875,
    "modbustcp": Protocol.MODBUS,
    "sparkplugb": Protocol.SPARKPLUG,
    "dl/t645": Protocol.DLT645,
    "cj/t188": Protocol.CJT188,
    "gb/t32960": Protocol.GB32960,
    "lora": Protocol.LORAWAN,
    "gb/t28181": Protocol.GB28181,
}
_MAKERS = ("owner", "vendor", "model", "serial")


@dataclass(frozen=True)
class Known:
    """What rows may refer to: divisions of today and units, by code and by name, within what the importer may write."""

    divisions: Mapping[str, str]
    units: Mapping[str, str]
    scope: Scope
    crs: str

    @classmethod
    def of(
        cls, divisions: Iterable[Division], units: Mapping[str, str], scope: Scope, crs: str, today: date
    ) -> "Known":
        valid = [each for each in divisions if each.valid_on(today)]
        by_name: dict[str, set[str]] = {}
        for each in valid:
            by_name.setdefault(each.name, set()).add(each.code)
        alone = {name: next(iter(codes)) for name, codes in by_name.items() if len(codes) == 1}
        return cls(
            alone | {each.code: each.code for each in valid},
            {name: unit for unit, name in units.items()} | {unit: unit for unit in units},
            scope,
            crs,
        )


class RowReader:
    """Reads the rows of one file."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._classes = {kind.name_zh: code for code, kind in device_classes().items()}
        self._classes |= {kind.name_en.lower(): code for code, kind in device_classes().items()}
        self._classes |= {code: code for code in device_classes()}
        self._readers: Mapping[str, Callable[[str], Any]] = {
            "id": check_device_id,
            "name": _text,
            "class_code": self._class,
            "division_code": self._division,
            "unit_id": self._unit,
            "protocol": _protocol,
            "address": _address,
            "interval_seconds": _interval,
            "life": _life,
            **dict.fromkeys(_MAKERS, _text),
        }

    def read(self, header: Header, row: Row) -> Wanted | list[CellError]:
        """What the row says; or everything that is wrong with it. An empty cell says nothing."""
        if row.broken:
            value = next((text for text in row.cells.values() if text), "")
            return [CellError(row.sheet, row.number, "", "", value[:80], row.broken, {"value": value[:80]})]
        errors: list[CellError] = []
        values: dict[str, Any] = {}
        for name, reader in self._readers.items():
            text = row.cells.get(name, "")
            if not text:
                continue
            try:
                values[name] = reader(text)
            except Invalid as error:
                errors.append(cell_error(header, row, name, error))
        for name in ("name", "class_code", "division_code"):
            if not row.cells.get(name):
                errors.append(cell_error(header, row, name, WrongCell("device_import_empty")))
        if not row.cells.get("id") and not row.cells.get("address"):
            errors.append(cell_error(header, row, "id", WrongCell("device_import_key")))
        errors += self._place(header, row, values)
        if not errors and self._known.scope.unit_id is not None and values.get("unit_id") != self._known.scope.unit_id:
            errors.append(
                cell_error(header, row, "unit_id", WrongCell("device_import_foreign", own=self._known.scope.unit_id))
            )
        return errors or Wanted(row, values)

    def _place(self, header: Header, row: Row, values: dict[str, Any]) -> list[CellError]:
        lon, lat = row.cells.get("lon", ""), row.cells.get("lat", "")
        if not lon and not lat:
            return []
        errors = []
        for name, text, most in (("lon", lon, 180.0), ("lat", lat, 90.0)):
            try:
                number = float(unicodedata.normalize("NFKC", text).strip("°度EeNn "))
            except ValueError:
                number = float("nan")
            if not isfinite(number) or abs(number) > most:
                errors.append(cell_error(header, row, name, WrongCell("device_import_coordinate", most=int(most))))
            values[name] = number
        if errors:
            return errors
        x, y, ok = place_of(values["lon"], values["lat"])
        if ok and x is not None and y is not None and self._known.crs != "wgs84":
            place = (Gcj02Place if self._known.crs == "gcj02" else Bd09Place)(x, y).to_wgs84()
            x, y = place.lon, place.lat
        values |= {"lon": x, "lat": y, "place_ok": ok}
        return []

    def _class(self, text: str) -> str:
        code = self._classes.get(text) or self._classes.get(text.lower())
        if code is None:
            known = "、".join(kind.name_zh for kind in device_classes().values())
            raise WrongCell("device_import_class", known=known, known_en=", ".join(device_classes()))
        return code

    def _division(self, text: str) -> str:
        code = self._known.divisions.get(text)
        if code is None:
            raise WrongCell("device_import_division")
        own = self._known.scope.division_code
        if own != CITY and not code.startswith(own):
            raise WrongCell("device_import_foreign", own=own)
        return code

    def _unit(self, text: str) -> str:
        unit = self._known.units.get(text)
        if unit is None:
            raise WrongCell("device_import_unit")
        return unit


def cell_error(header: Header, row: Row, name: str, error: Invalid) -> CellError:
    """The error of one cell, with what it takes to find the cell and to understand it."""
    column = header.fields[name][0] if name in header.fields else name
    value = row.cells.get(name, "")[:80]
    cell = header.cell(name, row.number)
    params = dict(error.params) | {"column": column, "value": value, "cell": cell}
    return CellError(row.sheet, row.number, cell, column, value, error.code, params)


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise WrongCell("device_import_long", longest=LONGEST)
    return text


def _protocol(text: str) -> Protocol:
    plain = "".join(text.lower().replace("－", "-").split())
    found = _PROTOCOLS.get(plain) or next((each for each in Protocol if each.value == plain), None)
    if found is None:
        raise WrongCell("device_import_protocol", known=", ".join(each.value for each in Protocol))
    return found


def _address(text: str) -> str:
    if len(text) > 64:
        raise WrongCell("device_import_long", longest=64)
    return text


def _interval(text: str) -> int:
    try:
        seconds = int(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 31 * 86_400:
        raise WrongCell("device_import_interval")
    return seconds


def _life(text: str) -> Life:
    found = _LIVES.get(text) or next((each for each in Life if each.value == text.lower()), None)
    if found is None:
        raise WrongCell("device_import_life")
    return found
