"""Register maps: orders of bytes, joined reads, what may be written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import device_classes
from chengnao.sensing.devices.register_maps import Read, Register, RegisterMap, RegistersInvalid, load_maps


def register(kind: str = "uint16", **more: object) -> Register:
    values: dict[str, object] = {"table": "holding", "address": 0, "type": kind}
    return Register(**(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", [0x42F6, 0xE979]),
        ("CDAB", [0xE979, 0x42F6]),
        ("BADC", [0xF642, 0x79E9]),
        ("DCBA", [0x79E9, 0xF642]),
    ],
)
def test_orders_of_a_float(order: str, words: list[int]) -> None:
    each = register("float32", order=order)
    assert each.raw(words, "ABCD") == pytest.approx(123.456, rel=1e-6)
    assert each.words(123.456, "ABCD") == words


@given(
    st.sampled_from(["int16", "uint16", "int32", "uint32"]),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.integers(-(2**31), 2**32 - 1),
)
def test_what_is_written_reads_back(kind: str, order: str, value: int) -> None:
    each = register(kind, order=order)
    try:
        words = each.words(value, "ABCD")
    except Invalid:
        return
    assert each.raw(words, "ABCD") == value


def test_scale_offset_sentinel_and_bits() -> None:
    made = RegisterMap(
        "m",
        {},
        {
            "t": register("int16", scale=0.1, offset=-40, sentinel=(-32768,)),
            "b": register("bit", address=1, bit=3),
            "nan": register("float32", address=2),
        },
    )
    (read,) = made.reads()
    assert read == Read("holding", 0, 4, ("t", "b", "nan"))
    assert list(made.values(read, [500, 0b1000, 0x7FC0, 0])) == [("t", 10.0, True), ("b", 1.0, True)]
    assert next(iter(made.values(read, [0x8000, 0, 0, 0])))[2] is False


def test_reads_are_joined_over_small_gaps_within_the_limit() -> None:
    registers = {f"p{address}": register(address=address) for address in (0, 1, 9, 30, 150)}
    registers["coil"] = register("bit", table="coil", address=5)
    made = RegisterMap("m", {}, registers, max_gap=8, max_count=10)
    assert made.reads() == [
        Read("holding", 0, 10, ("p0", "p1", "p9")),
        Read("holding", 30, 1, ("p30",)),
        Read("holding", 150, 1, ("p150",)),
        Read("coil", 5, 1, ("coil",)),
    ]
    apart = made.reads(frozenset({"p1"}))
    assert [read.points for read in apart][:3] == [("p0",), ("p1",), ("p9",)]


@pytest.mark.parametrize(
    ("kind", "more", "value"),
    [
        ("uint16", {"high": 50.0, "scale": 0.01}, 50.1),
        ("uint16", {}, -1),
        ("int16", {}, 32768),
        ("float32", {}, float("nan")),
        ("float32", {}, 1e39),
        ("bit", {"table": "coil"}, 2),
    ],
)
def test_what_cannot_be_written(kind: str, more: dict[str, object], value: float) -> None:
    with pytest.raises(Invalid):
        register(kind, **more).words(value, "ABCD")


@pytest.mark.parametrize(
    "text",
    [
        "registers: {p: {table: input, address: 0, type: int16, writable: true}}",
        "registers: {p: {table: holding, address: 0, type: bit}}",
        "registers: {p: {table: coil, address: 0, type: int16}}",
        "registers: {p: {table: holding, address: 65535, type: int32}}",
        "registers: {p: {table: holding, address: 0, type: int16, scale: 0}}",
        "registers: {p: {table: holding, address: 0, type: int24}}",
        "registers: {}",
        "registers: [",
        "- a",
    ],
)
def test_wrong_maps_name_their_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "registers").mkdir()
    (tmp_path / "registers" / "mine.yaml").write_text("title: {zh: a, en: b}\n" + text)
    with pytest.raises(RegistersInvalid) as caught:
        load_maps(tmp_path)
    assert "mine.yaml" in str(caught.value)


def test_a_city_adds_its_own(tmp_path: Path) -> None:
    (tmp_path / "registers").mkdir()
    (tmp_path / "registers" / "mine.yaml").write_text(
        "title: {zh: a, en: b}\nregisters: {p: {table: input, address: 0, type: int16}}"
    )
    assert {"mine", "pump_station"} <= load_maps(tmp_path).keys()


def test_points_of_the_package_lead_to_metrics() -> None:
    for name, each in load_maps().items():
        assert each.registers.keys() <= device_classes()[name].points["modbus"].keys(), name  # type: ignore[index]
