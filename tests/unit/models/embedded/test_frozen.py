"""A small TensorFlow graph, written by hand, made into ONNX: the numbers must be those of plain NumPy."""

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from chengnao.models.embedded.frozen import constant, read_graph, to_onnx
from chengnao.models.embedded.weights import onnx_session

Floats = NDArray[np.float32]


def number(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def block(field: int, content: bytes) -> bytes:
    return number(field << 3 | 2) + number(len(content)) + content


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    content = block(1, name.encode()) + block(2, op.encode()) + b"".join(block(3, each.encode()) for each in inputs)
    for key, value in attributes.items():
        content += block(5, block(1, key.encode()) + block(2, value))
    return block(1, content)


def tensor(values: Floats) -> bytes:
    shape = b"".join(block(2, b"\x08" + number(size)) for size in values.shape)
    return block(8, b"\x08\x01" + block(2, shape) + block(4, values.astype("<f4").tobytes()))


def strides(step: int) -> bytes:
    return block(1, block(3, bytes([1, step, step, 1])))


PADDED = block(2, b"SAME")
EPSILON = b"\x25" + struct.pack("<f", 0.001)
RNG = np.random.default_rng(1)
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)
DEEP = RNG.normal(size=(3, 3, 4, 1)).astype(np.float32)
NORMAL = [RNG.uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)]
BIAS = RNG.normal(size=4).astype(np.float32)


def graph() -> bytes:
    names = ("gamma", "beta", "mean", "variance")
    constants = {"kernel": KERNEL, "deep": DEEP, "bias": BIAS} | dict(zip(names, NORMAL, strict=True))
    return b"".join(
        [
            node("image", "Placeholder"),
            *(node(name, "Const", value=tensor(values)) for name, values in constants.items()),
            node("kernel/read", "Identity", "kernel"),
            node("conv", "Conv2D", "image", "kernel/read", strides=strides(2), padding=PADDED),
            node("normal", "FusedBatchNorm", "conv:0", *names, epsilon=EPSILON),
            node("relu", "Relu6", "normal"),
            node("depth", "DepthwiseConv2dNative", "relu", "deep", strides=strides(1), padding=PADDED),
            node("biased", "BiasAdd", "depth", "bias"),
            node("sum", "Add", "biased", "relu"),
            node("shape", "Shape", "sum"),
        ]
    )


def padded(values: Floats, step: int) -> Floats:
    """The padding that TensorFlow calls SAME, for a kernel of 3: what is left over goes to the end."""
    amounts = []
    for size in values.shape[:2]:
        total = max(0, (-(-size // step) - 1) * step + 3 - size)
        amounts.append((total // 2, total - total // 2))
    return np.pad(values, (*amounts, (0, 0)))


def by_hand(image: Floats) -> Floats:
    wide = padded(image, 2)
    rows, columns = (-(-size // 2) for size in image.shape[:2])
    out = np.zeros((rows, columns, 4), dtype=np.float64)
    for y in range(rows):
        for x in range(columns):
            out[y, x] = np.einsum("abc,abcd->d", wide[2 * y : 2 * y + 3, 2 * x : 2 * x + 3], KERNEL)
    gamma, beta, mean, variance = NORMAL
    relu = np.clip((out - mean) / np.sqrt(variance + 0.001) * gamma + beta, 0, 6)
    wide, deep = padded(relu.astype(np.float32), 1), np.zeros_like(relu)
    for y in range(rows):
        for x in range(columns):
            deep[y, x] = (wide[y : y + 3, x : x + 3] * DEEP[..., 0]).sum(axis=(0, 1))
    result: Floats = (deep + BIAS + relu).astype(np.float32)
    return result


def test_the_network_computes_what_the_graph_says() -> None:
    nodes = read_graph(graph())
    session = onnx_session(to_onnx(nodes, "image", 9, {"one": ["sum"], "both": ["relu", "sum"]}))
    image = RNG.normal(size=(9, 9, 3)).astype(np.float32)
    one, both = session.run(None, {"image": image.transpose(2, 0, 1)[None]})
    wanted = by_hand(image).reshape(-1)
    assert one.shape == (1, 5 * 5 * 4)
    assert np.allclose(one[0], wanted, atol=1e-4)
    assert both.shape == (1, 2 * 5 * 5 * 4)
    assert np.allclose(both[0, 100:], wanted, atol=1e-4)


def test_constants_keep_their_shape() -> None:
    assert np.array_equal(constant(read_graph(graph()), "kernel/read"), KERNEL)


def test_an_unknown_operation_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="shape: operation Shape"):
        to_onnx(read_graph(graph()), "image", 9, {"one": ["shape"]})


def test_a_graph_that_is_cut_off_is_refused() -> None:
    whole = graph()
    read = set(read_graph(whole))
    for end in range(1, len(whole), 7):
        try:
            found = read_graph(whole[:end])
        except (ValueError, KeyError):
            continue
        assert set(found) < read  # it ended between two nodes
