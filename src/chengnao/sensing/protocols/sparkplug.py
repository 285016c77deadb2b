"""Sparkplug B 3.0: one payload, bytes to metrics and back. Which node sent it, its topic says (`read_topic`)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from chengnao.sensing.protocols.shape import Refusal, Wire
from chengnao.sensing.protocols.sparkplug_schema import Payload
from chengnao.sensing.protocols.whole import WholeFramer

NAMESPACE = "spBv1.0"
NODE_MESSAGES = frozenset({"NBIRTH", "NDATA", "NDEATH", "NCMD"})
DEVICE_MESSAGES = frozenset({"DBIRTH", "DDATA", "DDEATH", "DCMD"})
BIRTH_SEQUENCE = "bdSeq"
REBIRTH = "Node Control/Rebirth"

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME = range(1, 14)
_DATASET, _TEMPLATE, _UNKNOWN = 16, 19, 0
_SIGNED = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
# Arrays travel as packed little-endian numbers.
_ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "q"}
_BOOLEANS, _STRINGS = 32, 33
_LONG = frozenset({INT64, UINT32, UINT64, DATETIME})
_GUESSED = {"float_value": FLOAT, "double_value": DOUBLE, "boolean_value": BOOLEAN, "string_value": STRING}


class Topic(NamedTuple):
    """`spBv1.0/group/message/node[/device]`."""

    group: str
    message: str
    node: str
    device: str = ""

    @property
    def address(self) -> str:
        """The name of the node or device: `group/node` or `group/node/device`."""
        return "/".join(part for part in (self.group, self.node, self.device) if part)


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` is None where the metric is null; numbers have their sign. `datatype` 0: it is not told here."""

    name: str | None
    alias: int | None
    datatype: int
    value: Any
    time_ms: int | None = None
    historical: bool = False
    quality: int | None = None
    """The property `Quality` where the node gives it: 192 is good, 0 bad, 500 stale."""

    def fields(self) -> dict[str, Any]:
        value = self.value.hex() if isinstance(self.value, bytes) else self.value
        return {"name": self.name, "alias": self.alias, "datatype": self.datatype or None, "value": value}


@dataclass(frozen=True, slots=True)
class SparkplugPayload:
    raw: bytes
    timestamp_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        metrics = [metric.fields() for metric in self.metrics]
        return {"timestamp_ms": self.timestamp_ms, "seq": self.seq, "metrics": metrics}


def read_topic(topic: str) -> Topic | None:
    """The parts of a topic; None for one that is none of Sparkplug."""
    parts = topic.split("/")
    if len(parts) not in {4, 5} or parts[0] != NAMESPACE or not all(parts):
        return None
    group, message, node = parts[1:4]
    known = NODE_MESSAGES if len(parts) == 4 else DEVICE_MESSAGES
    return Topic(group, message, node, *parts[4:]) if message in known else None


def decode(raw: bytes) -> SparkplugPayload | Refusal:
    """Read one payload; what is wrong is a value, never raised."""
    payload = Payload()
    try:
        payload.ParseFromString(raw)
    except DecodeError:
        return Refusal("truncated_protobuf", raw)
    if not payload.ListFields():
        return Refusal("garbage", raw)
    seq = payload.seq if payload.HasField("seq") else None
    if seq is not None and seq > 255:
        return Refusal("bad_field", raw, {"field": "seq", "value": seq})
    timestamp = payload.timestamp if payload.HasField("timestamp") else None
    return SparkplugPayload(raw, timestamp, seq, tuple(_metric(each) for each in payload.metrics))


def typed(metric: Metric, datatype: int) -> Metric:
    """The metric with the type that its birth declared: a number that came without a type gets its sign."""
    if metric.datatype or isinstance(metric.value, bool) or not isinstance(metric.value, int):
        return metric
    value = _signed(metric.value, datatype)
    return replace(metric, datatype=datatype, value=value)


def _metric(found: Any) -> Metric:
    return Metric(
        _text(found.name) if found.HasField("name") else None,
        found.alias if found.HasField("alias") else None,
        found.datatype,
        None if found.is_null else _value(found, found.datatype),
        found.timestamp if found.HasField("timestamp") else None,
        found.is_historical,
        _quality(found.properties) if found.HasField("properties") else None,
    )


def _quality(properties: Any) -> int | None:
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == b"Quality" and value.HasField("int_value"):
            return int(value.int_value)
    return None


def _value(found: Any, datatype: int) -> Any:
    field = found.WhichOneof("value")
    if field is None:
        return None
    value = getattr(found, field)
    if field == "dataset_value":
        rows = [[_value(element, kind) for element, kind in zip(row.elements, value.types, strict=False)]
                for row in value.rows]  # fmt: skip
        return {"columns": [_text(name) for name in value.columns], "rows": rows}
    if field == "template_value":
        return {"metrics": [_metric(each).fields() for each in value.metrics], "template": _text(value.template_ref)}
    if field == "string_value":
        return _text(value)
    if field == "bytes_value":
        return _array(value, datatype)
    return _signed(value, datatype) if field in {"int_value", "long_value"} else value


def _signed(value: int, datatype: int) -> int:
    """A negative number travels as an unsigned one of 32 or 64 bits, or of its own width."""
    bits = _SIGNED.get(datatype)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _array(value: bytes, datatype: int) -> Any:
    code = _ARRAYS.get(datatype)
    if code is not None and len(value) % struct.calcsize(code) == 0:
        return [each for (each,) in struct.iter_unpack(f"<{code}", value)]
    if datatype == _STRINGS and value.endswith(b"\0"):
        return [_text(each) for each in value[:-1].split(b"\0")]
    if datatype == _BOOLEANS and len(value) >= 4:
        count = int.from_bytes(value[:4], "little")
        bits = [bool(byte >> (7 - bit) & 1) for byte in value[4:] for bit in range(8)]
        return bits[:count] if len(bits) >= count else value
    return value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def encode(metrics: Iterable[Metric], timestamp_ms: int, seq: int | None = None) -> bytes:
    """A payload of numbers, truth values and texts, for commands and for simulated nodes."""
    payload = Payload(timestamp=timestamp_ms)
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        into = payload.metrics.add(timestamp=metric.time_ms or timestamp_ms)
        if metric.name is not None:
            into.name = metric.name.encode()
        if metric.alias is not None:
            into.alias = metric.alias
        if metric.datatype:
            into.datatype = metric.datatype
        if metric.value is None:
            into.is_null = True
        else:
            _put(into, metric)
    data: bytes = payload.SerializeToString()
    return data


def _put(into: Message | Any, metric: Metric) -> None:
    value, kind = metric.value, metric.datatype
    if kind == FLOAT:
        into.float_value = value
    elif kind == DOUBLE:
        into.double_value = value
    elif kind == BOOLEAN:
        into.boolean_value = bool(value)
    elif isinstance(value, str):
        into.string_value = value.encode()
    elif kind in _LONG:
        into.long_value = value & (1 << 64) - 1
    else:
        into.int_value = value & (1 << 32) - 1


WIRE: Wire[SparkplugPayload] = Wire(
    "sparkplug", "Sparkplug B（MQTT 载荷）", "Sparkplug B (payload of MQTT)",
    lambda: WholeFramer(decode), lambda payloads: {},
)  # fmt: skip
