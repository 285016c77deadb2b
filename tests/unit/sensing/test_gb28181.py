"""GB/T 28181: messages and streams of them, and what is said with a device."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import gb28181_digest as digest
from chengnao.sensing.protocols.gb28181 import MAX_BODY, Message, answer, encode, field_time
from chengnao.sensing.protocols.gb28181_dialogue import WIRE, Gb28181Dialogue
from chengnao.sensing.protocols.gb28181_stream import Framer
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Act, Command, Known, Now, Receipt, Refusal, Refused, Reply, Report
from chengnao.sensing.simulators.gb28181 import Camera
from tests.support.shared import shared

CAMERA = "34020000001320000001"
SERVER = "34020000002000000001"
NOON = datetime(2026, 11, 25, 4, tzinfo=UTC)
HABITS = {"content_length_zero_with_body", "keepalive_crlf"}


@dataclass
class Entry:
    """A registered device, as a dialogue sees it."""

    id: str = "camera-1"
    address: str = CAMERA
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Known] = field(default_factory=dict)


def now(seconds: float = 0.0) -> Now:
    return Now(NOON + timedelta(seconds=seconds), 1000.0 + seconds, "10.0.0.9:5060")


def message(
    body: str = "", method: str = "MESSAGE", call_id: str = "1", encoding: str = "gb18030", **headers: str
) -> bytes:
    content = body.encode(encoding)
    lines = [f"{method} sip:{SERVER}@3402000000 SIP/2.0", "Via: SIP/2.0/UDP 192.168.1.9:5060;rport;branch=z9hG4bK1"]
    lines += [f"From: <sip:{CAMERA}@3402000000>;tag=1", f"To: <sip:{SERVER}@3402000000>", f"Call-ID: {call_id}"]
    lines += [f"CSeq: 1 {method}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def notify(command: str = "Keepalive", told: str = "<Status>OK</Status>", root: str = "Notify", sn: str = "7") -> str:
    head = '<?xml version="1.0" encoding="GB2312"?>\n'
    return (
        f"{head}<{root}>\n<CmdType>{command}</CmdType>\n<SN>{sn}</SN>\n<DeviceID>{CAMERA}</DeviceID>\n{told}</{root}>\n"
    )


def read(raw: bytes) -> list[Message | Refusal]:
    framer = Framer()
    return [*framer.feed(raw), *framer.close()]


def one(raw: bytes) -> Message:
    [found] = read(raw)
    assert isinstance(found, Message), found
    return found


KEEPALIVE = message(notify())


def test_shared_frames() -> None:
    for line in shared("frames", "gb28181.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        recording = read_recording(Framer(), record["text"].encode())
        expect = dict(record["expect"])
        error, count = expect.pop("error", None), expect.pop("frames", 1)
        assert len(recording.frames) == count, record["id"]
        if error in HABITS:
            assert error in recording.frames[0].warnings
        else:
            assert recording.kind == (error or "frame")
            assert not any(frame.warnings for frame in recording.frames)
        told = recording.frames[0].fields() if count == 1 else recording.fields(WIRE)
        assert expect.items() <= told.items(), record["id"]


def test_a_message_and_its_fields() -> None:
    found = one(KEEPALIVE).fields()
    assert found["call_id"] == "1"
    assert found["cseq"] == "1 MESSAGE"
    assert (found["CmdType"], found["SN"], found["charset"], found["root"]) == ("Keepalive", "7", "GB2312", "Notify")


@pytest.mark.parametrize(
    ("written", "declared", "warnings"),
    [
        ("gb18030", "GB2312", ()),
        ("utf-8", "UTF-8", ()),
        ("utf-8", "GB2312", ("charset_differs",)),
        ("gb18030", "UTF-8", ()),
    ],
)
def test_chinese_whatever_the_document_declares(written: str, declared: str, warnings: tuple[str, ...]) -> None:
    # 㐀 is in GB18030 alone: GB2312 and GBK do not have it.
    body = notify("Catalog", "<Name>渝中区解放碑东㐀</Name>", "Response").replace("GB2312", declared)
    found = one(message(body, encoding=written))
    assert found.fields()["Name"] == "渝中区解放碑东㐀"
    assert found.warnings == warnings


def test_untidy_documents() -> None:
    items = "<Item><Name>东门&西门 \x01</Name></Item></Item><Item><Name>a&lt;b</Name></Item>"
    told = f'<DeviceList Num="2">{items}</DeviceList>'
    found = one(message(notify("Catalog", told, "Response")))
    assert found.fields()["DeviceList"] == {"Num": "2", "Item": [{"Name": "东门&西门"}, {"Name": "a<b"}]}
    assert set(found.warnings) == {"control_characters", "surplus_tag"}
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Notify><CmdType>&b;</CmdType></Notify>'
    assert one(message(bomb)).fields()["CmdType"] == "&b;"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (KEEPALIVE[:-40], "truncated"),
        (KEEPALIVE[:100], "truncated"),
        (KEEPALIVE[:20], "truncated"),
        (message("<Notify><CmdType>Keepalive</CmdType>"), "bad_xml"),
        (message("hello", Content_Type="Application/MANSCDP+xml"), "bad_xml"),
        (message("<a>" * 30 + "</a>" * 30), "bad_xml"),
        (KEEPALIVE.replace(b"CSeq: 1 MESSAGE\r\n", b""), "missing_field"),
        (KEEPALIVE.replace(b"CSeq: 1 MESSAGE", b"CSeq: x MESSAGE"), "bad_field"),
        (KEEPALIVE.replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 BYE"), "bad_field"),
        (message(Content_Length="many"), "bad_field"),
        (message(Content_Length=str(MAX_BODY + 1)), "bad_field"),
        (b"\xff\xfe\xfd" * 5, "garbage"),
    ],
)
def test_what_is_no_message(raw: bytes, code: str) -> None:
    assert next(getattr(piece, "code", "") for piece in read(raw)) == code
    after = read(raw + KEEPALIVE)[-1]
    assert isinstance(after, Message), "what follows is lost"


def test_need_bytes() -> None:
    (cut,) = read(KEEPALIVE[:-25])
    assert isinstance(cut, Refusal)
    assert cut.params == {"need_bytes": 25}


@pytest.mark.parametrize(
    ("raw", "warning"),
    [
        (message(notify(), Content_Length="0"), "content_length_zero_with_body"),
        (message(notify()).replace(b"Content-Length", b"X-Length"), "content_length_missing"),
        (message(notify(), Content_Length="30"), "length_mismatch"),
        (message(notify(), Content_Length="400"), "length_mismatch"),
        (message(notify(), call_id=""), "empty_call_id"),
        (b"\r\n\r\n" + KEEPALIVE, "keepalive_crlf"),
        (b"\0\0\0\0" + KEEPALIVE, "keepalive_crlf"),
    ],
)
def test_habits_cost_neither_the_message_nor_the_next(raw: bytes, warning: str) -> None:
    first, second = read(raw + KEEPALIVE)
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.warnings == (warning,)
    assert first.command == second.command == "Keepalive"
    assert second.warnings == ()


def test_a_body_is_cut_by_its_length_not_by_blank_lines() -> None:
    sdp = "v=0\r\n\r\no=x\r\ny=0100000001\r\n"
    found = one(message(sdp, "INVITE", Content_Type="application/sdp"))
    assert found.fields()["body"] == sdp


def test_line_feeds_alone_and_short_names() -> None:
    raw = KEEPALIVE.replace(b"\r\n", b"\n").replace(b"Call-ID:", b"i:").replace(b"Content-Length:", b"l :")
    assert one(raw).header("call-id") == "1"


def test_quiet_line_brings_out_what_only_waits() -> None:
    framer = Framer()
    assert framer.feed(message(method="MESSAGE")) == []
    (found,) = framer.hurry()
    assert isinstance(found, Message)
    framer.feed(message(notify(), Content_Length="400"))
    assert [getattr(piece, "warnings", None) for piece in framer.hurry()] == [("length_mismatch",)]
    framer.feed(KEEPALIVE[:-9])
    assert framer.hurry() == []


STREAM = [
    KEEPALIVE,
    b"\r\n",
    message(notify("Alarm"), Content_Length="0"),
    b"junk",
    message(method="REGISTER"),
    message(notify(), Content_Length="9"),
    message(notify(), Content_Length="390"),
    KEEPALIVE[:-30],
    answer(one(KEEPALIVE), 200, "OK"),
    KEEPALIVE,
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STREAM), max_size=6), st.data())
def test_any_cut_gives_the_same(parts: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(parts)
    whole = read(raw)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    framer, found = Framer(), []
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += framer.feed(raw[begin:end])
    assert [*found, *framer.close()] == whole


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(KEEPALIVE)), st.binary(max_size=20))
def test_no_bytes_raise(noise: bytes, at: int, inserted: bytes) -> None:
    read(noise)
    dialogue, device = Gb28181Dialogue(), Entry()
    for piece in read(KEEPALIVE[:at] + inserted + KEEPALIVE[at:]):
        if isinstance(piece, Message):
            piece.fields()
            dialogue.address(piece)
            dialogue.unknown(piece, now())
            dialogue.hear(piece, device, now())


@given(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="<>&"), min_size=1, max_size=30))
def test_round_trip(name: str) -> None:
    raw = encode(f"MESSAGE sip:{SERVER}@3402000000 SIP/2.0", [
        ("Via", "SIP/2.0/TCP 1.2.3.4:5060"), ("From", f"<sip:{CAMERA}@x>"), ("To", "<sip:a@b>"), ("Call-ID", "c"),
        ("CSeq", "3 MESSAGE"),
    ], notify("DeviceInfo", f"<DeviceName>x{name}</DeviceName>", "Response"))  # fmt: skip
    assert one(raw).fields()["DeviceName"] == f"x{name}"


def test_times() -> None:
    assert field_time("2026-11-25T12:00:00") == NOON
    assert field_time("2026-11-25T12:00:00.000") == NOON
    assert field_time("2026-11-25T04:00:00Z") == NOON
    for wrong in ("", "2026-13-01T00:00:00", "9999-12-31T23:59:59", "noon"):
        assert field_time(wrong) is None


# What is said.


def said(acts: list[Act]) -> list[Message]:
    sent = b"".join(
        act.data if isinstance(act, Reply) else act.reply for act in acts if isinstance(act, Reply | Report | Refused)
    )
    return [piece for piece in read(sent) if isinstance(piece, Message)]


def values(acts: list[Act]) -> dict[str, float]:
    return {value.point: value.value for act in acts if isinstance(act, Report) for value in act.values}


def hear(dialogue: Gb28181Dialogue, raw: bytes, device: Entry, seconds: float = 0.0) -> list[Act]:
    acts: list[Act] = []
    for piece in read(raw):
        assert isinstance(piece, Message)
        acts += dialogue.hear(piece, device, now(seconds))
    return acts


def registered(device: Entry, **more: Any) -> tuple[Gb28181Dialogue, Camera, list[Act]]:
    dialogue, camera = Gb28181Dialogue(), Camera(1, str(device.settings.get("password", "")), **more)
    data, acts = camera.hello(NOON), []
    while data:
        heard = hear(dialogue, data, device)
        acts += heard
        data = b"".join(
            camera.hear(act.data if isinstance(act, Reply) else act.reply, NOON)
            for act in heard
            if isinstance(act, Reply | Report | Refused)
        )
    return dialogue, camera, acts


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SM3"])
def test_registration_with_a_password(algorithm: str) -> None:
    _, camera, acts = registered(Entry(settings={"password": "geheim", "digest": algorithm}))
    asked, accepted, *_ = said(acts)
    assert (asked.status, accepted.status) == (401, 200)
    assert digest.parts_of(asked.header("www-authenticate"))["algorithm"] == algorithm
    assert accepted.header("date") == "2026-11-25T12:00:00.000"
    assert accepted.header("expires") == "3600"
    assert "rport=5060;received=10.0.0.9" in accepted.header("via")
    assert camera.ready
    assert values(acts)["online"] == 1


def test_published_digest() -> None:
    """The example of RFC 2617, section 3.5."""
    header = (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1"'
    )
    parts = digest.parts_of(header)
    assert digest.proves(parts, "GET", "Circle Of Life")
    assert not digest.proves(parts, "GET", "Circle of Life")
    assert digest.parts_of("Basic abc") == {}


def test_wrong_passwords_other_algorithms_and_old_nonces() -> None:
    device = Entry(settings={"password": "geheim"})
    dialogue, camera = Gb28181Dialogue(), Camera(1, "falsch")
    challenged = said(hear(dialogue, camera.hello(NOON), device))[0]
    tried = camera.hear(challenged.raw, NOON)
    acts = hear(dialogue, tried, device)
    assert said(acts)[0].status == 403
    assert [act.refusal.code for act in acts if isinstance(act, Refused)] == ["credentials_wrong"]
    right = Camera(1, "geheim")
    right.hello(NOON)
    good = right.hear(challenged.raw, NOON)
    stale = said(hear(dialogue, good, device, 400))[0]
    assert digest.parts_of(stale.header("www-authenticate"))["stale"] == "true"
    weaker = Entry(settings={"password": "geheim", "digest": "SHA-256"})
    dialogue = Gb28181Dialogue()
    asked = said(hear(dialogue, right.hello(NOON), weaker))[0].raw.replace(b"SHA-256", b"MD5")
    assert said(hear(dialogue, right.hear(asked, NOON), weaker))[0].status == 403


def test_nothing_counts_before_registration_where_a_password_is_set() -> None:
    acts = hear(Gb28181Dialogue(), KEEPALIVE, Entry(settings={"password": "geheim"}))
    assert said(acts)[0].status == 403
    assert values(acts) == {}
    assert values(hear(Gb28181Dialogue(), KEEPALIVE, Entry())) == {"online": 1, "fault": 0}


def test_intervals_of_registration() -> None:
    def status(expires: str) -> int | None:
        return said(hear(Gb28181Dialogue(), message(method="REGISTER", Expires=expires), Entry()))[0].status

    assert [status("3600"), status("10"), status("-1"), status("99999999")] == [200, 423, 400, 200]
    dialogue, _, _ = registered(Entry())
    acts = hear(dialogue, message(method="REGISTER", Expires="0"), Entry())
    assert values(acts) == {"online": 0}
    assert dialogue.tick(now(5)) == []


def test_three_lost_keepalives_and_an_end_of_registration() -> None:
    dialogue, _, _ = registered(Entry())
    assert dialogue.tick(now(179)) == []
    assert values(dialogue.tick(now(181))) == {"online": 0}
    assert dialogue.tick(now(182)) == []
    assert values(hear(dialogue, KEEPALIVE, Entry(), 200))["online"] == 1
    assert values(dialogue.tick(now(3601))) == {"online": 0}
    assert dialogue.tick(now(3602)) == []


def test_keepalive_tells_faulty_channels() -> None:
    told = "<Status>ERROR</Status><Info><DeviceID>a</DeviceID><DeviceID>b</DeviceID></Info>"
    acts = hear(Gb28181Dialogue(), message(notify(told=told)), Entry())
    assert values(acts) == {"online": 1, "fault": 1, "faulty_channels": 2}


def alarm(time: str = "2026-11-25T11:59:00", channel: str = CAMERA) -> bytes:
    told = f"<AlarmPriority>1</AlarmPriority><AlarmMethod>5</AlarmMethod><AlarmTime>{time}</AlarmTime>"
    told += "<Longitude>106.5</Longitude><Latitude>29.5</Latitude><Info><AlarmType>2</AlarmType></Info>"
    return message(notify("Alarm", told).replace(CAMERA, channel))


def test_alarms() -> None:
    acts = hear(Gb28181Dialogue(), alarm(), Entry())
    (report,) = acts
    assert isinstance(report, Report)
    assert values(acts) == {"alarm_level": 1, "alarm_method": 5, "alarm_type": 2}, "no place among them"
    assert report.time == NOON - timedelta(minutes=1)
    assert said(acts)[0].status == 200
    (wrong,) = hear(Gb28181Dialogue(), alarm("yesterday"), Entry())
    assert isinstance(wrong, Refused)
    assert wrong.refusal.code == "reading_time"
    channel = "34020000001320000009"
    behind = Entry(behind={channel: Entry("c", channel)})
    (of_channel,) = hear(Gb28181Dialogue(), alarm(channel=channel), behind)
    assert isinstance(of_channel, Report)
    assert of_channel.device == channel


def test_what_stands_deep_and_once_is_told_at_the_top() -> None:
    assert one(alarm()).fields()["AlarmType"] == "2"
    assert one(page(1, B)).fields()["Name"] == "门"
    two = one(page(2, A, B)).fields()
    assert "Name" not in two
    assert two["DeviceID"] == CAMERA


def test_positions_are_decoded_and_never_become_readings() -> None:
    raw = message(notify("MobilePosition", "<Longitude>106.5</Longitude><Latitude>29.5</Latitude>"), "NOTIFY")
    assert one(raw).fields()["Longitude"] == "106.5"
    acts = hear(Gb28181Dialogue(), raw, Entry())
    assert [type(act) for act in acts] == [Reply]
    assert said(acts)[0].status == 200


def page(total: int, *channels: str, sn: str = "5", status: str = "ON") -> bytes:
    items = "".join(
        f"<Item><DeviceID>{each}</DeviceID><Name>门</Name><Status>{status}</Status></Item>" for each in channels
    )
    told = f'<SumNum>{total}</SumNum><DeviceList Num="{len(channels)}">{items}</DeviceList>'
    return message(notify("Catalog", told, "Response", sn))


A, B, GROUP = "34020000001320000001", "34020000001310000002", "34020000002150000001"


def test_catalogue_in_pages_with_duplicates() -> None:
    dialogue = Gb28181Dialogue()
    device = Entry(behind={B: Entry("b", B)})
    assert values(hear(dialogue, page(4, A), device)) == {}
    assert values(hear(dialogue, page(4, A, GROUP), device, 1)) == {}
    acts = hear(dialogue, page(4, B, status="OFF"), device, 2)
    reports = [act for act in acts if isinstance(act, Report)]
    assert values([reports[0]]) == {"channels": 2, "channels_online": 1}
    assert (reports[1].device, values([reports[1]])) == (B, {"online": 0})
    assert values(hear(dialogue, page(0, sn="6"), device)) == {"channels": 0, "channels_online": 0}


def test_catalogue_that_stays_incomplete_is_held() -> None:
    dialogue = Gb28181Dialogue()
    hear(dialogue, page(4, A), Entry())
    assert dialogue.tick(now(30)) == []
    (held,) = dialogue.tick(now(61))
    assert isinstance(held, Refused)
    assert (held.refusal.code, held.refusal.params) == ("catalogue_incomplete", {"declared": 4, "actual": 1})
    for number in range(20):
        hear(dialogue, page(4, A, sn=str(number)), Entry())
    assert len(dialogue.close()) == 4


def test_queries_and_their_answers() -> None:
    device = Entry()
    dialogue, camera, acts = registered(device, channels=3)
    assert values(acts) == {"online": 1, "channels": 3, "channels_online": 3}

    def ask(name: str, **arguments: Any) -> list[Act]:
        data = dialogue.command(Command(f"key-{name}", name, arguments), device, now())
        return hear(dialogue, camera.hear(data, NOON), device)

    def receipt(acts: list[Act]) -> Receipt:
        (found,) = (act for act in acts if isinstance(act, Receipt))
        return found

    status = ask("query_status")
    assert values(status) == {"online": 1, "fault": 0, "encoding": 1, "recording": 0}
    assert receipt(status) == Receipt("key-query_status", True, receipt(status).detail)
    information = ask("query_info")
    assert receipt(information).detail["DeviceName"] == "模拟摄像机"
    listed = receipt(ask("query_catalog")).detail
    assert (listed["total"], listed["channels"][1]["name"]) == (3, "通道2")
    assert receipt(ask("reset_alarm")).ok
    assert receipt(ask("subscribe", event="MobilePosition")).detail == {"status": 200}
    assert camera.heard[-1].method == "SUBSCRIBE"
    for wrong in ({"event": "Else"}, {"seconds": -1}):
        with pytest.raises(Invalid):
            ask("subscribe", **wrong)
    with pytest.raises(Invalid, match="dance"):
        ask("dance")


def test_a_command_that_the_device_refuses() -> None:
    dialogue = Gb28181Dialogue()
    (asked,) = read(dialogue.command(Command("k", "query_info"), Entry(), now()))
    assert isinstance(asked, Message)
    (refused,) = hear(dialogue, answer(asked, 488, "Not Acceptable Here"), Entry())
    assert refused == Receipt("k", False, {"status": 488})


def test_media_is_refused_openly() -> None:
    def status(method: str) -> list[int | None]:
        return [each.status for each in said(hear(Gb28181Dialogue(), message(method=method), Entry()))]

    assert (status("INVITE"), status("INFO")) == ([488], [405])
    assert status("BYE") == [481]
    assert status("OPTIONS") == [200]
    assert status("ACK") == []
    query = message(notify("Catalog", root="Query"))
    assert [each.status for each in said(hear(Gb28181Dialogue(), query, Entry()))] == [405]


def test_who_speaks() -> None:
    dialogue = Gb28181Dialogue()
    assert dialogue.address(one(KEEPALIVE)) == CAMERA
    swapped = KEEPALIVE.replace(f"From: <sip:{CAMERA}".encode(), f"From: <sip:{SERVER}".encode())
    assert dialogue.address(one(swapped)) == CAMERA
    assert WIRE.hint(KEEPALIVE[:200]) == CAMERA
    assert b" 403 " in dialogue.unknown(one(KEEPALIVE), now())
    assert b" 404 " in dialogue.unknown(one(message(method="REGISTER")), now())
    assert dialogue.unknown(one(answer(one(KEEPALIVE), 200, "OK")), now()) == b""
