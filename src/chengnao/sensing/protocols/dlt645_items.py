"""Data of electricity meters by its identifiers: DL/T 645-2007 (four bytes) and 1997 (two bytes)."""

from collections.abc import Iterator
from typing import NamedTuple


class Kind(NamedTuple):
    """How values of a group are written: BCD, low byte first."""

    width: int
    decimals: int
    unit: str
    title_zh: str
    title_en: str
    signed: bool = False
    """The highest bit is the sign."""


class Item(NamedTuple):
    """One value; None where the meter does not have it (FF) or what stands there is no BCD."""

    di: str
    value: float | None
    kind: Kind


_ENERGIES = (
    ("组合有功电能", "energy combined", "kWh", True), ("正向有功电能", "energy taken", "kWh", False),
    ("反向有功电能", "energy given", "kWh", False), ("组合无功 1 电能", "reactive energy 1", "kvarh", True),
    ("组合无功 2 电能", "reactive energy 2", "kvarh", True), ("第一象限无功电能", "quadrant 1", "kvarh", False),
    ("第二象限无功电能", "quadrant 2", "kvarh", False), ("第三象限无功电能", "quadrant 3", "kvarh", False),
    ("第四象限无功电能", "quadrant 4", "kvarh", False), ("正向视在电能", "apparent energy taken", "kVAh", False),
    ("反向视在电能", "apparent energy given", "kVAh", False),
)  # fmt: skip

_VARIABLES = {
    0x01: Kind(2, 1, "V", "电压", "voltage"),
    0x02: Kind(3, 3, "A", "电流", "current", True),
    0x03: Kind(3, 4, "kW", "有功功率", "active power", True),
    0x04: Kind(3, 4, "kvar", "无功功率", "reactive power", True),
    0x05: Kind(3, 4, "kVA", "视在功率", "apparent power", True),
    0x06: Kind(2, 3, "", "功率因数", "power factor", True),
    0x07: Kind(2, 1, "°", "相角", "phase angle"),
    0x08: Kind(2, 2, "%", "电压波形失真度", "voltage distortion"),
    0x09: Kind(2, 2, "%", "电流波形失真度", "current distortion"),
    0x0A: Kind(2, 2, "%", "电压谐波含量", "voltage harmonic"),
    0x0B: Kind(2, 2, "%", "电流谐波含量", "current harmonic"),
}
_FROM_TOTAL = frozenset({0x03, 0x04, 0x05, 0x06})
"""Blocks of these begin with the total, the others with phase A."""

_EXTRAS = {
    0x01: Kind(3, 3, "A", "零线电流", "neutral current", True),
    0x02: Kind(2, 2, "Hz", "电网频率", "frequency"),
    0x03: Kind(3, 4, "kW", "一分钟有功平均功率", "active power, mean of a minute", True),
    0x04: Kind(3, 4, "kW", "当前有功需量", "active demand", True),
    0x05: Kind(3, 4, "kvar", "当前无功需量", "reactive demand", True),
    0x06: Kind(3, 4, "kVA", "当前视在需量", "apparent demand", True),
    0x07: Kind(2, 1, "℃", "表内温度", "temperature inside", True),
    0x08: Kind(2, 2, "V", "时钟电池电压", "clock battery"),
    0x09: Kind(2, 2, "V", "停电抄表电池电压", "reading battery"),
    0x0A: Kind(4, 0, "min", "内部电池工作时间", "battery minutes"),
    0x0B: Kind(4, 4, "元/kWh", "当前阶梯电价", "price"),
}

_OLD = {
    0xB61: Kind(2, 0, "V", "电压", "voltage"),
    0xB62: Kind(2, 2, "A", "电流", "current"),
    0xB63: Kind(3, 4, "kW", "有功功率", "active power"),
    0xB64: Kind(2, 2, "kvar", "无功功率", "reactive power"),
    0xB65: Kind(2, 3, "", "功率因数", "power factor"),
}


def kind_of(di: str) -> Kind | None:
    """How the values with the identifier are written; None where it is not one of a number."""
    return _new_kind(di) if len(di) == 8 else _old_kind(di)


def read_items(di: str, data: bytes) -> Iterator[Item]:
    """The values that an answer holds, block or single; nothing where they do not fit the identifier."""
    kind = kind_of(di)
    if kind is None or not data or len(data) % kind.width:
        return
    names = [di]
    if is_block(di):
        names = _block(di, len(data) // kind.width)
    elif len(data) != kind.width:
        return
    for number, name in enumerate(names):
        yield Item(name, read_bcd(data[number * kind.width : (number + 1) * kind.width], kind), kind)


def is_block(di: str) -> bool:
    """Whether it asks for a whole group."""
    return di[4:6].upper() == "FF" if len(di) == 8 else di.upper().endswith("F")


def read_bcd(data: bytes, kind: Kind) -> float | None:
    """A value, low byte first."""
    if not data.strip(b"\xff"):
        return None
    negative = kind.signed and bool(data[-1] & 0x80)
    digits = (data[:-1] + bytes((data[-1] & 0x7F,)) if negative else data)[::-1].hex()
    if not digits.isdigit():
        return None
    value: float = int(digits) / 10**kind.decimals
    return -value if negative else value


def _block(di: str, count: int) -> list[str]:
    if len(di) == 4:
        start = 0 if int(di[:3], 16) not in {0xB61, 0xB62} else 1
        return [f"{di[:3]}{start + number:X}" for number in range(count)]
    group = bytes.fromhex(di)
    start = 1 if group[0] == 0x02 and group[1] not in _FROM_TOTAL else 0
    return [f"{di[:4]}{start + number:02X}{di[6:]}" for number in range(count)]


def _new_kind(di: str) -> Kind | None:
    try:
        group, kind, part, _ = bytes.fromhex(di)
    except ValueError:
        return None
    if group == 0x00:
        number = kind % 0x14 if kind < 0x50 else len(_ENERGIES)  # all phases together, then A, B, C 14H apart
        known = number < len(_ENERGIES) and (number > 0 or kind == 0) and (part <= 0x3F or part == 0xFF)
        zh, en, unit, signed = _ENERGIES[number] if known else ("", "", "", False)
        return Kind(4, 2, unit, zh, en, signed) if known else None
    if group == 0x02 and kind in _VARIABLES and (part <= 0x03 or part == 0xFF):
        return _VARIABLES[kind]
    return _EXTRAS.get(bytes.fromhex(di)[3]) if di[:6] == "028000" else None


def _old_kind(di: str) -> Kind | None:
    try:
        group = int(di[:3], 16)
    except ValueError:
        return None
    if group in {0x901, 0x902, 0x911, 0x912, 0x941, 0x942, 0x951, 0x952}:  # now, and at the end of last month
        given = group % 2 == 0
        reactive = group in {0x911, 0x912, 0x951, 0x952}
        title = ("反向" if given else "正向") + ("无功电能" if reactive else "有功电能")
        return Kind(4, 2, "kvarh" if reactive else "kWh", title, "energy given" if given else "energy taken")
    return _OLD.get(group)
