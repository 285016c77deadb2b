"""What the centre may ask of an SL 651-2014 station, and what stands in the body of each question."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.sl651_elements import BY_NAME, ELEMENTS


def _nothing(arguments: Mapping[str, Any]) -> bytes:
    return b""


def _elements(arguments: Mapping[str, Any]) -> bytes:
    """`elements`: ASCII identifiers (`Z`) or hex ones (`39`)."""
    names = arguments.get("elements")
    if not isinstance(names, list) or not 0 < len(names) <= 64:
        raise _element_unknown(names)
    return b"".join(_identifier(name) for name in names)


def _period(arguments: Mapping[str, Any]) -> bytes:
    """`element`, `start` and `end` (ISO 8601 with a zone, whole hours), `step_minutes`."""
    start, end = _hour(arguments.get("start"), "start"), _hour(arguments.get("end"), "end")
    step = arguments.get("step_minutes", 60)
    if not isinstance(step, int) or isinstance(step, bool) or not 1 <= step <= 1440:
        raise Invalid(
            "invalid_value",
            field="step_minutes",
            value=step,
            reason_zh="时间步长应为 1 至 1440 分钟的整数",
            reason_en="the step is a whole number of 1 to 1440 minutes",
        )
    days, minutes = divmod(step, 1440)
    coded = bytes.fromhex(f"{days:02d}{minutes // 60:02d}{minutes % 60:02d}")
    return start + end + b"\x04\x18" + coded + _identifier(arguments.get("element"))


def _hour(given: Any, name: str) -> bytes:
    try:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is None:
            raise ValueError("no zone")
    except (TypeError, ValueError):
        raise Invalid(
            "invalid_value",
            field=name,
            value=given,
            reason_zh="应为带时区的 ISO 8601 时间",
            reason_en="an ISO 8601 time with a zone is wanted",
        ) from None
    return bytes.fromhex(moment.astimezone(CST).strftime("%y%m%d%H"))


def _identifier(name: Any) -> bytes:
    known = BY_NAME.get(name) if isinstance(name, str) else None
    if known is None and isinstance(name, str) and len(name) == 2 and is_hex(name):
        known = ELEMENTS.get(int(name, 16))
    if known is None:
        raise _element_unknown(name)
    return bytes((known.code, known.definition))


def _element_unknown(name: Any) -> Invalid:
    return Invalid(
        "invalid_value",
        field="elements",
        value=name,
        reason_zh="应为要素标识符，如 Z 或 39",
        reason_en="identifiers of elements are wanted, such as Z or 39",
    )


class Order(NamedTuple):
    """A command of the centre: its function, and what stands in its body after serial and time."""

    function: int
    body: Callable[[Mapping[str, Any]], bytes] = _nothing


COMMANDS = {
    "take_picture": Order(0x36),
    "read_now": Order(0x37),
    "read_period": Order(0x38, _period),
    "read_text": Order(0x39),
    "read_elements": Order(0x3A, _elements),
    "read_version": Order(0x45),
    "read_state": Order(0x46),
    "set_clock": Order(0x4A),
    "read_events": Order(0x50),
    "read_clock": Order(0x51),
}
"""`set_clock` needs no argument: the station takes the time of the frame. What changes a station's configuration,
storage, pumps, valves or gates (40 to 44, 47 to 4F) is not given."""


def is_hex(text: str) -> bool:
    """Whether all of it are hexadecimal digits."""
    return all(each in "0123456789abcdefABCDEF" for each in text)
