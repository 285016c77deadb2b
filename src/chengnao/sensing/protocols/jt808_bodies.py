"""JT/T 808: what stands in the body of a message, by its id. A body that does not fit its message stays raw."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.jt808_location import Location, read_location

ACK, HEARTBEAT, LOGOUT, REGISTER, AUTHENTICATE = 0x0001, 0x0002, 0x0003, 0x0100, 0x0102
PARAMETERS, ATTRIBUTES, LOCATION, LOCATION_ANSWER, BATCH = 0x0104, 0x0107, 0x0200, 0x0201, 0x0704
DRIVER, MEDIA, PASSED_THROUGH, MEDIA_LIST = 0x0702, 0x0801, 0x0900, 0x1205
PLATFORM_ACK, REGISTER_ANSWER, ASK_PARTS = 0x8001, 0x8100, 0x8003
SET_PARAMETERS, QUERY_PARAMETERS, QUERY_ATTRIBUTES, QUERY_LOCATION, TEXT = 0x8103, 0x8104, 0x8107, 0x8201, 0x8300

MEDIA_HEAD = 36


class Width(NamedTuple):
    """Bytes of maker, model and terminal id in a registration."""

    maker: int
    model: int
    terminal: int

    @property
    def fixed(self) -> int:
        return 5 + self.maker + self.model + self.terminal


WIDTHS = {"2019": Width(11, 30, 30), "2013": Width(5, 20, 7), "2011": Width(5, 8, 7)}
_COLOURS = frozenset({*range(10), *range(91, 100)})

PARAMETER_TYPES: Mapping[int, tuple[str, int]] = {
    0x0001: ("heartbeat_seconds", 4),
    0x0020: ("report_strategy", 4),
    0x0027: ("sleep_interval_seconds", 4),
    0x0028: ("alarm_interval_seconds", 4),
    0x0029: ("interval_seconds", 4),
    0x002C: ("interval_metres", 4),
    0x0055: ("max_speed_kmh", 4),
    0x0056: ("overspeed_seconds", 4),
    0x0057: ("driving_seconds", 4),
    0x0080: ("mileage_km_10", 4),
    0x0081: ("province", 2),
    0x0082: ("city", 2),
    0x0084: ("plate_colour", 1),
}
"""Parameters that are numbers, by id: name and bytes. Mileage is in tenths of a kilometre."""
_TEXT_PARAMETERS = {0x0010: "apn", 0x0013: "server", 0x0017: "standby_server", 0x0083: "plate"}


def text(data: bytes) -> str:
    """GBK text without its padding."""
    return data.decode("gb18030", "replace").strip("\x00 ")


def acknowledged(body: bytes) -> dict[str, Any] | None:
    """A general acknowledgement, of either side: the serial and id it stands for, and 0 where all is well."""
    if len(body) != 5:
        return None
    return {
        "ack_serial": int.from_bytes(body[:2], "big"),
        "ack_msg_id": f"0x{int.from_bytes(body[2:4], 'big'):04X}",
        "result": body[4],
    }


def registered(body: bytes, version: str = "2013") -> dict[str, Any] | None:
    """A registration. Widths differ by edition, and terminals mix them: those that leave a plate at the end hold."""
    fitting = [width for width in _by_version(version) if len(body) >= width.fixed]
    width = next((width for width in fitting if _plate_stands(body, width)), fitting[0] if fitting else None)
    if width is None:
        return None
    model_at = 4 + width.maker
    terminal_at = model_at + width.model
    colour_at = terminal_at + width.terminal
    return {
        "province": int.from_bytes(body[:2], "big"),
        "city": int.from_bytes(body[2:4], "big"),
        "maker": text(body[4:model_at]),
        "model": text(body[model_at:terminal_at]),
        "terminal_id": text(body[terminal_at:colour_at]),
        "plate_color": body[colour_at],
        "plate": text(body[colour_at + 1 :]),
    }


def _by_version(version: str) -> Iterator[Width]:
    order = ("2019", "2013", "2011") if version == "2019" else ("2013", "2019", "2011")
    return (WIDTHS[each] for each in order)


def _plate_stands(body: bytes, width: Width) -> bool:
    plate = body[width.fixed :].rstrip(b"\x00")
    if body[width.fixed - 1] not in _COLOURS:
        return False
    try:
        return plate.decode("gb18030").isprintable()
    except UnicodeDecodeError:
        return False


def authenticated(body: bytes, version: str = "2013") -> dict[str, Any]:
    """An authentication; 2019 adds IMEI and software to the code."""
    if version == "2019" and body and len(body) == body[0] + 36:
        end = 1 + body[0]
        return {
            "auth_code": text(body[1:end]),
            "imei": text(body[end : end + 15]),
            "software": text(body[end + 15 :]),
        }
    return {"auth_code": text(body)}


def attributes(body: bytes) -> dict[str, Any] | None:
    """Attributes of a terminal; the maker's id has 5 or 11 bytes whatever the edition, so the whole length decides."""
    for width in (WIDTHS["2019"], Width(5, 30, 30), Width(5, 20, 7), Width(5, 8, 7)):
        found = _attributes(body, width)
        if found is not None:
            return found
    return None


def _attributes(body: bytes, width: Width) -> dict[str, Any] | None:
    model_at = 2 + width.maker
    terminal_at = model_at + width.model
    iccid_at = terminal_at + width.terminal
    hardware_at = iccid_at + 11
    if len(body) < hardware_at:
        return None
    hardware_end = hardware_at + body[hardware_at - 1]
    firmware_end = hardware_end + 1 + (body[hardware_end] if hardware_end < len(body) else 0)
    if firmware_end + 2 != len(body):
        return None
    return {
        "terminal_kinds": int.from_bytes(body[:2], "big"),
        "maker": text(body[2:model_at]),
        "model": text(body[model_at:terminal_at]),
        "terminal_id": text(body[terminal_at:iccid_at]),
        "iccid": body[iccid_at : hardware_at - 1].hex(),
        "hardware": text(body[hardware_at:hardware_end]),
        "firmware": text(body[hardware_end + 1 : firmware_end]),
        "gnss": body[-2],
        "communication": body[-1],
    }


def parameters(body: bytes) -> dict[str, Any] | None:
    """The answer to a question for parameters."""
    if len(body) < 3:
        return None
    found, position = {}, 3
    while position + 5 <= len(body):
        number, end = int.from_bytes(body[position : position + 4], "big"), position + 5 + body[position + 4]
        if end > len(body):
            break
        name, value = _parameter(number, body[position + 5 : end])
        found[name] = value
        position = end
    return {"ack_serial": int.from_bytes(body[:2], "big"), "count": body[2], "parameters": found}


def _parameter(number: int, value: bytes) -> tuple[str, int | str]:
    name, length = PARAMETER_TYPES.get(number, ("", 0))
    if name and len(value) == length:
        return name, int.from_bytes(value, "big")
    if number in _TEXT_PARAMETERS:
        return _TEXT_PARAMETERS[number], text(value)
    return f"0x{number:04X}", value.hex()


def write_parameters(wanted: Mapping[str, Any]) -> bytes:
    """The body of 8103; raises Invalid for a name or a number that does not fit."""
    numbers = {name: (number, length) for number, (name, length) in PARAMETER_TYPES.items()}
    items = b""
    for name, value in wanted.items():
        number, length = numbers.get(name, (0, 0))
        if number == 0:
            raise Invalid(
                "invalid_value",
                field="parameters",
                value=name,
                reason_zh=f"没有这个终端参数，可用的有：{'、'.join(numbers)}",
                reason_en=f"there is no such parameter; known: {', '.join(numbers)}",
            )
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 256**length:
            raise Invalid(
                "invalid_value",
                field=name,
                value=value,
                reason_zh=f"应为 0 至 {256**length - 1} 的整数",
                reason_en=f"a whole number from 0 to {256**length - 1} is wanted",
            )
        items += number.to_bytes(4, "big") + bytes([length]) + value.to_bytes(length, "big")
    if not items:
        raise Invalid(
            "invalid_value", field="parameters", value="", reason_zh="没有给出参数", reason_en="no parameter is given"
        )
    return bytes([len(wanted)]) + items


def batch(body: bytes) -> tuple[int, list[bytes], bytes] | None:
    """A batch of positions: its kind (0 usual, 1 kept while offline), the bodies, and what is left after a cut one."""
    if len(body) < 3:
        return None
    items, position = [], 3
    while position + 2 <= len(body):
        end = position + 2 + int.from_bytes(body[position : position + 2], "big")
        if end > len(body):
            break
        items.append(body[position + 2 : end])
        position = end
    return body[2], items, body[position:]


def media_head(body: bytes) -> dict[str, Any] | None:
    """What stands before the data of a picture, sound or film; the position in it is not read."""
    if len(body) < MEDIA_HEAD:
        return None
    return {
        "media_id": int.from_bytes(body[:4], "big"),
        "media_type": body[4],
        "format": body[5],
        "event": body[6],
        "channel": body[7],
        "data_bytes": len(body) - MEDIA_HEAD,
    }


def media_list(body: bytes) -> dict[str, Any] | None:
    """The answer to a question for stored media (JT/T 1078): 28 bytes for each."""
    if len(body) < 6 or (len(body) - 6) % 28:
        return None
    count = int.from_bytes(body[2:6], "big")
    if count * 28 != len(body) - 6:
        return None
    return {"ack_serial": int.from_bytes(body[:2], "big"), "record_count": count, "record_size": 28}


def answered_location(body: bytes) -> Location | None:
    return read_location(body[2:])


def fields(msg_id: int, body: bytes, version: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body as plain values, and what can be read beyond its fixed fields."""
    raw = {"raw": body.hex()}
    if msg_id == LOCATION:
        location = read_location(body)
        return (raw, {}) if location is None else (location.fields(), location.details())
    if msg_id == ATTRIBUTES:
        return raw, attributes(body) or {}
    if not body:
        return ({} if msg_id in {HEARTBEAT, LOGOUT} else raw), {}
    reader = _READERS.get(msg_id)
    found = None if reader is None else reader(body, version)
    return (raw if found is None else found), {}


def oddities(msg_id: int, body: bytes, version: str) -> list[str]:
    """Codes of what is odd about a body and was read, or left raw, all the same."""
    if msg_id == LOCATION:
        location = read_location(body)
        if location is None:
            return ["body_unreadable"]
        numbers = [number for number, _ in location.extras]
        found = ["extras_cut"] if location.tail else []
        return found + (["duplicate_extra"] if len(set(numbers)) < len(numbers) else [])
    reader = _READERS.get(msg_id)
    return ["body_unreadable"] if reader is not None and body and reader(body, version) is None else []


def _register_answer(body: bytes, version: str) -> dict[str, Any] | None:
    if len(body) < 3:
        return None
    found: dict[str, Any] = {"ack_serial": int.from_bytes(body[:2], "big"), "result": body[2]}
    return found | ({"auth_code": text(body[3:])} if len(body) > 3 else {})


def _text_message(body: bytes, version: str) -> dict[str, Any] | None:
    if version == "2019" and len(body) >= 2:
        return {"flag": body[0], "type": body[1], "text": text(body[2:])}
    return {"flag": body[0], "text": text(body[1:])}


def _batch_fields(body: bytes, version: str) -> dict[str, Any] | None:
    read_batch = batch(body)
    if read_batch is None:
        return None
    kind, items, rest = read_batch
    read = [read_location(item) for item in items]
    shown = [{"raw": item.hex()} if each is None else each.fields() for item, each in zip(items, read, strict=True)]
    found = {"raw": body.hex(), "count": int.from_bytes(body[:2], "big"), "type": kind, "items": shown}
    return found | ({"rest": rest.hex()} if rest else {})


def _location_answer(body: bytes, version: str) -> dict[str, Any] | None:
    location = answered_location(body)
    if location is None:
        return None
    return {"raw": body.hex(), "ack_serial": int.from_bytes(body[:2], "big"), **location.fields()}


def _with_raw(read: Callable[[bytes], dict[str, Any] | None]) -> Callable[[bytes, str], dict[str, Any] | None]:
    def both(body: bytes, version: str) -> dict[str, Any] | None:
        found = read(body)
        return None if found is None else {"raw": body.hex(), **found}

    return both


def _passed_through(body: bytes) -> dict[str, Any]:
    return {"type": body[0], "content": body[1:].hex()}


_READERS: Mapping[int, Callable[[bytes, str], dict[str, Any] | None]] = {
    ACK: lambda body, version: acknowledged(body),
    PLATFORM_ACK: lambda body, version: acknowledged(body),
    REGISTER: registered,
    AUTHENTICATE: authenticated,
    REGISTER_ANSWER: _register_answer,
    TEXT: _text_message,
    PARAMETERS: _with_raw(parameters),
    BATCH: _batch_fields,
    LOCATION_ANSWER: _location_answer,
    MEDIA: _with_raw(media_head),
    PASSED_THROUGH: _with_raw(_passed_through),
    MEDIA_LIST: lambda body, version: media_list(body),
}
"""By id of the message: the body's fields, or None where it is not as the standard says."""
