"""Register maps of Modbus devices, as data: where a value stands, what it is, and how few reads bring them all."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from chengnao.kernel.errors import Invalid

Table = Literal["holding", "input", "coil", "discrete"]
Type = Literal["int16", "uint16", "int32", "uint32", "float32", "bit"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

_FORMS: Mapping[str, str] = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f"}
_BIT_TABLES = frozenset({"coil", "discrete"})
_LIMITS = {"int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1), "int32": (-(2**31), 2**31 - 1),
           "uint32": (0, 2**32 - 1)}  # fmt: skip
_STRICT = ConfigDict(extra="forbid")


class RegistersInvalid(Invalid):
    """A register map that cannot be used; names the file and what is wrong in it."""


@dataclass(frozen=True, config=_STRICT)
class Register:
    """One value; `low` and `high` bound what may be written, in the unit of the value."""

    table: Table
    address: Annotated[int, Field(ge=0, le=65535)]
    type: Type
    order: Order | None = None
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    scale: float = 1.0
    offset: float = 0.0
    sentinel: tuple[float, ...] = ()
    writable: bool = False
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        bits = self.table in _BIT_TABLES
        if bits != (self.type == "bit" and self.bit is None):
            raise ValueError(
                "a bit of a register needs `bit`, and coils and discrete inputs are of type bit without it"
            )
        if self.writable and (self.table in {"input", "discrete"} or self.bit is not None):
            raise ValueError("only coils and whole holding registers can be writable")
        if self.scale == 0 or not isfinite(self.scale) or not isfinite(self.offset):
            raise ValueError("scale is a number other than 0")
        if self.address + self.size > 65536:
            raise ValueError("it ends beyond register 65535")
        return self

    @property
    def size(self) -> int:
        """Registers, or coils, that it takes."""
        return 2 if self.type in {"int32", "uint32", "float32"} else 1

    def raw(self, words: Sequence[int], order: Order) -> float:
        """The number as it stands in the registers (or the coil), before scale and offset."""
        if self.type == "bit":
            return float(words[0] >> (self.bit or 0) & 1)
        data = _ordered(struct.pack(f">{len(words)}H", *words), self.order or order)
        return float(struct.unpack(_FORMS[self.type], data)[0])

    def words(self, value: float, order: Order) -> list[int]:
        """The registers that hold the value; raises Invalid where it cannot be written."""
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        if not (isfinite(value) and low <= value <= high):
            raise _not_writable(value, f"{low:g} 至 {high:g}", f"{low:g} to {high:g}")
        raw = (value - self.offset) / self.scale
        if self.type == "bit":
            if raw not in {0.0, 1.0}:
                raise _not_writable(value, "0 或 1", "0 or 1")
            return [int(raw)]
        if self.type != "float32":
            least, most = _LIMITS[self.type]
            if not least <= round(raw) <= most:
                raise _not_writable(value, f"{self.type} 能表示的数", f"what {self.type} can hold")
            raw = round(raw)
        try:
            data = struct.pack(_FORMS[self.type], raw)
        except OverflowError:
            raise _not_writable(value, "float32 能表示的数", "what float32 can hold") from None
        return list(struct.unpack(f">{self.size}H", _ordered(data, self.order or order)))


class Read(NamedTuple):
    """One request: so many registers (or bits) of a table, and the points that stand in them."""

    table: Table
    address: int
    size: int
    points: tuple[str, ...]


@dataclass(frozen=True, config=_STRICT)
class RegisterMap:
    name: str
    title: Mapping[str, str]
    registers: Annotated[Mapping[str, Register], Field(min_length=1, max_length=2000)]
    order: Order = "ABCD"
    max_gap: Annotated[int, Field(ge=0, le=100)] = 8
    max_count: Annotated[int, Field(ge=2, le=125)] = 125

    def reads(self, apart: frozenset[str] = frozenset()) -> list[Read]:
        """As few requests as bring all values; those of the points in `apart` are read by themselves."""
        found: list[Read] = []
        for table in ("holding", "input", "coil", "discrete"):
            mine = [(each.address, each.size, point) for point, each in self.registers.items() if each.table == table]
            most = self.max_count * 16 if table in _BIT_TABLES else self.max_count
            found += _joined(table, sorted(mine), self.max_gap, most, apart)
        return found

    def values(self, read: Read, words: Sequence[int]) -> Iterable[tuple[str, float, bool]]:
        """Point, value, and whether the device says that it holds one; what is no finite number is left out."""
        for point in read.points:
            register = self.registers[point]
            start = register.address - read.address
            raw = register.raw(words[start : start + register.size], self.order)
            if isfinite(raw):
                yield point, raw * register.scale + register.offset, raw not in register.sentinel


def _joined(
    table: Table, mine: Sequence[tuple[int, int, str]], gap: int, most: int, apart: frozenset[str]
) -> list[Read]:
    reads: list[Read] = []
    alone = True
    for address, size, point in mine:
        last = reads[-1] if reads else None
        end = max(address + size, last.address + last.size) if last else 0
        near = last is not None and address - (last.address + last.size) <= gap and end - last.address <= most
        if last is None or alone or point in apart or not near:
            reads.append(Read(table, address, size, (point,)))
        else:
            reads[-1] = Read(table, last.address, end - last.address, (*last.points, point))
        alone = point in apart
    return reads


def load_maps(home: Path | None = None) -> Mapping[str, RegisterMap]:
    """The maps of the package and those in `registers/` of the data folder, by the names of their files.

    Raises RegistersInvalid for one that cannot be used.
    """
    found: dict[str, RegisterMap] = {}
    folder = files("chengnao.sensing.devices").joinpath("registers")
    for each in sorted(folder.iterdir(), key=lambda file: file.name):
        if each.name.endswith(".yaml"):
            found[each.name[:-5]] = _read(each.name[:-5], each.read_text("utf-8"), each.name)
    if home is not None:
        for path in sorted((home / "registers").glob("*.yaml")):
            found[path.stem] = _read(path.stem, path.read_text("utf-8"), str(path))
    return found


def _read(name: str, text: str, file: str) -> RegisterMap:
    try:
        given = yaml.safe_load(text)
        return TypeAdapter(RegisterMap).validate_python({**given, "name": name})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise RegistersInvalid("registers_invalid", file=file, reason=str(error)[:300]) from error


def _ordered(data: bytes, order: Order) -> bytes:
    """Between the order on the wire and ABCD; the same way there and back."""
    if order in {"BADC", "DCBA"}:
        data = b"".join(data[place : place + 2][::-1] for place in range(0, len(data), 2))
    if order in {"CDAB", "DCBA"} and len(data) == 4:
        data = data[2:] + data[:2]
    return data


def _not_writable(value: float, wanted_zh: str, wanted_en: str) -> Invalid:
    return Invalid(
        "invalid_value",
        field="value",
        value=value,
        reason_zh=f"应为{wanted_zh}",
        reason_en=f"it must be {wanted_en}",
    )
