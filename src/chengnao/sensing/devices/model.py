"""A device: what it is, whose it is, where it stands. Classes of devices are data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

import yaml

from chengnao.kernel.errors import Invalid

MISSED_INTERVALS = 3
"""A device is offline once this many of its intervals have passed without a reading."""

_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:-]{0,63}")
METRIC_SHAPE = r"^[a-z][a-z0-9_.]{0,63}$"
METRIC = re.compile(METRIC_SHAPE)


class Protocol(StrEnum):
    """How a device's readings come in."""

    HTTP = "http"
    MQTT = "mqtt"
    HJ212 = "hj212"
    JT808 = "jt808"
    SL651 = "sl651"
    GB26875 = "gb26875"
    MODBUS = "modbus"
    SPARKPLUG = "sparkplug"
    DLT645 = "dlt645"
    CJT188 = "cjt188"
    GB32960 = "gb32960"
    LORAWAN = "lorawan"
    GB28181 = "gb28181"
    COAP = "coap"


class Life(StrEnum):
    """Where a device stands between being planned and being gone."""

    PLANNED = "planned"
    IN_SERVICE = "in_service"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"

    @property
    def on_duty(self) -> bool:
        """Whether its values count. What is being installed or repaired is kept and marked as calibrating, and is
        neither warned of nor missed."""
        return self is Life.IN_SERVICE


LIVES: Mapping[Life, frozenset[Life]] = {
    Life.PLANNED: frozenset({Life.IN_SERVICE, Life.RETIRED}),
    Life.IN_SERVICE: frozenset({Life.MAINTENANCE, Life.RETIRED}),
    Life.MAINTENANCE: frozenset({Life.IN_SERVICE, Life.RETIRED}),
    Life.RETIRED: frozenset(),
}
"""What may follow what. A device that is gone stays on record; the one that follows it is another device."""


class Status(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    FAULTY = "faulty"


@dataclass(frozen=True)
class Metric:
    """What a class of devices measures."""

    code: str
    name_zh: str
    name_en: str
    unit: str
    low: float
    high: float
    stuck_seconds: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """What a protocol's name for a value stands for: `metric` = value * `factor` + `offset`."""

    metric: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class DeviceClass:
    """What devices of one kind have in common."""

    code: str
    name_zh: str
    name_en: str
    interval_seconds: int
    metrics: Mapping[str, Metric]
    points: Mapping[Protocol, Mapping[str, Point]]
    """What a protocol's points stand for where the device itself does not say: protocol -> its name -> point."""


@dataclass(frozen=True)
class Fault:
    """A fault of the device itself that stands; `metric` is empty where the whole device is meant."""

    metric: str
    kind: str
    since: datetime
    value: float | None = None
    """At which the metric is stuck."""


@dataclass(frozen=True)
class Device:
    """A registered device. `address` is its name in its protocol where that is not its id (HJ 212: MN)."""

    id: str
    name: str
    class_code: str
    division_code: str
    unit_id: str | None
    protocol: Protocol
    address: str | None
    lon: float | None
    lat: float | None
    place_ok: bool
    interval_seconds: int
    faults: tuple[Fault, ...] = field(default=())
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its protocol needs to know of it; the protocol's page says which keys there are."""
    points: Mapping[str, Point] = field(default_factory=dict)
    """Its own points, by the protocol's name; they go before those of its class."""
    life: Life = Life.IN_SERVICE
    owner: str = ""
    """To whom it belongs, where that is not the unit that answers for it."""
    vendor: str = ""
    model: str = ""
    serial: str = ""
    upkeep_due: date | None = None

    def status(self, last_seen: datetime | None, now: datetime) -> Status:
        if self.faults:
            return Status.FAULTY
        patience = timedelta(seconds=self.interval_seconds * MISSED_INTERVALS)
        return Status.ONLINE if last_seen is not None and now - last_seen <= patience else Status.OFFLINE


def check_device_id(device_id: str) -> str:
    """The id, where it is 1 to 64 letters, digits, `_`, `:` or `-`; raises Invalid otherwise."""
    if not _DEVICE_ID.fullmatch(device_id):
        raise Invalid(
            "invalid_value",
            field="id",
            value=device_id[:80],
            reason_zh="设备编号应为 1 至 64 位字母、数字、_、: 或 -，以字母或数字开头",
            reason_en="a device id is 1 to 64 letters, digits, _, : or -, beginning with a letter or digit",
        )
    return device_id


def search_keys(*texts: str | None) -> list[str]:
    """Every two characters that follow one another in the texts, in lower case: what a search narrows by."""
    text = "\n".join(text for text in texts if text).lower()
    return sorted({text[place : place + 2] for place in range(max(len(text) - 1, 1))})


def place_of(lon: object, lat: object) -> tuple[float | None, float | None, bool]:
    """Longitude, latitude, and whether they are a place. A broken coordinate is kept as far as it is a number."""
    numbers = [_number(lon), _number(lat)]
    ok = (
        numbers[0] is not None
        and numbers[1] is not None
        and abs(numbers[0]) <= 180
        and abs(numbers[1]) <= 90
        and (numbers[0], numbers[1]) != (0.0, 0.0)  # what a receiver without a fix reports
    )
    return numbers[0], numbers[1], ok


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


@cache
def device_classes() -> Mapping[str, DeviceClass]:
    """All classes by code; raises ValueError where the data file contradicts itself."""
    text = files("chengnao.sensing.devices").joinpath("classes.yaml").read_text("utf-8")
    return {entry["code"]: _device_class(entry) for entry in yaml.safe_load(text)}


def device_class(code: str) -> DeviceClass:
    """The class with the code; raises Invalid naming the known ones."""
    found = device_classes().get(code)
    if found is None:
        known = "、".join(device_classes())
        raise Invalid(
            "invalid_value",
            field="class_code",
            value=code,
            reason_zh=f"没有这种设备类型，可用的有：{known}",
            reason_en=f"there is no such class; known: {', '.join(device_classes())}",
        )
    return found


def _device_class(entry: Mapping[str, Any]) -> DeviceClass:
    metrics = {}
    for code, each in entry["metrics"].items():
        low, high = each["range"]
        if not re.fullmatch(METRIC_SHAPE, code) or low >= high:
            raise ValueError(f"device class {entry['code']}: metric {code} is malformed")
        stuck = each["stuck_seconds"]
        metrics[code] = Metric(
            code, each["zh"], each["en"], each["unit"], float(low), float(high), None if stuck is None else float(stuck)
        )
    points = {
        Protocol(protocol): {str(name): point_of(given) for name, given in mapped.items()}
        for protocol, mapped in entry.get("points", {}).items()
    }
    unknown = {point.metric for mapped in points.values() for point in mapped.values()} - metrics.keys()
    if unknown:
        raise ValueError(f"device class {entry['code']}: points lead to unknown metrics {sorted(unknown)}")
    return DeviceClass(
        entry["code"], entry["name"]["zh"], entry["name"]["en"], entry["interval_seconds"], metrics, points
    )


def point_of(given: Any) -> Point:
    """A point as data files and the API write it: the metric alone, or `{metric, factor, offset}`."""
    return Point(given) if isinstance(given, str) else Point(**given)
