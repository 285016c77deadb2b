from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.catalogue import categories
from chengnao.incident.model import State
from chengnao.incident.open311.forms import encode
from chengnao.incident.open311.model import SPAN, handed, service, statuses, w3, wanted
from chengnao.kernel.errors import Invalid

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def test_every_state_is_open_or_closed_outside() -> None:
    known = statuses()
    assert set(known) == set(State)
    assert {state for state, each in known.items() if each.status == "closed"} == {State.CLOSED, State.DISMISSED}


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        handed({"description": "坏了", "lat": "29.5"})
    assert caught.value.params["fields"] == "service_code; lat + long, or address_string"


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": "abc"},
        {"lat": "nan"},
        {"long": "181"},
        {"media_url": "javascript:alert(1)"},
        {"description": "长" * 4001},
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        handed({"service_code": "noise", "lat": "29.5", "long": "106.5"} | wrong)
    assert caught.value.params["field"] in wrong


def test_a_chinese_name_puts_the_family_first() -> None:
    whole = {"service_code": "noise", "address_string": "渝中区"}
    assert handed(whole | {"first_name": "三", "last_name": "张"}).name == "张三"
    assert handed(whole | {"first_name": "Ann", "last_name": "Lee"}).name == "Ann Lee"


def test_a_list_spans_at_most_ninety_days() -> None:
    assert (wanted({}, NOW).since, wanted({}, NOW).until) == (NOW - SPAN, NOW)
    old = wanted({"start_date": "2026-01-01T00:00:00Z"}, NOW)
    assert old.until - old.since == SPAN
    assert wanted({"end_date": "2026-01-01T00:00:00 08:00"}, NOW).until == datetime(2025, 12, 31, 16, tzinfo=UTC)
    with pytest.raises(Invalid) as caught:
        wanted({"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-06-01T00:00:00Z"}, NOW)
    assert caught.value.code == "open311_span"


@pytest.mark.parametrize("query", [{"status": "acknowledged"}, {"start_date": "gestern"}, {"bbox": "1,2,3"}])
def test_a_query_that_means_nothing_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        wanted(query, NOW)


def test_times_carry_their_zone() -> None:
    assert w3(NOW) == "2026-11-25T12:00:00+08:00"
    assert w3(NOW + timedelta(microseconds=5)) == "2026-11-25T12:00:00+08:00"


def test_services_in_both_forms_say_the_same() -> None:
    every = [service(category) for category in categories().values()]
    root = ET.fromstring(encode("services", every, "xml"))
    assert root.tag == "services"
    assert [each.findtext("service_code") for each in root.iter("service")] == list(categories())
    assert {each.findtext("metadata") for each in root.iter("service")} == {"false"}


@given(st.text())
def test_any_text_makes_good_xml(text: str) -> None:
    root = ET.fromstring(encode("errors", [{"code": 400, "description": text}], "xml"))
    assert root.find("error/code") is not None
