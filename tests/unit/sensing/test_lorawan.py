"""LoRaWAN: what goes over the air, what network servers tell, and payloads into values."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cayennelpp import LppFrame
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.lorawan import PhyPayload, decode
from chengnao.sensing.protocols.lorawan_codecs import uplink_values
from chengnao.sensing.protocols.lorawan_uplink import Uplink, read_uplink
from chengnao.sensing.protocols.shape import Refusal, Value

from .recorded import differences, told

EUI = "24e124136b502217"


def chirpstack(**more: Any) -> bytes:
    event = {
        "deduplicationId": "3ac7e3c4",
        "time": "2026-07-18T09:33:28.823500726+00:00",
        "deviceInfo": {"applicationId": "17c82e96", "deviceName": "level", "devEui": EUI.upper()},
        "devAddr": "00189440",
        "fCnt": 4,
        "fPort": 85,
        "confirmed": False,
        "data": base64.b64encode(bytes.fromhex("036700eb0468 6e")).decode(),
        "rxInfo": [{"gatewayId": "a", "rssi": -97, "snr": 3.5}, {"gatewayId": "b", "rssi": -48, "snr": 9.0}],
    }
    return json.dumps(event | more).encode()


def things_stack(**more: Any) -> bytes:
    up = {
        "f_port": 2,
        "f_cnt": 9,
        "frm_payload": base64.b64encode(b"\x01\x02").decode(),
        "decoded_payload": {"level": 1.25, "door": {"open": True}, "name": "x"},
        "rx_metadata": [{"rssi": -35, "snr": 5}],
        "received_at": "2026-02-12T15:15:45.787Z",
    }
    ids = {"device_id": "dev1", "application_ids": {"application_id": "app1"}, "dev_eui": EUI.upper()}
    return json.dumps({"end_device_ids": ids, "uplink_message": up | more}).encode()


def read(raw: bytes) -> Uplink:
    found = read_uplink(raw)
    assert isinstance(found, Uplink), found
    return found


def test_recorded_frames() -> None:
    assert differences("lorawan") == {}


@pytest.mark.parametrize(
    ("hexed", "code", "need"),
    [
        ("40f17dbe4900", "truncated", 6),
        ("40f17dbe49850200010203042b11ff0d", "truncated", 1),
        ("00" * 22, "truncated", 1),
        ("00" * 24, "length_mismatch", None),
        ("20" + "00" * 20, "truncated", 12),
        ("41" + "00" * 20, "bad_header", None),
        ("c003" + "00" * 20, "bad_field", None),
    ],
)
def test_wrong_frames(hexed: str, code: str, need: int | None) -> None:
    found = told("lorawan", bytes.fromhex(hexed))
    assert (found["error"], found.get("need_bytes")) == (code, need)


def test_options_of_the_head_and_a_frame_without_port() -> None:
    found = decode(bytes.fromhex("60f17dbe4982010003072b11ff0d"))
    assert isinstance(found, PhyPayload)
    assert found.fields() == {
        "mtype": "UnconfirmedDown",
        "dev_addr": "49be7df1",
        "fctrl": "82",
        "fcnt": 1,
        "fopts": "0307",
        "mic": "2b11ff0d",
        "fport": None,
        "frm_payload": "",
    }


def test_chirpstack_with_cayenne_lpp() -> None:
    uplink = read(chirpstack())
    assert (uplink.dev_eui, uplink.fport, uplink.fcnt, uplink.server) == (EUI, 85, 4, "chirpstack")
    assert uplink.time == datetime(2026, 7, 18, 9, 33, 28, 823500, UTC)
    assert uplink_values(uplink, {}) == [
        Value("temperature_3", 23.5),
        Value("humidity_4", 55.0),
        Value("rssi", -48.0),
        Value("snr", 9.0),
    ]


def test_things_stack_with_the_decoded_object() -> None:
    values = uplink_values(read(things_stack()), {"codec": "object"})
    assert values == [Value("level", 1.25), Value("door.open", 1.0), Value("rssi", -35.0), Value("snr", 5.0)]


def test_status_event_tells_the_battery() -> None:
    event = json.loads(chirpstack())
    for name in ("data", "fPort", "rxInfo"):
        del event[name]
    event |= {"margin": 15, "batteryLevel": 75.5}
    assert uplink_values(read(json.dumps(event).encode()), {}) == [
        Value("battery_level", 75.5),
        Value("link_margin", 15.0),
    ]


def test_location_of_cayenne_lpp_is_left_out() -> None:
    frame = LppFrame()
    frame.add_location(1, 29.5, 106.5, 200)
    frame.add_accelerometer(2, 0.1, -0.2, 0.3)
    data = base64.b64encode(bytes(frame)).decode()
    values = uplink_values(read(chirpstack(data=data, rxInfo=[])), {"codec": "cayenne_lpp"})
    assert values == [
        Value("accelerometer_2.x", 0.1),
        Value("accelerometer_2.y", -0.2),
        Value("accelerometer_2.z", 0.3),
    ]


@pytest.mark.parametrize("data", ["01", "0167", "016701", "01ff0102", "016700eb02"])
def test_cut_cayenne_lpp_is_refused(data: str) -> None:
    found = uplink_values(read(chirpstack(data=base64.b64encode(bytes.fromhex(data)).decode())), {})
    assert isinstance(found, Refusal)
    assert found.code == "bad_field"


def test_unknown_codec() -> None:
    with pytest.raises(Invalid) as caught:
        uplink_values(read(chirpstack()), {"codec": "morse"})
    assert caught.value.code == "codec_unknown"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"{", "payload"),
        (b'{"a": 1}', "deviceInfo | end_device_ids"),
        (chirpstack(deviceInfo={"devEui": "xyz"}), "dev_eui"),
        (chirpstack(data="%%"), "data"),
        (chirpstack(time="yesterday"), "time"),
        (chirpstack(time="2026-07-18T09:33:28"), "time"),
    ],
)
def test_json_that_cannot_be_used(raw: bytes, field: str) -> None:
    found = read_uplink(raw)
    assert isinstance(found, Refusal)
    assert found.params["field"] == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["data", "object", "rxInfo", "fPort", "time", "deviceInfo", "margin"]), JSON)
def test_any_value_in_any_field(name: str, value: Any) -> None:
    found = read_uplink(chirpstack(**{name: value}))
    if isinstance(found, Uplink):
        uplink_values(found, {})


@given(st.binary(max_size=60))
def test_any_bytes(raw: bytes) -> None:
    decode(raw)
    decode(b"{" + raw)
    uplink_values(read(chirpstack(data=base64.b64encode(raw).decode())), {"codec": "cayenne_lpp"})
