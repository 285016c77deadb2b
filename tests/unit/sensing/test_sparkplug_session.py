"""Sparkplug B: births, aliases, sequence and deaths."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols import sparkplug
from chengnao.sensing.protocols.shape import Now, Report
from chengnao.sensing.protocols.sparkplug import Metric, SparkplugPayload, Topic, encode
from chengnao.sensing.protocols.sparkplug_session import REBIRTH_SECONDS, Rebirth, Sessions
from chengnao.sensing.readings.model import Quality

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)
BIRTH = [
    Metric("bdSeq", None, sparkplug.INT64, 7),
    Metric("Node Control/Rebirth", None, sparkplug.BOOLEAN, False),
    Metric("level", 1, sparkplug.DOUBLE, 1.5),
    Metric("flow", 2, sparkplug.INT32, 4),
    Metric("name", 3, sparkplug.STRING, "x"),
]


class Node:
    def __init__(self) -> None:
        self.sessions = Sessions()
        self.seconds = 1000.0

    def say(
        self, message: str, metrics: list[Metric], seq: int | None, device: str = ""
    ) -> tuple[dict[str, float], bool]:
        """The values that follow, by point, and whether the node is asked for its births."""
        payload = sparkplug.decode(encode(metrics, MS, seq))
        assert isinstance(payload, SparkplugPayload)
        acts = self.sessions.hear(Topic("g", message, "n", device), payload, Now(AT, self.seconds))
        values = {value.point: value.value for act in acts if isinstance(act, Report) for value in act.values}
        return values, any(isinstance(act, Rebirth) for act in acts)


def test_aliases_and_signs_of_the_birth() -> None:
    node = Node()
    assert node.say("NBIRTH", BIRTH, 0) == ({"level": 1.5, "flow": 4.0}, False)
    assert node.say("NDATA", [Metric(None, 2, 0, -7)], 1) == ({"flow": -7.0}, False)


def test_data_before_a_birth_are_taken_where_they_say_all_themselves() -> None:
    node = Node()
    assert node.say("NDATA", [Metric("flow", None, sparkplug.INT32, -1)], 9) == ({"flow": -1.0}, True)
    assert node.say("NDATA", [Metric(None, 2, 0, 5)], 10) == ({}, False)  # asked a moment ago
    node.seconds += REBIRTH_SECONDS
    assert node.say("NDATA", [Metric(None, 2, 0, 5)], 11) == ({}, True)


@pytest.mark.parametrize(("seq", "asked"), [(1, False), (0, False), (2, True), (255, True)])
def test_gap_in_the_sequence(seq: int, *, asked: bool) -> None:
    node = Node()
    node.say("NBIRTH", BIRTH, 0)
    assert node.say("NDATA", [Metric(None, 1, 0, None)], seq)[1] is asked


def test_sequence_goes_round_over_node_and_devices() -> None:
    node = Node()
    node.say("NBIRTH", BIRTH, 0)
    node.say("DBIRTH", [Metric("speed", 9, sparkplug.FLOAT, 1.0)], 1, "d")
    for seq in [*range(2, 256), 0, 1]:
        values, asked = node.say("DDATA", [Metric(None, 9, sparkplug.FLOAT, 2.0)], seq, "d")
        assert (values, asked) == ({"speed": 2.0}, False), seq


def test_unknown_alias_asks_for_a_birth_and_the_rest_is_taken() -> None:
    node = Node()
    node.say("NBIRTH", BIRTH, 0)
    assert node.say("NDATA", [Metric(None, 77, 0, 5), Metric(None, 2, 0, 5)], 1) == ({"flow": 5.0}, True)


def test_death_counts_only_with_the_number_of_its_birth() -> None:
    node = Node()
    node.say("NBIRTH", BIRTH, 0)
    node.say("NDEATH", [Metric("bdSeq", None, sparkplug.INT64, 6)], None)
    assert node.sessions.alive("g", "n")
    node.say("NDEATH", [Metric("bdSeq", None, sparkplug.INT64, 7)], None)
    assert not node.sessions.alive("g", "n")
    assert node.say("NDATA", [Metric(None, 2, 0, 5)], 1)[1]


def test_dead_device_is_to_be_born_again() -> None:
    node = Node()
    node.say("NBIRTH", BIRTH, 0)
    node.say("DBIRTH", [Metric("speed", 9, sparkplug.FLOAT, 1.0)], 1, "d")
    assert node.say("DDEATH", [], 2, "d") == ({}, False)
    assert node.say("DDATA", [Metric("speed", None, sparkplug.FLOAT, 1.0)], 3, "d") == ({"speed": 1.0}, True)


def test_times_and_qualities_of_single_metrics() -> None:
    payload = SparkplugPayload(
        b"",
        MS,
        0,
        (
            Metric("a", None, sparkplug.FLOAT, 1.0, MS - 5000),
            Metric("b", None, sparkplug.FLOAT, 2.0, None, quality=500),
            Metric("c", None, sparkplug.FLOAT, float("nan")),
            Metric("d", None, sparkplug.FLOAT, 3.0, 10**18),
        ),
    )
    (report,) = Sessions().hear(Topic("g", "NBIRTH", "n"), payload, Now(AT, 0.0))
    assert isinstance(report, Report)
    assert report.device == "g/n"
    assert [(value.point, value.quality) for value in report.values] == [
        ("a", Quality.GOOD),
        ("b", Quality.FAULT),
        ("d", Quality.GOOD),
    ]
    assert report.values[0].time == AT - timedelta(seconds=5)


METRICS = st.builds(
    Metric,
    st.none() | st.sampled_from(["a", "b", "bdSeq"]),
    st.none() | st.integers(0, 5),
    st.integers(0, 40),
    st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.floats() | st.text(max_size=3),
    st.none() | st.integers(0, 2**64 - 1),
)
MESSAGES = st.tuples(
    st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]),
    st.none() | st.integers(0, 255),
    st.lists(METRICS, max_size=4),
)


@given(st.lists(MESSAGES, max_size=8))
def test_any_messages(messages: list[tuple[str, int | None, list[Metric]]]) -> None:
    sessions = Sessions()
    for message, seq, metrics in messages:
        device = "d" if message.startswith("D") else ""
        sessions.hear(Topic("g", message, "n", device), SparkplugPayload(b"", MS, seq, tuple(metrics)), Now(AT, 0.0))
