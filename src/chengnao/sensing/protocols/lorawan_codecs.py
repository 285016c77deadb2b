"""Payloads of LoRaWAN devices into values. Each device names its codec in its settings (`codec`)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cayennelpp import LppFrame

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.lorawan_uplink import Uplink
from chengnao.sensing.protocols.objects import numbers_of
from chengnao.sensing.protocols.shape import Refusal, Value

_LPP_LOCATION, _LPP_TIME = 136, 133
_AXES = ("x", "y", "z")
_COLOURS = ("red", "green", "blue")
_UNFIT = re.compile(r"[^a-z0-9]+")
_MAX_VALUES = 500

Codec = Callable[[Uplink], list[Value] | Refusal]


def uplink_values(uplink: Uplink, settings: Mapping[str, Any]) -> list[Value] | Refusal:
    """What the uplink says, by the device's codec; strength and noise of the radio as `rssi` and `snr`.

    A device without `codec` is read by the object that the network server decoded, and failing that as Cayenne LPP.
    Raises Invalid for a codec that there is not.
    """
    radio = [Value(name, value) for name, value in uplink.radio.items()]
    if uplink.event != "up":
        return radio
    name = settings.get("codec") or ("cayenne_lpp" if uplink.object is None else "object")
    codec = CODECS.get(str(name))
    if codec is None:
        raise Invalid("codec_unknown", field="codec", value=str(name)[:40], known=", ".join(CODECS))
    if uplink.fport == 0:  # nothing but commands of the network
        return radio
    values = codec(uplink)
    return values if isinstance(values, Refusal) else values + radio


def _object(uplink: Uplink) -> list[Value] | Refusal:
    if uplink.object is None:
        return Refusal("missing_field", uplink.raw, {"field": "object"})
    return list(numbers_of(uplink.object))[:_MAX_VALUES]


def _cayenne_lpp(uplink: Uplink) -> list[Value] | Refusal:
    """Points are kind and channel, `temperature_1`; those with several parts `accelerometer_3.x`.

    A location is left out: where a tracker hangs on a person it would be a trajectory.
    """
    try:
        frame = LppFrame.from_bytes(uplink.payload)
    except Exception as error:  # the library raises several plain types for bytes that are cut or of no kind
        return Refusal("bad_field", uplink.raw, {"field": "payload", "value": f"Cayenne LPP: {error}"[:80]})
    values = []
    for each in frame:
        kind = int(each.type)
        if kind in {_LPP_LOCATION, _LPP_TIME}:
            continue
        point = f"{_UNFIT.sub('_', str(each.type).lower())}_{each.channel}"
        parts = _COLOURS if point.startswith("colour") else _AXES
        several = len(each.value) > 1
        values += [
            Value(f"{point}.{part}" if several else point, float(value))
            for part, value in zip(parts, each.value, strict=False)
        ]
    return values


CODECS: Mapping[str, Codec] = {"object": _object, "cayenne_lpp": _cayenne_lpp}
