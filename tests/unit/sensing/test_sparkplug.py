"""Sparkplug B: payloads and topics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols import sparkplug
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sparkplug import Metric, SparkplugPayload, decode, encode, read_topic
from chengnao.sensing.protocols.sparkplug_schema import Payload

from .recorded import differences

NOW = 1_735_660_800_000


def read(raw: bytes) -> SparkplugPayload:
    found = decode(raw)
    assert isinstance(found, SparkplugPayload), found
    return found


def test_recorded_frames() -> None:
    assert differences("sparkplug", "topic") == {}


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (sparkplug.INT8, -5),
        (sparkplug.INT16, -300),
        (sparkplug.INT32, -(2**31)),
        (sparkplug.INT64, -(2**63)),
        (sparkplug.UINT8, 200),
        (sparkplug.UINT32, 2**32 - 1),
        (sparkplug.UINT64, 2**64 - 1),
        (sparkplug.DOUBLE, 175.42),
        (sparkplug.BOOLEAN, False),
        (sparkplug.STRING, "阀门"),
        (sparkplug.DATETIME, NOW),
        (sparkplug.DOUBLE, None),
    ],
)
def test_round_trip(datatype: int, value: object) -> None:
    (metric,) = read(encode([Metric("m", 7, datatype, value)], NOW, 3)).metrics
    assert (metric.name, metric.alias, metric.datatype, metric.value, metric.time_ms) == ("m", 7, datatype, value, NOW)


def test_number_without_a_type_gets_its_sign_from_the_birth() -> None:
    (metric,) = read(encode([Metric(None, 2, 0, -7)], NOW, 1)).metrics
    assert metric.value == 2**32 - 7
    assert sparkplug.typed(metric, sparkplug.INT32).value == -7


def test_arrays_data_sets_and_templates() -> None:
    payload = Payload(timestamp=NOW)
    array = payload.metrics.add(name=b"a", datatype=23)
    array.bytes_value = b"\x01\x00\xff\xff"
    truths = payload.metrics.add(name=b"b", datatype=32)
    truths.bytes_value = b"\x03\x00\x00\x00\xa0"
    texts = payload.metrics.add(name=b"s", datatype=33)
    texts.bytes_value = b"x\0y\0"
    table = payload.metrics.add(name=b"d", datatype=16)
    table.dataset_value.columns.append(b"level")
    table.dataset_value.types.append(sparkplug.INT32)
    table.dataset_value.rows.add().elements.add(int_value=2**32 - 1)
    kind = payload.metrics.add(name=b"t", datatype=19)
    kind.template_value.metrics.add(name=b"inner", datatype=sparkplug.INT8, int_value=255)
    values = [metric.value for metric in read(payload.SerializeToString()).metrics]
    assert values[:4] == [[1, -1], [True, False, True], ["x", "y"], {"columns": ["level"], "rows": [[-1]]}]
    assert values[4]["metrics"][0]["value"] == -1


@pytest.mark.parametrize("raw", [b"", b"\x90\x03\x01", encode([], NOW, 256)])
def test_what_is_no_payload(raw: bytes) -> None:
    assert isinstance(decode(raw), Refusal)


def test_topics() -> None:
    topic = read_topic("spBv1.0/water/DDATA/edge01/pump7")
    assert topic is not None
    assert (topic.message, topic.address) == ("DDATA", "water/edge01/pump7")
    node = read_topic("spBv1.0/water/NBIRTH/edge01")
    assert node is not None
    assert (node.device, node.address) == ("", "water/edge01")
    for other in ("spBv1.0/STATE/host", "spBv1.0/w/NBIRTH/e/d", "spBv1.0/w/DDATA/e", "spAv1.0/w/NDATA/e", "spBv1.0"):
        assert read_topic(other) is None


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    for piece in (raw, encode([Metric("m", 1, sparkplug.INT32, 4)], NOW, 1) + raw):
        found = decode(piece)
        if isinstance(found, SparkplugPayload):
            found.fields()
