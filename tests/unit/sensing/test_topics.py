"""Topic templates of MQTT."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.gateways.topics import Template, TopicsInvalid, load_templates

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def rows(template: Template, topic: str, message: Any) -> list[tuple[Any, Any, Any, Any]]:
    said = template.match(topic)
    assert said is not None
    payload = message if isinstance(message, bytes) else orjson.dumps(message)
    return [(each.device, each.point, each.time, each.value) for each in template.rows(said, payload, NOW)]


def test_filters_and_matches() -> None:
    template = Template("t", "a/{device}/+/{metric}", "number")
    assert template.filter == "a/+/+/+"
    assert template.match("a/d1/x/flow") == {"device": "d1", "metric": "flow"}
    assert template.match("a/d1/flow") is None
    assert template.match("b/d1/x/flow") is None


@pytest.mark.parametrize(
    ("text", "value"), [(b"1.5", 1.5), (b" -3 \n", -3.0), (b"true", 1.0), (b"OFF", 0.0), (b"high", "high")]
)
def test_plain_numbers(text: bytes, value: object) -> None:
    assert rows(Template("t", "a/{device}/{metric}", "number"), "a/d/m", text) == [("d", "m", NOW.isoformat(), value)]


def test_paths_of_values_and_time() -> None:
    template = Template("t", "a/{device}", "json", {"flow": "$.data[1].v", "level": "$.data[0].v"}, "$.ts")
    message = {"ts": 1_764_072_000_000, "data": [{"v": 2}, {"v": "3.5"}]}
    assert rows(template, "a/d", message) == [
        ("d", "flow", "2025-11-25T12:00:00+00:00", 3.5),
        ("d", "level", "2025-11-25T12:00:00+00:00", 2),
    ]


def test_times_of_every_kind() -> None:
    template = Template("t", "a/{device}", "json", {"v": "v"}, "t")
    for given_time, shown in [
        (1_764_072_000, "2025-11-25T12:00:00+00:00"),
        ("2025-11-25 20:00:00", "2025-11-25T20:00:00+08:00"),
        ("2025-11-25T12:00:00Z", "2025-11-25T12:00:00+00:00"),
        ("noon", "noon"),
        (True, True),
        (1e300, 1e300),
    ]:
        assert rows(template, "a/d", {"t": given_time, "v": 1})[0][2] == shown


def test_one_message_of_many_devices() -> None:
    template = Template("t", "plc/+", "json", {}, "$.t", "$.d", "$.id", "$.tag", "$.value")
    message = {"t": "2026-11-25T20:00:00+08:00", "d": [{"id": "a", "tag": "flow", "value": 1}, {"id": "b"}]}
    assert rows(template, "plc/7", message) == [
        ("a", "flow", "2026-11-25T20:00:00+08:00", 1),
        ("b", None, "2026-11-25T20:00:00+08:00", None),
    ]


def test_all_numbers_of_an_object() -> None:
    template = Template("t", "tele/{device}/SENSOR", "json", time="$.Time")
    message = {"Time": "2026-11-25T20:00:00", "AM2301": {"Temperature": 21.4, "Unit": "C"}, "Relay": [True]}
    assert rows(template, "tele/d/SENSOR", message) == [
        ("d", "AM2301.Temperature", "2026-11-25T20:00:00+08:00", 21.4),
        ("d", "Relay.0", "2026-11-25T20:00:00+08:00", 1.0),
    ]
    with pytest.raises(Invalid):
        rows(template, "tele/d/SENSOR", {"Time": "2026-11-25T20:00:00", "state": "on"})


def test_numeric_time_is_no_value() -> None:
    template = Template("t", "a/{device}", "json", time="$.time")
    assert [row[1] for row in rows(template, "a/d", {"time": 1_764_072_000, "p": 1})] == ["p"]


def test_a_city_adds_replaces_and_takes_away(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text(
        "- {name: mine, topic: 'city/{device}', payload: json}\n- {name: tasmota, dropped: true}\n"
    )
    names = [each.name for each in load_templates(tmp_path)]
    assert "mine" in names
    assert "tasmota" not in names
    assert "readings" in names


@pytest.mark.parametrize(
    "text",
    [
        "- {name: a, topic: 'x/{dev}'}",
        "- {name: a, topic: 'x/#'}",
        "- {name: a, topic: 'x/y'}",
        "- {name: a, topic: 'x/pre-{device}'}",
        "- {name: a, topic: 'x/{device}', payload: xml}",
        "- {topic: 'x/{device}'}",
        "a: [",
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "topics.yaml").write_text(text)
    with pytest.raises(TopicsInvalid) as caught:
        load_templates(tmp_path)
    assert "topics.yaml" in str(caught.value)


@given(st.binary(max_size=80), st.sampled_from(load_templates()))
def test_any_payload(payload: bytes, template: Template) -> None:
    try:
        template.rows({"device": "d", "metric": "m"}, payload, NOW)
    except Invalid as error:
        assert error.code == "message_unreadable"  # noqa: PT017
