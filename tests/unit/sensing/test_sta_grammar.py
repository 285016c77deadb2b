"""Expressions, options and paths of SensorThings."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import ChengnaoError, Invalid, NotFound
from chengnao.sensing.open.sta.grammar import (
    Binary,
    Call,
    Geometry,
    Literal,
    Name,
    Not,
    parse_filter,
    parse_geometry,
    parse_orderby,
)
from chengnao.sensing.open.sta.kinds import Kind
from chengnao.sensing.open.sta.options import parse_options
from chengnao.sensing.open.sta.paths import parse_path
from chengnao.sensing.open.sta.reading import next_link
from chengnao.sensing.open.sta.sql import Emitter, Sql

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def columns(parts: tuple[str, ...]) -> Sql:
    kinds = {"result": "num", "name": "text", "time": "time", "location": "geo"}
    if parts[0] not in kinds:
        raise Invalid("sta_property", field="$filter", kind="x", name=parts[0])
    return Sql(parts[0], kinds[parts[0]])  # type: ignore[arg-type]


def test_precedence() -> None:
    tree = parse_filter("a eq 1 or b gt 2 and not c lt 3 add 4 mul 5")
    assert tree == Binary(
        "or",
        Binary("eq", Name(("a",)), Literal(1.0)),
        Binary(
            "and",
            Binary("gt", Name(("b",)), Literal(2.0)),
            Binary("lt", Not(Name(("c",))), Binary("add", Literal(3.0), Binary("mul", Literal(4.0), Literal(5.0)))),
        ),
    )
    assert parse_filter("(a or b) and c") == Binary("and", Binary("or", Name(("a",)), Name(("b",))), Name(("c",)))


def test_literals_names_and_functions() -> None:
    assert parse_filter("Thing/name eq 'O''Neil 站'") == Binary("eq", Name(("Thing", "name")), Literal("O'Neil 站"))
    assert parse_filter("phenomenonTime ge 2026-11-25T08:00:00+08:00") == Binary(
        "ge", Name(("phenomenonTime",)), Literal(NOW)
    )
    assert parse_filter("result lt -1.5e2") == Binary(
        "lt", Name(("result",)), Binary("sub", Literal(0.0), Literal(150.0))
    )
    assert parse_filter("@iot.id ne null") == Binary("ne", Name(("@iot.id",)), Literal(None))
    tree = parse_filter("geo.distance(location, geography'POINT (106.5 29.5)') lt 100")
    assert isinstance(tree, Binary)
    assert tree.left == Call("geo.distance", (Name(("location",)), Literal(Geometry((106.5, 29.5)))))


def test_geometries() -> None:
    ring = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0))
    assert parse_geometry("POLYGON((0 0, 1 0, 1 1, 0 0))").polygons == ((ring,),)
    assert len(parse_geometry("MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((2 2,3 2,3 3,2 2)))").polygons) == 2
    for wrong in ("POINT()", "POLYGON((0 0, 1 1))", "LINESTRING(0 0, 1 1)", "POINT(1e999 0)", "POLYGON(())", ""):
        with pytest.raises(Invalid):
            parse_geometry(wrong)


def test_order() -> None:
    assert parse_orderby("phenomenonTime desc,result") == [
        (Name(("phenomenonTime",)), True),
        (Name(("result",)), False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a eq",
        "eq 1",
        "a eq 'x",
        "a eq 1)",
        "(a eq 1",
        "a b",
        "f(1,",
        "a eq 1 and",
        "x'",
        "name eq 1 ;drop",
        "a == 1",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(Invalid):
        parse_filter(text)


def test_depth_and_length_are_bounded() -> None:
    for text in ("(" * 5000 + "a", "not " * 2000 + "a", "-" * 5000 + "1", "a eq 1 or " * 5000 + "a eq 1"):
        with pytest.raises(Invalid):
            parse_filter(text)


@given(st.text(max_size=80))
def test_any_text_is_a_tree_or_refused(text: str) -> None:
    for parse in (parse_filter, parse_orderby, parse_path, lambda each: parse_options(Kind.THINGS, {"$expand": each})):
        try:
            parse(text)
        except ChengnaoError:
            continue


def test_values_become_parameters_and_types_are_checked() -> None:
    emitter = Emitter("pg", columns, NOW)
    condition = emitter.condition(parse_filter("name eq '; DROP TABLE devices' and result gt 3"))
    assert condition == "((name = CAST(:v0 AS text)) and (result > CAST(:v1 AS double precision)))"
    assert emitter.parameters == {"v0": "; DROP TABLE devices", "v1": 3.0}
    for wrong in ("name eq 3", "result", "length(result) eq 1", "location eq 'x'", "nothing(name)", "unknown eq 1"):
        with pytest.raises(Invalid):
            Emitter("ch", columns, NOW).condition(parse_filter(wrong))


def test_options_nested_and_bounded() -> None:
    options = parse_options(
        Kind.THINGS,
        {
            "$expand": "Locations,Datastreams($top=5;$select=name;$expand=Observations($top=1;"
            "$orderby=phenomenonTime desc))",
            "$top": "99999",
            "$count": "true",
        },
    )
    assert options.top == 1000
    datastreams = options.expand["Datastreams"]
    assert (datastreams.top, datastreams.select) == (5, frozenset({"name"}))
    assert datastreams.expand["Observations"].orderby == ((Name(("phenomenonTime",)), True),)
    short = parse_options(Kind.THINGS, {"$expand": "Datastreams/Observations,Datastreams/Sensor"})
    assert set(short.expand["Datastreams"].expand) == {"Observations", "Sensor"}
    for wrong in (
        {"$top": "-1"}, {"$top": "x"}, {"$skip": "99999999999999"}, {"$count": "yes"}, {"$expand": "Nothing"},
        {"$select": "nothing"}, {"$what": "1"}, {"$expand": "Datastreams($top=1"}, {"$resultFormat": "csv"},
        {"$expand": "/".join(["Datastreams/Thing"] * 9)},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            parse_options(Kind.THINGS, wrong)


def test_paths() -> None:
    target = parse_path("Things('a:1')/Datastreams('a:1.flow')/Observations")
    assert [(step.kind, step.key) for step in target.steps] == [
        (Kind.THINGS, "a:1"), (Kind.DATASTREAMS, "a:1.flow"), (Kind.OBSERVATIONS, None)
    ]  # fmt: skip
    assert not target.one
    assert parse_path("Datastreams('x.y')/Thing").one
    assert parse_path("Things(5)/name/$value").tail == "value"
    assert parse_path("Things/$ref").tail == "ref"
    for wrong in ("Nothing", "Things/Datastreams", "Things('a')/Nothing", "Things('a')/name/x", "Things('a", "", "/"):
        with pytest.raises(NotFound):
            parse_path(wrong)


def test_the_rest_of_a_set_is_asked_for_with_the_same_options() -> None:
    options = parse_options(Kind.THINGS, {"$filter": "name eq 'a b'", "$top": "10", "$skip": "20"})
    link = next_link("http://x/Things", options)
    assert link == "http://x/Things?$filter=name%20eq%20%27a%20b%27&$top=10&$skip=30"
