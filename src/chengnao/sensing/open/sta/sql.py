"""From the tree of an expression to SQL, for PostgreSQL and for ClickHouse. Every value becomes a parameter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from chengnao.kernel.errors import Invalid
from chengnao.sensing.open.sta.grammar import Binary, Call, Geometry, Name, Node, Not
from chengnao.sensing.open.sta.grammar import Literal as Value

Dialect = Literal["pg", "ch"]
Type = Literal["text", "num", "time", "bool", "geo", "null"]

_COMPARE = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}
_EARTH_RADIUS_M = 6_371_008.8


class Sql(NamedTuple):
    text: str
    type: Type
    wrap: str = ""
    """What a condition with this in it is put into: it is about one of many (`{}` stands for the condition)."""


class _Function(NamedTuple):
    takes: tuple[Type, ...]
    gives: Type
    pg: str
    ch: str


_FUNCTIONS: Mapping[str, _Function] = {
    "substringof": _Function(("text", "text"), "bool", "(position({0} in {1}) > 0)", "(positionUTF8({1}, {0}) > 0)"),
    "contains": _Function(("text", "text"), "bool", "(position({1} in {0}) > 0)", "(positionUTF8({0}, {1}) > 0)"),
    "startswith": _Function(("text", "text"), "bool", "starts_with({0}, {1})", "startsWith({0}, {1})"),
    "endswith": _Function(("text", "text"), "bool", "(right({0}, length({1})) = {1})", "endsWith({0}, {1})"),
    "length": _Function(("text",), "num", "length({0})", "lengthUTF8({0})"),
    "indexof": _Function(("text", "text"), "num", "(position({1} in {0}) - 1)", "(positionUTF8({0}, {1}) - 1)"),
    "tolower": _Function(("text",), "text", "lower({0})", "lower({0})"),
    "toupper": _Function(("text",), "text", "upper({0})", "upper({0})"),
    "trim": _Function(("text",), "text", "trim({0})", "trimBoth({0})"),
    "concat": _Function(("text", "text"), "text", "({0} || {1})", "concat({0}, {1})"),
    "round": _Function(("num",), "num", "round({0}::numeric)", "round({0})"),
    "floor": _Function(("num",), "num", "floor({0})", "floor({0})"),
    "ceiling": _Function(("num",), "num", "ceil({0})", "ceil({0})"),
    "date": _Function(("time",), "time", "date_trunc('day', {0}, 'UTC')", "toStartOfDay({0})"),
    "fractionalseconds": _Function(
        ("time",), "num", "mod(extract(second from {0})::numeric, 1)", "((toUnixTimestamp64Milli({0}) % 1000) / 1000)"
    ),
    "totaloffsetminutes": _Function(("time",), "num", "(extract(year from {0}) * 0)", "(toYear({0}) * 0)"),
} | {
    name: _Function(("time",), "num", f"extract({name} from {{0}} at time zone 'UTC')", f"{function}({{0}})")
    for name, function in {
        "year": "toYear",
        "month": "toMonth",
        "day": "toDayOfMonth",
        "hour": "toHour",
        "minute": "toMinute",
        "second": "toSecond",
    }.items()
}

_WITHIN = frozenset({"st_within", "st_intersects", "geo.intersects"})
_UNSERVED_GEO = frozenset({"st_touches", "st_overlaps", "st_crosses", "st_relate", "geo.length"})

Resolve = Callable[[tuple[str, ...]], Sql]
"""The SQL of a property, by its path; raises Invalid for one that there is not."""


@dataclass
class Emitter:
    """Gathers the parameters of one statement."""

    dialect: Dialect
    resolve: Resolve
    now: datetime
    parameters: dict[str, Any] = field(default_factory=dict)
    place: tuple[str, str] = ("d.lon", "d.lat")

    def condition(self, node: Node) -> str:
        """The SQL of a filter."""
        emitted = self._boolean(node)
        return emitted.text

    def expression(self, node: Node) -> str:
        """The SQL of something to order by."""
        emitted = self._emit(node)
        if emitted.wrap or emitted.type == "geo":
            raise _unfit("$orderby", node)
        return emitted.text

    def bind(self, value: Any, kind: Type) -> str:
        name = f"v{len(self.parameters)}"
        self.parameters[name] = _milliseconds(value) if self.dialect == "ch" and isinstance(value, datetime) else value
        if self.dialect == "pg":
            cast = {"text": "text", "num": "double precision", "time": "timestamptz", "bool": "boolean"}[kind]
            return f"CAST(:{name} AS {cast})"
        if kind == "time":
            return f"fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
        return f"{{{name}:{ {'text': 'String', 'num': 'Float64', 'bool': 'Bool'}[kind] }}}"

    def _boolean(self, node: Node) -> Sql:
        match node:
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                return Sql(f"({self._boolean(left).text} {operator} {self._boolean(right).text})", "bool")
            case Not(operand=operand):
                # Unknown is not true: what has no value is outside of a condition and of its contrary alike.
                return Sql(f"(NOT {self._boolean(operand).text})", "bool")
        emitted = self._emit(node)
        if emitted.type != "bool":
            raise _unfit("$filter", node)
        return Sql(emitted.wrap.replace("{}", emitted.text), "bool") if emitted.wrap else emitted

    def _emit(self, node: Node) -> Sql:
        match node:
            case Value(value=value):
                return self._literal(value)
            case Name(parts=parts):
                return self.resolve(parts)
            case Call():
                return self._call(node)
            case Binary(operator=operator) if operator in _COMPARE:
                return self._compare(node)
            case Binary(operator=operator) if operator in _ARITHMETIC:
                return self._arithmetic(node)
        return self._boolean(node)

    def _literal(self, value: Any) -> Sql:
        if value is None:
            return Sql("NULL", "null")
        if isinstance(value, Geometry):
            raise Invalid("sta_expression", field="$filter", near="geography", wanted="st_within(location, ...)")
        kind: Type = "bool" if isinstance(value, bool) else "time" if isinstance(value, datetime) else "num"
        if isinstance(value, str):
            kind = "text"
        return Sql(self.bind(value, kind), kind)

    def _compare(self, node: Binary) -> Sql:
        left, right = self._emit(node.left), self._emit(node.right)
        wrap = _joined(left, right, node)
        if "null" in (left.type, right.type):
            if node.operator not in {"eq", "ne"}:
                raise _unfit("$filter", node)
            known = left if right.type == "null" else right
            return Sql(f"({known.text} IS {'NOT ' if node.operator == 'ne' else ''}NULL)", "bool", wrap)
        if left.type != right.type or left.type == "geo":
            raise _unfit("$filter", node)
        return Sql(f"({left.text} {_COMPARE[node.operator]} {right.text})", "bool", wrap)

    def _arithmetic(self, node: Binary) -> Sql:
        left, right = self._emit(node.left), self._emit(node.right)
        if (left.type, right.type) != ("num", "num"):
            raise _unfit("$filter", node)
        operator, divisor = _ARITHMETIC[node.operator], right.text
        if node.operator in {"div", "mod"}:
            divisor = f"nullif({right.text}, 0)"  # a division by zero is unknown, not an error
        if node.operator == "mod" and self.dialect == "pg":
            return Sql(f"mod(({left.text})::numeric, ({divisor})::numeric)", "num", _joined(left, right, node))
        return Sql(f"({left.text} {operator} {divisor})", "num", _joined(left, right, node))

    def _call(self, node: Call) -> Sql:
        if node.name in {"now", "mindatetime", "maxdatetime"} and not node.arguments:
            moments = {"now": self.now, "mindatetime": datetime(1970, 1, 1, tzinfo=UTC)}
            return Sql(self.bind(moments.get(node.name, datetime(2199, 12, 31, tzinfo=UTC)), "time"), "time")
        if node.name.startswith(("st_", "geo.")):
            return self._geo(node)
        if node.name == "substring":
            return self._substring(node)
        function = _FUNCTIONS.get(node.name)
        if function is None or len(function.takes) != len(node.arguments):
            raise Invalid("sta_function", field="$filter", name=node.name[:40], known=", ".join(sorted(_FUNCTIONS)))
        found = [self._emit(each) for each in node.arguments]
        if tuple(each.type for each in found) != function.takes:
            raise _unfit("$filter", node)
        template = function.pg if self.dialect == "pg" else function.ch
        wrap = _joined(found[0], found[-1], node)
        return Sql(template.format(*(each.text for each in found)), function.gives, wrap)

    def _substring(self, node: Call) -> Sql:
        found = [self._emit(each) for each in node.arguments]
        if [each.type for each in found] not in (["text", "num"], ["text", "num", "num"]):
            raise _unfit("$filter", node)
        cast = "({})::int" if self.dialect == "pg" else "toInt32({})"
        numbers = [f"greatest({cast.format(each.text)}, 0)" for each in found[1:]]
        name = "substr" if self.dialect == "pg" else "substringUTF8"
        rest = f", {numbers[1]}" if len(numbers) > 1 else ""
        return Sql(f"{name}({found[0].text}, {numbers[0]} + 1{rest})", "text", found[0].wrap)

    def _geo(self, node: Call) -> Sql:
        """Relations between the place of a device, which is a point, and a literal."""
        sides = [each.value if isinstance(each, Value) else self._emit(each) for each in node.arguments]
        places = [each for each in sides if isinstance(each, Sql) and each.type == "geo"]
        shapes = [each for each in sides if isinstance(each, Geometry)]
        if node.name in _UNSERVED_GEO or len(sides) != 2 or len(places) != 1 or len(shapes) != 1:
            known = "st_within, st_intersects, st_contains, st_disjoint, st_equals, geo.intersects, geo.distance"
            raise Invalid("sta_function", field="$filter", name=node.name[:40], known=known)
        shape, wrap = shapes[0], places[0].wrap
        place_first = isinstance(sides[0], Sql)
        if node.name == "geo.distance" and shape.point is not None:
            return Sql(self._distance(shape.point), "num", wrap)
        if node.name == "st_equals" and shape.point is not None:
            return Sql(f"({self._at(shape.point)})", "bool", wrap)
        if node.name in _WITHIN and (place_first or node.name != "st_within"):
            return Sql(self._within(shape), "bool", wrap)
        if node.name == "st_contains" and not place_first:
            return Sql(self._within(shape), "bool", wrap)
        if node.name == "st_disjoint":
            return Sql(f"(NOT {self._within(shape)})", "bool", wrap)
        raise _unfit("$filter", node)

    def _at(self, point: tuple[float, float]) -> str:
        lon, lat = self.place
        return f"{lon} = {self.bind(point[0], 'num')} AND {lat} = {self.bind(point[1], 'num')}"

    def _within(self, shape: Geometry) -> str:
        if shape.point is not None:
            return f"({self._at(shape.point)})"
        return "(" + " OR ".join(self._in_polygon(rings) for rings in shape.polygons) + ")"

    def _in_polygon(self, rings: tuple[tuple[tuple[float, float], ...], ...]) -> str:
        """The box first, for which there is an index; then the ring, and not its holes."""
        lon, lat = self.place
        xs, ys = [x for x, _ in rings[0]], [y for _, y in rings[0]]
        box = [self.bind(each, "num") for each in (min(xs), max(xs), min(ys), max(ys))]
        conditions = [f"{lon} BETWEEN {box[0]} AND {box[1]}", f"{lat} BETWEEN {box[2]} AND {box[3]}"]
        for number, ring in enumerate(rings):
            text = "(" + ",".join(f"({x!r},{y!r})" for x, y in ring) + ")"
            inside = f"(point({lon}, {lat}) <@ CAST({self.bind(text, 'text')} AS polygon))"
            conditions.append(inside if number == 0 else f"NOT {inside}")
        return "(" + " AND ".join(conditions) + ")"

    def _distance(self, point: tuple[float, float]) -> str:
        """Metres over the great circle (haversine)."""
        lon, lat = self.place
        x, y = self.bind(point[0], "num"), self.bind(point[1], "num")
        chord = (
            f"power(sin(radians({lat} - {y}) / 2), 2)"
            f" + cos(radians({lat})) * cos(radians({y})) * power(sin(radians({lon} - {x}) / 2), 2)"
        )
        return f"(2 * {_EARTH_RADIUS_M} * asin(sqrt(least(1, {chord}))))"


def _joined(left: Sql, right: Sql, node: Node) -> str:
    """The wrap of two parts, where they are about the same one of many."""
    if left.wrap and right.wrap and left.wrap != right.wrap:
        raise _unfit("$filter", node)
    return left.wrap or right.wrap


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _unfit(option: str, node: Node) -> Invalid:
    return Invalid("sta_types", field=option, near=shown(node)[:120])


def shown(node: Node) -> str:
    """The expression as people write it."""
    match node:
        case Value(value=value):
            return f"'{value}'" if isinstance(value, str) else "null" if value is None else str(value)
        case Name(parts=parts):
            return "/".join(parts)
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(shown(each) for each in arguments)})"
        case Binary(operator=operator, left=left, right=right):
            return f"{shown(left)} {operator} {shown(right)}"
        case Not(operand=operand):
            return f"not {shown(operand)}"
