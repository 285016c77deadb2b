"""All protocols by name. A protocol's module is loaded at its first use: most installations speak a few of them."""

from functools import cache
from importlib import import_module
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.shape import Wire

_WIRES = {
    "hj212": "hj212_dialogue",
    "jt808": "jt808_dialogue",
    "jt809": "jt809",
    "jt1078": "jt1078",
    "sl651": "sl651_dialogue",
    "gb26875": "gb26875_dialogue",
    "gb32960": "gb32960_dialogue",
    "gb28181": "gb28181_dialogue",
    "dlt645": "dlt645_dialogue",
    "cjt188": "cjt188_dialogue",
    "modbus": "modbus",
    "sparkplug": "sparkplug",
    "lorawan": "lorawan",
    "coap": "coap",
}


def wire_names() -> tuple[str, ...]:
    return tuple(_WIRES)


@cache
def wire(name: str) -> Wire[Any]:
    """The protocol; raises Invalid naming the known ones."""
    module = _WIRES.get(name)
    if module is None:
        raise Invalid("protocol_unknown", field="protocol", protocol=name, known=", ".join(_WIRES))
    found: Wire[Any] = import_module(f"chengnao.sensing.protocols.{module}").WIRE
    return found
