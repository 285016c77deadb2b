import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from chengnao.incident.model import OPEN, Action, Actor, Incident, Source, State, TimelineEntry
from chengnao.incident.public.model import Buckets, Standing, address_key, progress
from chengnao.incident.public.pictures import without_traces
from chengnao.incident.reports.model import Channel, Report
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.errors import Invalid, TooMany
from tests.support.letters import saved

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def incident(state: State, **changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": "i", "number": "CQ-20261125-000001", "title": "t", "description": "d", "category": "road_damage",
        "grade": 3, "state": state, "source": Source.REPORT, "division_code": "500103", "desk_code": "500103",
        "unit_id": "roads", "lon": None, "lat": None, "address": "", "opened_at": NOW, "entered_at": NOW,
        "due_at": NOW + timedelta(hours=1), "close_by": NOW + timedelta(days=5),
    }  # fmt: skip
    return Incident(**values | changes)


def report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "id": "r", "tracking_number": "SB-20261125-000001", "incident_id": "i", "channel": Channel.CITIZEN,
        "content": "c", "category": "road_damage", "given_category": None, "confidence": None,
        "division_code": "500103", "lon": None, "lat": None, "address": "", "received_at": NOW,
    }  # fmt: skip
    return Report(**values | changes)


def entry(action: str, minutes: int, **data: Any) -> TimelineEntry:
    actor = Actor("user", "u", "张三")
    return TimelineEntry(
        "i", 1, NOW + timedelta(minutes=minutes), actor, action, State.NEW, State.NEW, "张三说 13800138000", data
    )


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_words_for_the_citizen(state: State) -> None:
    found = progress(report(), incident(state), 0, [], NOW)
    assert found.standing.zh
    assert (found.due_at is None) == (state.final or state is State.SUSPENDED)


def test_who_has_not_been_found_yet_is_not_named() -> None:
    assert progress(report(), incident(State.RETURNED), 0, [], NOW).unit_id is None
    assert progress(report(), incident(State.ACCEPTED), 0, [], NOW).unit_id == "roads"


def test_being_late_is_said_and_so_are_the_others() -> None:
    late = progress(report(), incident(State.ACCEPTED), 3, [], NOW + timedelta(days=6))
    assert (late.overdue, late.others, late.standing) == (True, 3, Standing.HANDLING)
    assert not progress(report(), incident(State.CLOSED), 0, [], NOW + timedelta(days=6)).overdue


def test_the_steps_are_in_order_and_say_nothing_of_who_took_them_or_why() -> None:
    timeline = [
        entry(OPEN, -30), entry(Action.NOTE, 3), entry(Action.DISPATCH, 5, unit_id="roads"), entry(Action.ACCEPT, 9),
        entry(Action.EXTEND, 11),
    ]  # fmt: skip
    found = progress(
        report(answer="张三先生您好，已修复，回电13800138000"), incident(State.ACCEPTED), 0, [timeline], NOW
    )
    assert [step.action for step in found.steps] == [OPEN, Action.DISPATCH, Action.ACCEPT, Action.EXTEND]
    assert found.steps[1].unit_id == "roads"
    assert found.answer == "张先生您好，已修复，回电138****8000"
    assert "13800138000" not in repr(found.steps)
    assert "张三" not in repr(found.steps)


def test_a_bucket_lets_so_many_through_and_then_as_time_allows() -> None:
    clock = FixedClock(NOW)
    bucket = Buckets(3, 60, now=lambda: clock.now().timestamp())
    for _ in range(3):
        bucket.take("a")
    bucket.take("b")
    with pytest.raises(TooMany) as refused:
        bucket.take("a")
    assert refused.value.retry_after == 21
    clock.advance(21)
    bucket.take("a")
    with pytest.raises(TooMany):
        bucket.check("a")
    clock.advance(3600)
    for _ in range(3):
        bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")


def test_buckets_that_nobody_uses_take_no_room_for_ever() -> None:
    bucket = Buckets(1, 60, keys=10, now=lambda: 0.0)
    for number in range(1_000):
        bucket.take(str(number))
    assert len(bucket._levels) == 10
    with pytest.raises(TooMany):
        bucket.take("999")


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, ""),
        ("testclient", "testclient"),
    ],
)
def test_a_sender_is_an_address_or_a_network_of_one_household(host: str | None, key: str) -> None:
    assert address_key(host) == key


def test_a_photo_loses_where_and_when_it_was_taken_but_not_which_way_is_up() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "TelephoneMaker"
    exif.get_ifd(0x8825)[2] = (29.0, 33.0, 1.0)
    given = saved(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    assert b"TelephoneMaker" in given
    bare = without_traces(given)
    opened = Image.open(io.BytesIO(bare))
    assert (opened.format, opened.size) == ("JPEG", (20, 40))
    assert not opened.getexif()
    assert b"TelephoneMaker" not in bare


def test_a_png_loses_its_texts_and_keeps_its_colours() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "TelephoneMaker")
    for mode in ("RGB", "RGBA", "P", "L", "1"):
        given = saved(Image.new("RGB", (8, 8), "red").convert(mode), "PNG", pnginfo=notes)
        bare = without_traces(given)
        assert b"TelephoneMaker" not in bare
        same = Image.open(io.BytesIO(bare)).convert("RGB").tobytes()
        assert same == Image.open(io.BytesIO(given)).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<svg/>", "photo_not_image"),
        (b"GIF89a" + bytes(50), "photo_not_image"),
        (b"\xff\xd8\xff\xe0 nothing", "photo_damaged"),
        (saved(Image.new("1", (8_000, 6_000)), "PNG"), "photo_damaged"),
        (saved(Image.new("RGB", (64, 64)), "PNG")[:-30], "photo_damaged"),
        (bytes(10 * 2**20 + 1), "photo_too_large"),
    ],
)
def test_what_is_no_photo_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        without_traces(data)
    assert refused.value.code == code
