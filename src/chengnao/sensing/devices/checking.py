"""Whether what a person writes about a device can be used by its protocol."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import orjson

from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import METRIC, Device

MOST_POINTS = 1_000
SETTINGS_BYTES = 64 * 1024
"""A register map of a large plant fits in; a file does not."""
_DEEPEST = 6


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise Invalid where the settings are larger or deeper than any protocol's."""
    size = len(orjson.dumps(settings))
    if size > SETTINGS_BYTES:
        raise Invalid(
            "invalid_value",
            field="settings",
            value=f"{size} B",
            reason_zh=f"设备设置最多 {SETTINGS_BYTES // 1024} KiB",
            reason_en=f"settings take {SETTINGS_BYTES // 1024} KiB at most",
        )
    if _depth(settings) > _DEEPEST:
        raise Invalid(
            "invalid_value",
            field="settings",
            value="",
            reason_zh=f"设备设置最多嵌套 {_DEEPEST} 层",
            reason_en=f"settings are nested {_DEEPEST} deep at most",
        )


def _depth(value: Any) -> int:
    within = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    return 0 if within is None else 1 + max(map(_depth, within), default=0)


def check_points(device: Device) -> None:
    """Raise Invalid where a point's name is empty, its metric is no name, or its conversion gives no number."""
    if len(device.points) > MOST_POINTS:
        raise Invalid(
            "invalid_value",
            field="points",
            value=len(device.points),
            reason_zh=f"一台设备最多 {MOST_POINTS} 个点",
            reason_en=f"a device has {MOST_POINTS} points at most",
        )
    for name, point in device.points.items():
        if not name or len(name) > 64 or not METRIC.fullmatch(point.metric):
            raise Invalid(
                "invalid_value",
                field=f"points.{name[:64]}",
                value=point.metric[:80],
                reason_zh="点名为 1 至 64 个字符，指标名以小写字母开头，只含小写字母、数字、_ 和 .",
                reason_en="a point's name has 1 to 64 characters; a metric is a lower-case letter, then lower-case"
                " letters, digits, _ and .",
            )
        if not (isfinite(point.factor) and isfinite(point.offset)) or point.factor == 0:
            raise Invalid(
                "invalid_value",
                field=f"points.{name[:64]}",
                value=f"{point.factor}, {point.offset}",
                reason_zh="系数和偏移应为有限的数，系数不能为 0",
                reason_en="factor and offset are finite numbers, and the factor is not 0",
            )
