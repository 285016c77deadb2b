"""The expressions of `$filter` and `$orderby`: text in, a tree out. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from typing import NamedTuple, TypeVar

from chengnao.kernel.errors import Invalid

MAX_LENGTH = 8_000
MAX_DEPTH = 40
MAX_TOKENS = 400

T = TypeVar("T")

Point = tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """A point, or polygons as rings: the outer one first, then its holes."""

    point: Point | None = None
    polygons: tuple[tuple[tuple[Point, ...], ...], ...] = ()


@dataclass(frozen=True)
class Literal:
    value: str | float | bool | datetime | Geometry | None


@dataclass(frozen=True)
class Name:
    """A property, perhaps of another entity: `Datastream/Thing/name`."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    name: str
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Not:
    operand: "Node"


Node = Literal | Name | Call | Binary | Not

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<geo>geography'[^']*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>@?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?:/@?[A-Za-z_][A-Za-z0-9_.]*)*)
  | (?P<mark>[(),-])
    )""",
    re.VERBOSE,
)
_LEVELS = (
    frozenset({"or"}),
    frozenset({"and"}),
    frozenset({"eq", "ne", "gt", "ge", "lt", "le"}),
    frozenset({"add", "sub"}),
    frozenset({"mul", "div", "mod"}),
)
_WORDS = frozenset().union(*_LEVELS) | {"not"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_PAIR = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})\s*")


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_filter(text: str) -> Node:
    """The tree of a filter; raises Invalid with the place of what is wrong."""
    return _Parser(text, "$filter").whole()


def parse_orderby(text: str) -> list[tuple[Node, bool]]:
    """Expressions, each with whether it is descending; raises Invalid."""
    return _Parser(text, "$orderby").order()


def parse_geometry(text: str) -> Geometry:
    """A point, polygon or multipolygon of well-known text; raises Invalid for anything else."""
    match = re.fullmatch(r"\s*(?:SRID=4326;)?\s*(POINT|POLYGON|MULTIPOLYGON)\s*(\(.*\))\s*", text, re.IGNORECASE)
    if match is None:
        raise _wrong("$filter", text[:60], "POINT, POLYGON, MULTIPOLYGON")
    kind, inner = match.group(1).upper(), match.group(2)[1:-1]
    if kind == "POINT":
        return Geometry(point=_pairs(inner)[0])
    if kind == "POLYGON":
        return Geometry(polygons=(_rings(inner),))
    return Geometry(polygons=tuple(_rings(part) for part in _bracketed(inner)))


def _rings(text: str) -> tuple[tuple[Point, ...], ...]:
    rings = tuple(_pairs(part) for part in _bracketed(text))
    if not rings or any(len(ring) < 4 for ring in rings):
        raise _wrong("$filter", text[:60], "((x y, x y, x y, x y))")
    return rings


def _bracketed(text: str) -> Iterator[str]:
    """What stands in each of the outermost brackets."""
    depth = start = 0
    for at, mark in enumerate(text):
        if mark == "(":
            depth += 1
            start = at + 1 if depth == 1 else start
        elif mark == ")":
            depth -= 1
            if depth == 0:
                yield text[start:at]


def _pairs(text: str) -> tuple[Point, ...]:
    points = []
    for part in text.split(","):
        match = _PAIR.fullmatch(part)
        point = (float(match.group(1)), float(match.group(2))) if match else ()
        if len(point) != 2 or not all(map(isfinite, point)):
            raise _wrong("$filter", part[:60], "x y")
        points.append(point)
    return tuple(points)


class _Parser:
    """Precedence, loosest first: or, and, comparison, add, multiply, not and minus."""

    def __init__(self, text: str, option: str) -> None:
        self.option = option
        if len(text) > MAX_LENGTH:
            raise _wrong(option, text[:60], f"<= {MAX_LENGTH}")
        self.text = text
        self.tokens = list(islice(self._tokens(), MAX_TOKENS + 1))
        if len(self.tokens) > MAX_TOKENS:
            raise _wrong(option, text[:60], f"<= {MAX_TOKENS}")
        self.at = 0
        self.depth = 0

    def _tokens(self) -> Iterator[_Token]:
        at = 0
        while self.text[at:].strip():
            match = _TOKEN.match(self.text, at)
            if match is None or match.lastgroup is None:
                raise _wrong(self.option, self.text[at : at + 40])
            yield _Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup))
            at = match.end()

    def whole(self) -> Node:
        node = self._level(0)
        if self.at < len(self.tokens):
            raise self._unexpected()
        return node

    def order(self) -> list[tuple[Node, bool]]:
        found = []
        while True:
            node = self._level(3)
            direction = self._word({"asc", "desc"})
            found.append((node, direction == "desc"))
            if self.at == len(self.tokens):
                return found
            self._mark(",")

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._level(level + 1)
        while (operator := self._word(_LEVELS[level])) is not None:
            node = Binary(operator, node, self._level(level + 1))
        return node

    def _unary(self) -> Node:
        if self._word({"not"}):
            return Not(self._deeper(self._unary))
        if self._peek("mark", "-"):
            self.at += 1
            return Binary("sub", Literal(0.0), self._deeper(self._unary))
        return self._primary()

    def _primary(self) -> Node:
        if self.at == len(self.tokens):
            raise _wrong(self.option, self.text[-40:])
        token = self.tokens[self.at]
        if token == _Token("mark", "(", token.at):
            self.at += 1
            node = self._deeper(lambda: self._level(0))
            self._mark(")")
            return node
        if token.kind == "mark" or token.text in _WORDS:
            raise self._unexpected()
        self.at += 1
        if token.kind != "name":
            return Literal(_value(token))
        if self._peek("mark", "("):
            self.at += 1
            return Call(token.text.lower(), self._deeper(self._arguments))
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        return Name(tuple(token.text.split("/")))

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        if not self._peek("mark", ")"):
            found.append(self._level(0))
            while self._peek("mark", ","):
                self.at += 1
                found.append(self._level(0))
        self._mark(")")
        return tuple(found)

    def _deeper(self, read: Callable[[], T]) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _wrong(self.option, self.text[:40], f"<= {MAX_DEPTH} ( )")
        found = read()
        self.depth -= 1
        return found

    def _peek(self, kind: str, text: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at][:2] == (kind, text)

    def _word(self, words: "frozenset[str] | set[str]") -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at].kind == "name" and self.tokens[self.at].text in words:
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def _mark(self, mark: str) -> None:
        if not self._peek("mark", mark):
            raise self._unexpected()
        self.at += 1

    def _unexpected(self) -> Invalid:
        at = self.tokens[self.at].at if self.at < len(self.tokens) else max(0, len(self.text) - 20)
        return _wrong(self.option, self.text[at : at + 40])


def _value(token: _Token) -> str | float | datetime | Geometry:
    if token.kind == "text":
        return token.text[1:-1].replace("''", "'")
    if token.kind == "number":
        return float(token.text)
    if token.kind == "geo":
        return parse_geometry(token.text[len("geography'") : -1])
    return parse_time(token.text)


def parse_time(text: str) -> datetime:
    """A moment of ISO 8601; without a zone it is UTC. Raises Invalid."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong("$filter", text[:40], "2026-11-25T12:00:00Z") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise _wrong("$filter", text[:40], "2026-11-25T12:00:00Z") from error


def _wrong(option: str, near: str, wanted: str = "") -> Invalid:
    return Invalid("sta_expression", field=option, near=near, wanted=wanted)
