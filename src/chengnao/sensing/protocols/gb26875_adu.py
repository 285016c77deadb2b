"""The application data of GB/T 26875.3-2011: types, objects, flags, names; and its times, binary or BCD."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chengnao.kernel.clock import CST

NEAR = timedelta(days=1)

(
    SYSTEM_STATE, COMPONENT_STATE, ANALOGUE, OPERATION, VERSION, SYSTEM_CONFIG, COMPONENT_CONFIG, SYSTEM_TIME,
) = range(1, 9)  # fmt: skip
DEVICE_STATE, DEVICE_OPERATION, DEVICE_VERSION, DEVICE_CONFIG, DEVICE_TIME = 21, 24, 25, 26, 28
SYNC_CLOCK, CALL_DUTY = 90, 91
VENDOR = 128

TYPES = {
    1: "建筑消防设施系统状态 / state of a system",
    2: "建筑消防设施部件运行状态 / state of a component",
    3: "建筑消防设施部件模拟量值 / analogue value of a component",
    4: "建筑消防设施操作信息 / operation",
    5: "建筑消防设施软件版本 / software version",
    6: "建筑消防设施系统配置情况 / configuration of a system",
    7: "建筑消防设施部件配置情况 / configuration of a component",
    8: "建筑消防设施系统时间 / clock",
    21: "用户信息传输装置运行状态 / state of the transmission device",
    24: "用户信息传输装置操作信息 / operation of the transmission device",
    25: "用户信息传输装置软件版本 / version of the transmission device",
    26: "用户信息传输装置配置情况 / configuration of the transmission device",
    28: "用户信息传输装置系统时间 / clock of the transmission device",
    61: "读建筑消防设施系统状态 / read the state of a system",
    62: "读建筑消防设施部件运行状态 / read the state of a component",
    63: "读建筑消防设施部件模拟量值 / read an analogue value",
    64: "读建筑消防设施操作信息 / read operations",
    65: "读建筑消防设施软件版本 / read the version",
    66: "读建筑消防设施系统配置情况 / read the configuration of a system",
    67: "读建筑消防设施部件配置情况 / read the configuration of a component",
    68: "读建筑消防设施系统时间 / read the clock",
    81: "读用户信息传输装置运行状态 / read the state of the device",
    84: "读用户信息传输装置操作信息 / read operations of the device",
    85: "读用户信息传输装置软件版本 / read the version of the device",
    86: "读用户信息传输装置配置情况 / read the configuration of the device",
    88: "读用户信息传输装置系统时间 / read the clock of the device",
    89: "初始化用户信息传输装置 / initialise the device",
    90: "同步用户信息传输装置时钟 / set the clock of the device",
    91: "查岗命令 / call the person on duty",
}

COMPONENT_FLAGS = ("normal", "fire", "fault", "shield", "supervise", "start", "feedback", "delay", "power_fault")
SYSTEM_FLAGS = (
    *COMPONENT_FLAGS[:8], "main_power_fault", "backup_power_fault", "bus_fault", "manual", "config_changed", "reset",
)  # fmt: skip
DEVICE_FLAGS = (
    "normal", "fire", "fault", "main_power_fault", "backup_power_fault", "channel_fault", "line_fault",
)  # fmt: skip
OPERATION_FLAGS = ("reset", "mute", "manual_alarm", "alarm_cleared", "self_test", "confirm", "test")
"""Bits from the lowest; for the device's own operations, `confirm` answers the call for the person on duty."""

SYSTEMS = {
    0: "通用", 1: "火灾报警系统", 10: "消防联动控制器", 11: "消火栓系统", 12: "自动喷水灭火系统", 13: "气体灭火系统",
    14: "水喷雾灭火系统(泵启动)", 15: "水喷雾灭火系统(压力容器启动)", 16: "泡沫灭火系统", 17: "干粉灭火系统",
    18: "防烟排烟系统", 19: "防火门及卷帘系统", 20: "消防电梯", 21: "消防应急广播", 22: "消防应急照明和疏散指示系统",
    23: "消防电源", 24: "消防电话",
}  # fmt: skip

COMPONENTS = {
    0: "通用", 1: "火灾报警控制器", 10: "可燃气体探测器", 11: "点型可燃气体探测器", 12: "独立式可燃气体探测器",
    13: "线型可燃气体探测器", 16: "电气火灾监控报警器", 17: "剩余电流式电气火灾监控探测器",
    18: "测温式电气火灾监控探测器", 21: "探测回路", 22: "火灾显示盘", 23: "手动火灾报警按钮", 24: "消火栓按钮",
    25: "火灾探测器", 30: "感温火灾探测器", 31: "点型感温火灾探测器", 32: "点型感温火灾探测器(S型)",
    33: "点型感温火灾探测器(R型)", 34: "线型感温火灾探测器", 35: "线型感温火灾探测器(S型)",
    36: "线型感温火灾探测器(R型)", 37: "光纤感温火灾探测器", 40: "感烟火灾探测器", 41: "点型离子感烟火灾探测器",
    42: "点型光电感烟火灾探测器", 43: "线型光束感烟火灾探测器", 44: "吸气式感烟火灾探测器", 50: "复合式火灾探测器",
    51: "复合式感烟感温火灾探测器", 52: "复合式感光感温火灾探测器", 53: "复合式感光感烟火灾探测器",
    61: "紫外火焰探测器", 62: "红外火焰探测器", 69: "感光火灾探测器", 74: "气体探测器", 78: "图像摄像方式火灾探测器",
    79: "感声火灾探测器", 81: "气体灭火控制器", 82: "消防电气控制装置", 83: "消防控制室图形显示装置", 84: "模块",
    85: "输入模块", 86: "输出模块", 87: "输入/输出模块", 88: "中继模块", 91: "消防水泵", 92: "消防水箱", 95: "喷淋泵",
    96: "水流指示器", 97: "信号阀", 98: "报警阀", 99: "压力开关", 101: "阀驱动装置", 102: "防火门", 103: "防火阀",
    104: "通风空调", 105: "泡沫液泵", 106: "管网电磁阀", 111: "防烟排烟风机", 113: "排烟防火阀", 114: "常闭送风口",
    115: "排烟口", 116: "电控挡烟垂壁", 117: "防火卷帘控制器", 118: "防火门监控器", 121: "警报装置",
}  # fmt: skip


class Scale(NamedTuple):
    """What an analogue value is: its point, the unit, and how much one step stands for."""

    point: str
    unit: str
    step: float


ANALOGUES = {
    1: Scale("count", "", 1),
    2: Scale("height", "m", 0.01),
    3: Scale("temperature", "℃", 0.1),
    4: Scale("pressure_mpa", "MPa", 0.1),
    5: Scale("pressure_kpa", "kPa", 0.1),
    6: Scale("gas", "%LEL", 0.1),
    7: Scale("seconds", "s", 1),
    8: Scale("voltage", "V", 0.1),
    9: Scale("current", "A", 0.1),
    10: Scale("flow", "L/s", 0.1),
    11: Scale("air_flow", "m³/min", 0.1),
    12: Scale("air_speed", "m/s", 1),
}

_SYSTEM, _COMPONENT = ("system_type", "system_addr"), ("component_type", "component_address")
_LAYOUTS: dict[int, tuple[str, tuple[str, ...]]] = {
    SYSTEM_STATE: ("<BBH6s", (*_SYSTEM, "status", "time")),
    COMPONENT_STATE: ("<BBBIH31s6s", (*_SYSTEM, *_COMPONENT, "status", "description", "time")),
    ANALOGUE: ("<BBBIBh6s", (*_SYSTEM, *_COMPONENT, "analogue", "value", "time")),
    OPERATION: ("<BBBB6s", (*_SYSTEM, "status", "operator", "time")),
    VERSION: ("<BBBB", (*_SYSTEM, "main", "sub")),
    COMPONENT_CONFIG: ("<BBBI31s", (*_SYSTEM, *_COMPONENT, "description")),
    SYSTEM_TIME: ("<BB6s", (*_SYSTEM, "time")),
    DEVICE_STATE: ("<B6s", ("status", "time")),
    DEVICE_OPERATION: ("<BB6s", ("status", "operator", "time")),
    DEVICE_VERSION: ("<BB", ("main", "sub")),
    DEVICE_TIME: ("<6s", ("time",)),
}
_FLAGS = {
    SYSTEM_STATE: SYSTEM_FLAGS, COMPONENT_STATE: COMPONENT_FLAGS, OPERATION: OPERATION_FLAGS,
    DEVICE_STATE: DEVICE_FLAGS, DEVICE_OPERATION: OPERATION_FLAGS,
}  # fmt: skip


@dataclass(slots=True)
class Item:
    """One object: its numbers by name, its text, and the bytes of its time."""

    numbers: dict[str, int] = field(default_factory=dict)
    description: str = ""
    time: bytes = b""

    def flags(self, kind: int) -> dict[str, bool]:
        """What each bit of its status says, by name; empty where the type has none."""
        status = self.numbers.get("status", 0)
        return {name: bool(status >> bit & 1) for bit, name in enumerate(_FLAGS.get(kind, ()))}

    def fields(self, kind: int) -> dict[str, Any]:
        found: dict[str, Any] = dict(self.numbers)
        if self.description:
            found["description"] = self.description
        if self.time:
            found["event_time_bytes"] = self.time.hex()
            moment, _ = read_time(self.time)
            found["event_time"] = None if moment is None else moment.isoformat()
        if kind in _FLAGS:
            found["flags"] = [name for name, is_set in self.flags(kind).items() if is_set]
        if "system_type" in self.numbers:
            found["system_title"] = SYSTEMS.get(self.numbers["system_type"], "")
        if "component_type" in self.numbers:
            found["component_title"] = COMPONENTS.get(self.numbers["component_type"], "")
        scale = ANALOGUES.get(self.numbers.get("analogue", 0))
        if scale is not None:
            found |= {"measured": scale.point, "number": self.measured, "unit": scale.unit}
        return found

    @property
    def measured(self) -> float | None:
        """The analogue value in its unit; None where the type of value is not known."""
        scale = ANALOGUES.get(self.numbers.get("analogue", 0))
        return None if scale is None else round(self.numbers["value"] * scale.step, 6)


@dataclass(slots=True)
class Unit:
    """The application data of one frame."""

    kind: int
    count: int
    items: list[Item]
    warnings: list[str]

    @property
    def whole(self) -> bool:
        """Every object that it promises is there."""
        return "objects_missing" not in self.warnings


def read_unit(data: bytes) -> Unit | None:
    """The application data; None where there is none. Never raises."""
    if len(data) < 2:
        return None
    unit = Unit(data[0], data[1], [], [])
    rest = data[2:]
    if unit.kind in _LAYOUTS or unit.kind in {SYSTEM_CONFIG, DEVICE_CONFIG}:
        bare = _without_time(unit.kind, unit.count, rest)
        if bare:
            unit.warnings.append("objects_without_time")
        for item, left in _items(unit.kind, unit.count, rest, bare=bare):
            unit.items.append(item)
            rest = left
        if len(unit.items) < unit.count:
            unit.warnings.append("objects_missing")
        elif rest:
            unit.warnings.append("bytes_after_objects")
        if any(read_time(item.time)[1] for item in unit.items if item.time):
            unit.warnings.append("bcd_time")
    return unit


def _without_time(kind: int, count: int, rest: bytes) -> bool:
    """Whether the objects leave out their times, as some devices do: the label of the frame stands for them."""
    layout, names = _LAYOUTS.get(kind, ("", ()))
    return names[-1:] == ("time",) and len(names) > 1 and 0 < len(rest) == count * (struct.calcsize(layout) - 6)


def _items(kind: int, count: int, rest: bytes, *, bare: bool) -> Iterator[tuple[Item, bytes]]:
    for _ in range(count):
        described = kind in {SYSTEM_CONFIG, DEVICE_CONFIG}
        found = _text_item(kind, rest) if described else _plain_item(kind, rest, bare=bare)
        if found is None:
            return
        yield found
        rest = found[1]


def _plain_item(kind: int, data: bytes, *, bare: bool) -> tuple[Item, bytes] | None:
    layout, names = _LAYOUTS[kind]
    if bare:
        layout, names = layout.removesuffix("6s"), names[:-1]
    size = struct.calcsize(layout)
    if len(data) < size:
        return None
    item = Item()
    for name, value in zip(names, struct.unpack(layout, data[:size]), strict=True):
        if name == "time":
            item.time = value
        elif name == "description":
            item.description = _text(value)
        else:
            item.numbers[name] = value
    return item, data[size:]


def _text_item(kind: int, data: bytes) -> tuple[Item, bytes] | None:
    """A description with its length before it, for a system after its type and address."""
    item = Item()
    if kind == SYSTEM_CONFIG:
        if len(data) < 3:
            return None
        item.numbers = {"system_type": data[0], "system_addr": data[1]}
        data = data[2:]
    if not data or len(data) < 1 + data[0]:
        return None
    item.description = _text(data[1 : 1 + data[0]])
    return item, data[1 + data[0] :]


def _text(data: bytes) -> str:
    return data.rstrip(b"\x00").decode("gb18030", "replace").replace("\x00", "").strip()


def read_time(data: bytes, now: datetime | None = None) -> tuple[datetime | None, bool]:
    """The instant in six bytes, seconds first, and whether they are BCD.

    Binary where the bytes are a time that way; some devices write BCD. Where both are times, the one that lies within
    a day of `now` is meant.
    """
    binary = _moment([*data])
    text = data.hex()
    coded = _moment([int(text[at : at + 2]) for at in range(0, len(text), 2)]) if text.isdigit() else None
    if binary is None or coded is None:
        return (coded, True) if binary is None and coded is not None else (binary, False)
    if now is not None and abs(coded - now) <= NEAR < abs(binary - now):
        return coded, True
    return binary, False


def _moment(parts: list[int]) -> datetime | None:
    if len(parts) != 6 or parts[5] > 99:
        return None
    second, minute, hour, day, month, year = parts
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CST)
    except ValueError:
        return None


def time_bytes(moment: datetime, *, bcd: bool = False) -> bytes:
    """An instant as the protocol writes it."""
    local = moment.astimezone(CST)
    parts = (local.second, local.minute, local.hour, local.day, local.month, local.year % 100)
    return bytes(int(f"{part:02d}", 16) if bcd else part for part in parts)
