"""A convolutional network out of a TensorFlow graph file, made into ONNX, with neither TensorFlow nor the package onnx.

Such a file is a list of nodes in protocol buffers' wire format: numbered fields, each a number or a stretch of bytes.
Only what a detector's network needs is understood; another operation raises ValueError. The layout of values becomes
channels first, as ONNX wants it.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _INT64 = 1, 7
_OPSET, _IR = 13, 8


@dataclass(frozen=True)
class Node:
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, memoryview]


def read_graph(data: bytes) -> dict[str, Node]:
    """The nodes of a GraphDef by name."""
    nodes = {}
    for number, value in _fields(memoryview(data)):
        if number != 1:
            continue
        name = op = ""
        inputs: list[str] = []
        attributes: dict[str, memoryview] = {}
        for part, content in _fields(value):
            if part == 1:
                name = _text(content)
            elif part == 2:
                op = _text(content)
            elif part == 3:
                inputs.append(_text(content).split(":")[0].lstrip("^"))
            elif part == 5:
                entry = dict(_fields(content))
                attributes[_text(entry[1])] = entry[2]
        nodes[name] = Node(op, tuple(inputs), attributes)
    return nodes


def constant(nodes: Mapping[str, Node], name: str) -> Floats:
    """The numbers that a node holds, through any number of `Identity` nodes."""
    node = nodes[name]
    while node.op == "Identity":
        node = nodes[node.inputs[0]]
    tensor = dict(_fields(dict(_fields(node.attributes["value"]))[8]))
    if tensor.get(1) != _FLOAT:
        raise ValueError(f"{name} holds no floats")
    shape = [dict(_fields(size)).get(1, 0) for number, size in _fields(tensor.get(2, memoryview(b""))) if number == 2]
    raw = tensor.get(4, tensor.get(5, b""))  # the content, or packed values where there are few
    values = np.frombuffer(bytes(raw), "<f4")
    return np.broadcast_to(values, shape) if values.size == 1 else values.reshape(shape)


def to_onnx(nodes: Mapping[str, Node], source: str, size: int, heads: Mapping[str, Sequence[str]]) -> bytes:
    """The network from `source` (a picture of `size` x `size`, input `image` of 1 x 3 x size x size) as an ONNX model.

    Each head is an output: the values of its nodes one behind the other, each node's with height, width and channel
    in this order, as one row (1 x n).
    """
    maker = _Maker(nodes, source)
    outputs = []
    for head, names in heads.items():
        rows = []
        for name in names:
            last = maker.value(name)
            turned = maker.add("Transpose", [last], perm=(0, 2, 3, 1))
            rows.append(maker.add("Flatten", [turned], axis=1))
        outputs.append(maker.add("Concat", rows, output=head, axis=1))
    graph = b"".join(_field(1, node) for node in maker.made) + _field(2, b"network")
    graph += b"".join(_field(5, tensor) for tensor in maker.tensors)
    graph += _field(11, _value_info(source, (1, 3, size, size)))
    graph += b"".join(_field(12, _value_info(output, (1, None))) for output in outputs)
    opset = _field(1, b"") + _field(2, _OPSET)
    return _field(1, _IR) + _field(7, graph) + _field(8, opset)


class _Maker:
    """Goes from the outputs backwards, and writes each node once, after those that it needs."""

    def __init__(self, nodes: Mapping[str, Node], source: str) -> None:
        self._nodes = nodes
        self._values = {source: source}
        self.made: list[bytes] = []
        self.tensors: list[bytes] = []

    def value(self, name: str) -> str:
        """The ONNX value of a node, made where it is not there yet."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            missing = [each for each in self._fed(current) if each not in self._values]
            if current in self._values or missing:
                waiting = waiting[:-1] if current in self._values else waiting + missing
                continue
            self._values[current] = self._make(current)
            waiting.pop()
        return self._values[name]

    def _fed(self, name: str) -> tuple[str, ...]:
        """The nodes whose values flow into this one, without its constants."""
        if name in self._values:
            return ()
        node = self._nodes[name]
        return node.inputs if node.op == "Add" else node.inputs[:1]

    def _make(self, name: str) -> str:
        node = self._nodes[name]
        values = [self._values[each] for each in self._fed(name)]
        match node.op:
            case "Identity":
                return values[0]
            case "Conv2D":
                return self._convolution(node, values[0], self._constant(node, 1).transpose(3, 2, 0, 1), 1)
            case "DepthwiseConv2dNative":
                weights = self._constant(node, 1)  # height, width, channel, 1
                return self._convolution(node, values[0], weights.transpose(2, 3, 0, 1), weights.shape[2])
            case "FusedBatchNorm":
                others = [self._tensor(self._constant(node, place)) for place in range(1, 5)]
                epsilon = struct.unpack("<f", bytes(dict(_fields(node.attributes["epsilon"]))[4]))[0]
                return self.add("BatchNormalization", [values[0], *others], epsilon=epsilon)
            case "BiasAdd":
                bias = self._constant(node, 1)
                return self.add("Add", [values[0], self._tensor(bias.reshape(1, -1, 1, 1))])
            case "Add":
                return self.add("Add", values)
            case "Relu6":
                bounds = [self._tensor(np.array(bound, dtype=np.float32)) for bound in (0, 6)]
                return self.add("Clip", [values[0], *bounds])
        raise ValueError(f"{name}: operation {node.op} is not known")

    def _convolution(self, node: Node, value: str, weights: Floats, groups: int) -> str:
        steps = [each for _, each in _packed(node.attributes["strides"])]
        if _text(dict(_fields(node.attributes["padding"]))[2]) != "SAME":
            raise ValueError("only convolutions padded to the same size are known")
        height, width = steps[1:3]
        return self.add(
            "Conv", [value, self._tensor(weights)], auto_pad="SAME_UPPER", strides=(height, width), group=groups
        )

    def _constant(self, node: Node, place: int) -> Floats:
        return constant(self._nodes, node.inputs[place])

    def _tensor(self, values: Floats) -> str:
        name = f"w{len(self.tensors)}"
        shape = b"".join(_field(1, size) for size in values.shape)
        content = np.ascontiguousarray(values, dtype="<f4").tobytes()
        self.tensors.append(shape + _field(2, _FLOAT) + _field(8, name.encode()) + _field(9, content))
        return name

    def add(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        output = output or f"v{len(self.made)}"
        node = b"".join(_field(1, each.encode()) for each in inputs) + _field(2, output.encode())
        node += _field(4, op.encode()) + b"".join(_field(5, _attribute(*each)) for each in attributes.items())
        self.made.append(node)
        return output


def _fields(data: memoryview | Any) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and a number, or the bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} is not known")
        if place + size > len(data):
            raise ValueError("the file is cut off")
        yield key >> 3, data[place : place + size]
        place += size


def _packed(attribute: memoryview) -> Iterator[tuple[int, int]]:
    """The numbers of an attribute that is a list, with their places."""
    content = dict(_fields(dict(_fields(attribute))[1]))[3]
    place = count = 0
    while place < len(content):
        number, place = _varint(content, place)
        yield count, number
        count += 1


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("the file is cut off")
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7


def _text(value: memoryview) -> str:
    return bytes(value).decode()


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3 | _VARINT) + _number(value)
    return _number(number << 3 | _BYTES) + _number(len(value)) + value


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _attribute(name: str, value: Any) -> bytes:
    content = _field(1, name.encode())
    match value:
        case float():
            return content + _number(2 << 3 | _FIXED32) + struct.pack("<f", value) + _field(20, 1)
        case int():
            return content + _field(3, value) + _field(20, 2)
        case str():
            return content + _field(4, value.encode()) + _field(20, 3)
    return content + b"".join(_field(8, each) for each in value) + _field(20, 7)


def _value_info(name: str, shape: Sequence[int | None]) -> bytes:
    sizes = b"".join(_field(1, _field(2, b"n") if size is None else _field(1, size)) for size in shape)
    tensor = _field(1, _FLOAT) + _field(2, sizes)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
