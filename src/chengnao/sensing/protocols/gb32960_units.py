"""GB/T 32960.3-2016: what stands in a report of an electric vehicle, unit by unit.

A unit is a kind (1 byte) and what the kind says; only the maker's own kinds tell their length. So a unit that is not as
the standard has it shifts everything after it, and none of such a report may be believed: `Units.standard` says so.
FE and FF (FFFE, FFFF) stand for a fault and for no value, and are None here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from struct import unpack
from typing import Any, NamedTuple

VEHICLE, MOTORS, FUEL_CELL, ENGINE, POSITION, EXTREMES, ALARMS, CELLS, TEMPERATURES = range(1, 10)
_FIRST_OWN, _LAST_OWN = 0x80, 0xFE
_SHOWN = 4


class Unit(NamedTuple):
    kind: int
    values: Mapping[str, Any]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a report, as far as they can be told apart."""

    found: tuple[Unit, ...]
    rest: bytes
    """From a kind on that is not defined, or whose own count cannot be: its length is not known."""
    whole: bool
    """False where a unit does not fit into what is there: then nothing was found at all."""

    @property
    def standard(self) -> bool:
        """Every unit is of a defined kind, and each kind of the standard's there once."""
        kinds = [unit.kind for unit in self.found if unit.kind < _FIRST_OWN]
        return self.whole and not self.rest and len(set(kinds)) == len(kinds)

    def of(self, kind: int) -> Mapping[str, Any]:
        return next((unit.values for unit in self.found if unit.kind == kind), {})

    def fields(self) -> list[dict[str, Any]]:
        """The units in short, up to the first whose length no table gives: of each list its first members."""
        shown: list[dict[str, Any]] = []
        for number, unit in enumerate(self.found):
            if unit.kind == FUEL_CELL:
                after = b"".join(bytes([each.kind]) + each.raw for each in self.found[number + 1 :])
                return [*shown, {"type": _name(unit.kind), "raw": (unit.raw + after + self.rest).hex()}]
            shown.append({"type": _name(unit.kind), **_short(unit)})
        if self.rest:
            shown.append({"type": _name(self.rest[0]), "raw": self.rest[1:].hex()})
        return shown

    def details(self) -> list[dict[str, Any]]:
        """Every value of every unit."""
        return [{"type": _name(unit.kind), **unit.values} for unit in self.found]


def read_units(data: bytes) -> Units:
    reader = _Reader(data)
    found: list[Unit] = []
    while not reader.ended:
        start = reader.at
        kind = reader.number(1)
        if _FIRST_OWN <= kind <= _LAST_OWN:
            read: Callable[[_Reader], dict[str, Any]] = _own
        elif kind in _KINDS:
            read = _KINDS[kind]
        else:
            return Units(tuple(found), data[start:], True)
        try:
            values = read(reader)
        except _CutError:
            # A fuel cell tells its own length, and may tell it wrongly; any other kind is cut because what went
            # before it is of another length than it should be.
            return Units(tuple(found), data[start:], True) if kind == FUEL_CELL else Units((), b"", False)
        found.append(Unit(kind, values, data[start + 1 : reader.at]))
    return Units(tuple(found), b"", True)


class _CutError(Exception):
    """A unit wants more bytes than there are."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def ended(self) -> bool:
        return self.at >= len(self._data)

    def bytes(self, count: int) -> bytes:
        if self.at + count > len(self._data):
            raise _CutError
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big")

    def value(self, size: int, scale: float = 1, offset: float = 0, digits: int = 1) -> Any:
        """raw * scale + offset; None where the vehicle says that it has none."""
        raw = self.number(size)
        if raw >= 256**size - 2:
            return None
        return raw + offset if scale == 1 else round(raw * scale + offset, digits)

    def values(self, count: int, size: int, scale: float = 1, offset: float = 0, digits: int = 1) -> list[Any]:
        """So many values one after the other, as `value` reads them."""
        data = self.bytes(count * size)
        raws = data if size == 1 else unpack(f">{count}H", data)
        missing = 256**size - 2
        if scale == 1:
            return [None if raw >= missing else raw + offset for raw in raws]
        return [None if raw >= missing else round(raw * scale + offset, digits) for raw in raws]

    def count(self, size: int) -> int:
        """How many members follow; none where the vehicle says that it has no value."""
        raw = self.number(size)
        return 0 if raw >= 256**size - 2 else raw


def _vehicle(unit: _Reader) -> dict[str, Any]:
    return {
        "state": unit.value(1),
        "charge": unit.value(1),
        "mode": unit.value(1),
        "speed_kmh": unit.value(2, 0.1),
        "mileage_km": unit.value(4, 0.1),
        "voltage_v": unit.value(2, 0.1),
        "current_a": unit.value(2, 0.1, -1000),
        "soc": unit.value(1),
        "dcdc": unit.value(1),
        "gear": unit.number(1),
        "insulation_kohm": unit.value(2),
        "accel": unit.value(1),
        "brake": unit.value(1),
    }


def _motor(unit: _Reader) -> dict[str, Any]:
    return {
        "no": unit.number(1),
        "state": unit.value(1),
        "ctrl_temp_c": unit.value(1, offset=-40),
        "rpm": unit.value(2, offset=-20000),
        "torque_nm": unit.value(2, 0.1, -2000),
        "temp_c": unit.value(1, offset=-40),
        "voltage_v": unit.value(2, 0.1),
        "current_a": unit.value(2, 0.1, -1000),
    }


def _motors(unit: _Reader) -> dict[str, Any]:
    return {"motors": [_motor(unit) for _ in range(unit.count(1))]}


def _fuel_cell(unit: _Reader) -> dict[str, Any]:
    return {
        "voltage_v": unit.value(2, 0.1),
        "current_a": unit.value(2, 0.1),
        "consumption_kg_100km": unit.value(2, 0.01, digits=2),
        "temps_c": unit.values(unit.count(2), 1, offset=-40),
        "hydrogen_max_temp_c": unit.value(2, 0.1, -40),
        "hydrogen_max_temp_probe": unit.number(1),
        "hydrogen_max_mg_kg": unit.value(2),
        "hydrogen_max_sensor": unit.number(1),
        "hydrogen_max_pressure_mpa": unit.value(2, 0.1),
        "hydrogen_max_pressure_sensor": unit.number(1),
        "dcdc": unit.value(1),
    }


def _engine(unit: _Reader) -> dict[str, Any]:
    return {"state": unit.value(1), "rpm": unit.value(2), "consumption_l_100km": unit.value(2, 0.01, digits=2)}


def _position(unit: _Reader) -> dict[str, Any]:
    state, longitude, latitude = unit.number(1), unit.number(4), unit.number(4)
    return {
        "valid": not state & 1,
        "longitude": (-longitude if state & 4 else longitude) / 1e6,
        "latitude": (-latitude if state & 2 else latitude) / 1e6,
    }


def _extremes(unit: _Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("max_cell", "min_cell"):
        found |= {f"{name}_pack": unit.number(1), f"{name}_no": unit.number(1)}
        found[f"{name}_v"] = unit.value(2, 0.001, digits=3)
    for name in ("max_temp", "min_temp"):
        found |= {f"{name}_pack": unit.number(1), f"{name}_probe": unit.number(1)}
        found[f"{name}_c"] = unit.value(1, offset=-40)
    return found


def _alarms(unit: _Reader) -> dict[str, Any]:
    found: dict[str, Any] = {"level": unit.value(1), "flags": unit.number(4)}
    for name in ("battery_faults", "motor_faults", "engine_faults", "other_faults"):
        found[name] = [unit.number(4) for _ in range(unit.count(1))]
    return found


def _cell_pack(unit: _Reader) -> dict[str, Any]:
    return {
        "no": unit.number(1),
        "voltage_v": unit.value(2, 0.1),
        "current_a": unit.value(2, 0.1, -1000),
        "cells_total": unit.value(2),
        "first_cell": unit.number(2),
        "cells_v": unit.values(unit.count(1), 2, 0.001, digits=3),
    }


def _cells(unit: _Reader) -> dict[str, Any]:
    return {"packs": [_cell_pack(unit) for _ in range(unit.count(1))]}


def _temperature_pack(unit: _Reader) -> dict[str, Any]:
    return {"no": unit.number(1), "temps_c": unit.values(unit.count(2), 1, offset=-40)}


def _temperatures(unit: _Reader) -> dict[str, Any]:
    return {"packs": [_temperature_pack(unit) for _ in range(unit.count(1))]}


def _own(unit: _Reader) -> dict[str, Any]:
    length = unit.number(2)
    return {"length": length, "raw": unit.bytes(length).hex()}


_KINDS: Mapping[int, Callable[[_Reader], dict[str, Any]]] = {
    VEHICLE: _vehicle,
    MOTORS: _motors,
    FUEL_CELL: _fuel_cell,
    ENGINE: _engine,
    POSITION: _position,
    EXTREMES: _extremes,
    ALARMS: _alarms,
    CELLS: _cells,
    TEMPERATURES: _temperatures,
}


def _name(kind: int) -> str:
    return f"0x{kind:02X}"


def _short(unit: Unit) -> dict[str, Any]:
    return _SHORT.get(unit.kind, dict)(unit.values)


def _picked(names: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _short_motors(values: Mapping[str, Any]) -> dict[str, Any]:
    motors = values["motors"]
    return {"count": len(motors), **({"first": motors[0]} if motors else {})}


def _short_cells(values: Mapping[str, Any]) -> dict[str, Any]:
    if not values["packs"]:
        return {}
    pack = values["packs"][0]
    return {
        "pack_voltage_v": pack["voltage_v"],
        "pack_current_a": pack["current_a"],
        "cells_total": pack["cells_total"],
        "cells_in_frame": len(pack["cells_v"]),
        "first_cells_v": pack["cells_v"][:_SHOWN],
    }


def _short_temperatures(values: Mapping[str, Any]) -> dict[str, Any]:
    if not values["packs"]:
        return {}
    temps = values["packs"][0]["temps_c"]
    return {"probes": len(temps), "first_temps_c": temps[:_SHOWN]}


_SHORT: Mapping[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    MOTORS: _short_motors,
    EXTREMES: partial(_picked, ("max_cell_v", "min_cell_v", "max_temp_c", "min_temp_c")),
    ALARMS: partial(_picked, ("level", "flags")),
    CELLS: _short_cells,
    TEMPERATURES: _short_temperatures,
}
