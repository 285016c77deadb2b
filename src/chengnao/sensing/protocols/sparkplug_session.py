"""What is known of each edge node of Sparkplug B: its births, its aliases, its sequence; and what its data say.

A node that cannot be followed (a gap in the sequence, data before a birth, an alias that no birth explained) is asked
to give birth again; what its message says by itself is taken all the same.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import NamedTuple

from chengnao.sensing.protocols.objects import personal_points
from chengnao.sensing.protocols.shape import Now, Report, Value
from chengnao.sensing.protocols.sparkplug import (
    BIRTH_SEQUENCE,
    BOOLEAN,
    DATETIME,
    NAMESPACE,
    REBIRTH,
    Metric,
    SparkplugPayload,
    Topic,
    encode,
    typed,
)
from chengnao.sensing.readings.model import Quality

REBIRTH_SECONDS = 30.0
"""A node is asked for its birth so often at most; it may need a while for it."""
MAX_NODES = 10_000
MAX_METRICS = 50_000
_CONTROLS = ("Node Control/", "Device Control/", "Node Info/", "Node Properties/")
_GOOD = 192


class Told(NamedTuple):
    """A name and a type that a birth gave."""

    name: str
    datatype: int


class Rebirth(NamedTuple):
    """The command that asks a node for its births."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class _Node:
    alive: bool = False
    birth: int | None = None
    """bdSeq of its birth; the death with another one is that of an earlier connection."""
    seq: int | None = None
    asked: float = -REBIRTH_SECONDS
    names: dict[str, dict[str, int]] = field(default_factory=dict)
    """Types by name, of the node itself ("") and of its devices."""
    aliases: dict[int, Told] = field(default_factory=dict)
    """An alias is unique among all metrics of a node and its devices."""


class Sessions:
    """All nodes that were heard. Those that were silent longest are forgotten where there are too many."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], _Node] = OrderedDict()
        self.rebirths = 0

    def alive(self, group: str, node: str) -> bool:
        known = self._nodes.get((group, node))
        return known is not None and known.alive

    def hear(self, topic: Topic, payload: SparkplugPayload, now: Now) -> list[Report | Rebirth]:
        """What follows from a message. Its values come under the address of the node or device (`Report.device`)."""
        node = self._node(topic)
        if topic.message == "NDEATH":
            self._die(node, payload)
            return []
        if topic.message == "NBIRTH":
            node.alive, node.birth, node.seq = True, _birth_of(payload), payload.seq
            node.names.clear()
            node.aliases.clear()
            node.asked = -REBIRTH_SECONDS
            in_step = True
        else:
            in_step = node.alive and self._in_step(node, payload.seq)
        if topic.message == "DDEATH":
            node.names.pop(topic.device, None)
            return self._wanted(topic, node, in_step, now)
        born = topic.message in {"NBIRTH", "DBIRTH"}
        if born:
            self._learn(node, topic.device, payload)
        elif topic.device not in node.names:
            in_step = False
        values, known = self._values(node, topic.device, payload)
        found: list[Report | Rebirth] = []
        if values:
            time = None if payload.timestamp_ms is None else _moment(payload.timestamp_ms)
            personal = personal_points(values)
            found.append(Report(values, time, payload.raw, device=topic.address, personal=personal))
        return found + self._wanted(topic, node, in_step and known, now)

    def _node(self, topic: Topic) -> _Node:
        key = (topic.group, topic.node)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _Node()
            if len(self._nodes) > MAX_NODES:
                self._nodes.popitem(last=False)
        self._nodes.move_to_end(key)
        return node

    def _die(self, node: _Node, payload: SparkplugPayload) -> None:
        birth = _birth_of(payload)
        if birth is not None and node.birth is not None and birth != node.birth:
            return
        node.alive = False
        node.names.clear()
        node.aliases.clear()

    def _in_step(self, node: _Node, seq: int | None) -> bool:
        before, node.seq = node.seq, seq
        # The same again is the broker's second delivery of one message.
        return before is None or seq is None or seq in {before, (before + 1) % 256}

    def _learn(self, node: _Node, device: str, payload: SparkplugPayload) -> None:
        names: dict[str, int] = {}
        for metric in payload.metrics:
            if metric.name is None or len(names) + len(node.aliases) >= MAX_METRICS:
                continue
            names[metric.name] = metric.datatype
            if metric.alias is not None:
                node.aliases[metric.alias] = Told(metric.name, metric.datatype)
        node.names[device] = names

    def _values(self, node: _Node, device: str, payload: SparkplugPayload) -> tuple[list[Value], bool]:
        """The numbers of the message, and whether all its metrics are known."""
        values: list[Value] = []
        known = True
        types = node.names.get(device, {})
        for metric in payload.metrics:
            name, datatype = metric.name, metric.datatype
            if name is None:
                told = None if metric.alias is None else node.aliases.get(metric.alias)
                if told is None:
                    known = False
                    continue
                name, datatype = told.name, datatype or told.datatype
            datatype = datatype or types.get(name, 0)
            if not datatype:
                known = False
            value = _value(name, typed(metric, datatype), datatype)
            if value is not None:
                values.append(value)
        return values, known

    def _wanted(self, topic: Topic, node: _Node, fine: bool, now: Now) -> list[Report | Rebirth]:
        if fine or now.seconds - node.asked < REBIRTH_SECONDS:
            return []
        node.asked = now.seconds
        self.rebirths += 1
        command = Metric(REBIRTH, None, BOOLEAN, True)
        stamp = int(now.time.timestamp() * 1000)
        return [Rebirth(f"{NAMESPACE}/{topic.group}/NCMD/{topic.node}", encode([command], stamp))]


def _birth_of(payload: SparkplugPayload) -> int | None:
    found = next((metric.value for metric in payload.metrics if metric.name == BIRTH_SEQUENCE), None)
    return found if isinstance(found, int) else None


def _value(name: str, metric: Metric, datatype: int) -> Value | None:
    value = metric.value
    if name == BIRTH_SEQUENCE or name.startswith(_CONTROLS) or datatype == DATETIME:
        return None
    if not isinstance(value, int | float) or not isfinite(value):
        return None
    quality = Quality.GOOD if metric.quality in {None, _GOOD} else Quality.FAULT
    time = None if metric.time_ms is None else _moment(metric.time_ms)
    return Value(name, float(value), quality, time=time)


def _moment(milliseconds: int) -> datetime:
    """A time that cannot be becomes the end of time, and is refused like any other outside the window."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
