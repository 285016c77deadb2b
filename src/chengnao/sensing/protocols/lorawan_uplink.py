"""What a LoRaWAN network server tells of a device: events of ChirpStack v4 and The Things Stack v3, as JSON."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from chengnao.sensing.protocols.shape import Refusal

_EUI_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Uplink:
    """One event. `dev_eui` in lower case; `event` is `up`, `status`, or one that carries no reading (`join`, ...)."""

    raw: bytes
    server: str
    event: str
    dev_eui: str
    time: datetime | None
    fport: int | None
    fcnt: int | None
    payload: bytes
    object: Mapping[str, Any] | None
    """The payload as the network server's own codec read it."""
    radio: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "event": self.event,
            "dev_eui": self.dev_eui,
            "time": None if self.time is None else self.time.isoformat(),
            "fport": self.fport,
            "fcnt": self.fcnt,
            "payload": self.payload.hex(),
            "object": self.object,
            **self.radio,
        }


def read_uplink(raw: bytes, event: str = "") -> Uplink | Refusal:
    """Read one event; `event` is its kind where the topic or the address tells it and the text does not."""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Refusal("bad_field", raw, {"field": "payload", "value": "JSON"})
    if isinstance(message, dict):
        if isinstance(message.get("deviceInfo"), dict):
            return _chirpstack(raw, message, event)
        if isinstance(message.get("end_device_ids"), dict):
            return _things_stack(raw, message)
    return Refusal("missing_field", raw, {"field": "deviceInfo | end_device_ids"})


def _chirpstack(raw: bytes, message: dict[str, Any], event: str) -> Uplink | Refusal:
    if not event:
        event = "up" if "fPort" in message or "data" in message else "status" if "margin" in message else "other"
    radio: dict[str, float] = {}
    if event == "status":
        level = _number(message.get("batteryLevel"))
        if level is not None and not message.get("batteryLevelUnavailable"):
            radio["battery_level"] = level
        margin = _number(message.get("margin"))
        if margin is not None:
            radio["link_margin"] = margin
    heard = message.get("rxInfo")
    return _uplink(
        raw,
        "chirpstack",
        event,
        message["deviceInfo"].get("devEui"),
        message.get("time"),
        (message.get("fPort"), message.get("fCnt")),
        message.get("data"),
        message.get("object"),
        radio | _best(heard),
    )


def _things_stack(raw: bytes, message: dict[str, Any]) -> Uplink | Refusal:
    up = message.get("uplink_message")
    inner = up if isinstance(up, dict) else {}
    return _uplink(
        raw,
        "things_stack",
        "up" if isinstance(up, dict) else "join" if "join_accept" in message else "other",
        message["end_device_ids"].get("dev_eui"),
        inner.get("received_at") or message.get("received_at"),
        (inner.get("f_port"), inner.get("f_cnt")),
        inner.get("frm_payload"),
        inner.get("decoded_payload"),
        _best(inner.get("rx_metadata")),
    )


def _uplink(
    raw: bytes,
    server: str,
    event: str,
    eui: Any,
    moment: Any,
    numbers: tuple[Any, Any],
    data: Any,
    decoded: Any,
    radio: dict[str, float],
) -> Uplink | Refusal:
    if not isinstance(eui, str) or len(eui) != _EUI_DIGITS or not _is_hex(eui):
        return Refusal("bad_field", raw, {"field": "dev_eui", "value": str(eui)[:40]})
    try:
        payload = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        return Refusal("bad_field", raw, {"field": "data", "value": str(data)[:40]})
    time = _time(moment)
    if time is None and moment is not None:
        return Refusal("bad_field", raw, {"field": "time", "value": str(moment)[:40]})
    port, count = (value if type(value) is int else None for value in numbers)
    known = decoded if isinstance(decoded, dict) else None
    return Uplink(raw, server, event, eui.lower(), time, port, count, payload, known, radio)


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in text)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _best(heard: Any) -> dict[str, float]:
    """Strength and signal-to-noise ratio at the gateway that heard it best."""
    best: dict[str, float] = {}
    for each in heard if isinstance(heard, list) else []:
        rssi = _number(each.get("rssi")) if isinstance(each, dict) else None
        if rssi is not None and rssi > best.get("rssi", float("-inf")):
            snr = _number(each.get("snr"))
            best = {"rssi": rssi} | ({} if snr is None else {"snr": snr})
    return best
