"""The simulated pump station: what it answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.modbus import Frame, Framer, encode_tcp
from chengnao.sensing.simulators.modbus import PumpStation

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def ask(station: PumpStation, pdu: str) -> dict[str, object]:
    (frame,) = Framer().feed(station.hear(encode_tcp(9, 3, bytes.fromhex(pdu)), NOW))
    assert isinstance(frame, Frame)
    assert (frame.transaction, frame.unit) == (9, 3)
    return frame.pdu.values


def test_reads_of_every_table() -> None:
    station = PumpStation(1)
    registers = ask(station, "0400000008")["registers"]
    assert isinstance(registers, list)
    assert registers[0] == round(station.values(NOW)["inlet_pressure"] * 10)
    assert ask(station, "0300000001") == {"registers": [4500]}
    bits = ask(station, "0100000001")["bits"]
    assert isinstance(bits, list)
    assert bits[0]


@pytest.mark.parametrize(
    ("pdu", "code"), [("0300100001", 2), ("0200000001", 2), ("0600020001", 2), ("07", 1), ("2b0e0100", 1)]
)
def test_what_it_refuses(pdu: str, code: int) -> None:
    if len(pdu) == 2:
        assert PumpStation(1).hear(encode_tcp(9, 3, bytes.fromhex(pdu)), NOW) == b""
    else:
        assert ask(PumpStation(1), pdu) == {"exception": code}


def test_writes_change_what_it_measures() -> None:
    station = PumpStation(1)
    before = station.values(NOW)["flow"]
    ask(station, "06000007d0")
    assert station.values(NOW)["frequency"] == pytest.approx(20.0)
    assert station.values(NOW)["flow"] < before
    ask(station, "0500000000")
    assert station.values(NOW)["flow"] == 0.0


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes(reads: list[bytes]) -> None:
    station = PumpStation(1)
    for read in reads:
        station.hear(read, NOW)
        station.hear(encode_tcp(1, 1, read), NOW)
