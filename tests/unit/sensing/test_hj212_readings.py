"""From a frame to readings."""

from datetime import UTC, datetime

import pytest

from chengnao.sensing.devices.model import Protocol, device_class
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.hj212 import Frame, decode, encode
from chengnao.sensing.protocols.hj212_dialogue import Hj212Dialogue, answer
from chengnao.sensing.protocols.shape import Now, Refusal, Refused, Report

KIND = device_class("air_station")
AIR = Entry(0, "air-1", "500103", None, KIND, 0, Protocol.HJ212, "1", points=KIND.points[Protocol.HJ212])
NOW = int(datetime(2022, 5, 13, 8, 30, tzinfo=UTC).timestamp() * 1000)

# Minute data of an ambient air station, as published (flash520/hj212 parse_test.go).
MINUTE = (
    b"##0411QN=20220513162608370;ST=22;CN=2051;PW=123456;MN=JLYP01_AIR01_0001;Flag=4;CP=&&DataTime=20220513162600;"
    b"a21004-Avg=4,a21004-Flag=N;a05024-Avg=63,a05024-Flag=N;a21026-Avg=6,a21026-Flag=N;a21005-Avg=0.427,"
    b"a21005-Flag=N;a34004-Avg=14,a34004-Flag=N;a34002-Avg=31,a34002-Flag=N;a01007-Avg=1,a01007-Flag=N;"
    b"a01008-Avg=11,a01008-Flag=N;a01001-Avg=17,a01001-Flag=N;a01002-Avg=85,a01002-Flag=N;a01006-Avg=95,"
    b"a01006-Flag=N&&D641\r\n"
)


def frame(raw: bytes) -> Frame:
    found = decode(raw)
    assert isinstance(found, Frame)
    return found


def heard(raw: bytes, now: int = NOW) -> Rows | Refusal:
    moment = Now(datetime.fromtimestamp(now / 1000, UTC), 0.0)
    [act] = Hj212Dialogue().hear(frame(raw), AIR, moment)
    if isinstance(act, Refused):
        return act.refusal
    assert isinstance(act, Report)
    return rows_of(act, AIR, now)


def rows(raw: bytes, now: int = NOW) -> Rows:
    found = heard(raw, now)
    assert isinstance(found, Rows), found
    return found


def made(cn: str = "2011", time: str = "20220513162600", **factors: str) -> bytes:
    parts = {code: dict(part.split("=") for part in text.split(",")) for code, text in factors.items()}
    return encode({"CN": cn, "MN": "1", "Flag": "4"}, {"DataTime": time}, parts)


def test_published_minute_data() -> None:
    found = rows(MINUTE)
    values = dict(zip(found.metric, found.value, strict=True))
    assert len(values) == 11
    assert values["pm25_minute"] == 14
    assert values["pm10_minute"] == 31
    assert values["pressure_minute"] == 95
    assert set(found.time) == {int(datetime(2022, 5, 13, 8, 26, tzinfo=UTC).timestamp() * 1000)}
    assert set(found.quality) == {"good"}
    assert set(found.device) == {"air-1"}


def test_late_data_is_marked_late() -> None:
    assert set(rows(MINUTE, NOW + 2 * 3_600_000).quality) == {"late"}


def test_a_mean_is_late_only_after_its_period_and_the_usual_hour() -> None:
    hour = made("2061", a34004="Avg=5")
    moment = rows(hour).time[0]
    assert [rows(hour, moment + minutes * 60_000).quality for minutes in (61, 119, 121)] == [
        ["good"],
        ["good"],
        ["late"],
    ]


@pytest.mark.parametrize("now", [NOW + 32 * 86_400_000, NOW - 2 * 86_400_000])
def test_time_outside_the_window(now: int) -> None:
    refused = heard(MINUTE, now)
    assert isinstance(refused, Refusal)
    assert refused.code == "reading_time_window"


def test_each_command_has_its_own_metric() -> None:
    assert rows(made("2011", a34004="Rtd=5")).metric == ["pm25"]
    assert rows(made("2061", a34004="Avg=5,Min=1,Max=9")).metric == ["pm25_hour"]
    assert rows(made("2031", a34004="Avg=5,Cou=1")).metric == ["pm25_day"]
    assert rows(made("2021", SB1="RS=1")).metric == ["hj212.sb1_rs"]


def test_factor_of_a_vendor_is_kept_under_its_own_name() -> None:
    assert rows(made(**{"NH3 N": "Rtd=5"})).metric == ["hj212.nh3_n"]


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1_000", "1e999"])
def test_value_that_is_no_number_is_left_out(value: str) -> None:
    found = rows(made(a34004=f"Rtd={value}", a34002="Rtd=5"))
    assert found.metric == ["pm10"]
    refused = heard(made(a34004=f"Rtd={value}"))
    assert isinstance(refused, Refusal)
    assert refused.code == "reading_value"


def test_answer_carries_the_question() -> None:
    reply = frame(answer(frame(MINUTE), "9014"))
    assert (reply.cn, reply.mn, reply.header["ST"]) == ("9014", "JLYP01_AIR01_0001", "91")
    assert reply.header["QN"] == "20220513162608370"
    assert reply.flags is not None
    assert not reply.flags.ack_required
    assert reply.flags.version == 1
