"""The query options of a request and, in brackets, of each `$expand`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chengnao.kernel.errors import Invalid
from chengnao.sensing.open.sta.grammar import Node, parse_filter, parse_orderby
from chengnao.sensing.open.sta.kinds import NAVIGATION, PROPERTIES, Kind

DEFAULT_TOP = 100
MAX_TOP = 1_000
MAX_SKIP = 10_000_000
MAX_EXPAND_DEPTH = 5
MAX_EXPANDS = 20

_KNOWN = ("$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$resultFormat")


@dataclass(frozen=True)
class Options:
    """What is wanted of one set; `raw` holds the options as they were written."""

    filter: Node | None = None
    orderby: tuple[tuple[Node, bool], ...] = ()
    select: frozenset[str] | None = None
    expand: "Mapping[str, Options]" = field(default_factory=dict)
    top: int = DEFAULT_TOP
    skip: int = 0
    count: bool = False
    data_array: bool = False
    raw: Mapping[str, str] = field(default_factory=dict)


def parse_options(kind: Kind, given: Mapping[str, str], depth: int = 0) -> Options:
    """The options; raises Invalid for one that is unknown or malformed."""
    for name in given:
        if name not in _KNOWN:
            raise Invalid("sta_option", field=name[:40], value=given[name][:60], known=", ".join(_KNOWN))
    result_format = given.get("$resultFormat", "")
    if result_format not in {"", "dataArray"} or (result_format and kind is not Kind.OBSERVATIONS):
        raise Invalid("sta_option", field="$resultFormat", value=result_format[:60], known="dataArray")
    return Options(
        filter=parse_filter(given["$filter"]) if given.get("$filter") else None,
        orderby=tuple(parse_orderby(given["$orderby"])) if given.get("$orderby") else (),
        select=_select(kind, given["$select"]) if given.get("$select") else None,
        expand=_expand(kind, given["$expand"], depth) if given.get("$expand") else {},
        top=min(_number("$top", given["$top"], 10**9), MAX_TOP) if "$top" in given else DEFAULT_TOP,
        skip=_number("$skip", given["$skip"], MAX_SKIP) if "$skip" in given else 0,
        count=_truth(given["$count"]) if "$count" in given else False,
        data_array=bool(result_format),
        raw=given,
    )


def _expand(kind: Kind, text: str, depth: int) -> Mapping[str, Options]:
    if depth >= MAX_EXPAND_DEPTH:
        raise Invalid("sta_option", field="$expand", value=text[:60], known=f"<= {MAX_EXPAND_DEPTH}")
    found: dict[str, Options] = {}
    for part in split_outside(text, ","):
        path, _, inner = part.strip().partition("(")
        if inner and not inner.endswith(")"):
            raise Invalid("sta_option", field="$expand", value=part[:60], known="Name($option=...;...)")
        name, _, rest = path.strip().partition("/")
        way = NAVIGATION[kind].get(name)
        if way is None:
            raise Invalid("sta_option", field="$expand", value=name[:60], known=", ".join(NAVIGATION[kind]))
        given = dict(_named(inner[:-1])) if inner and not rest else {}
        if rest:  # Datastreams/Observations(...) is Datastreams($expand=Observations(...))
            given["$expand"] = rest + (f"({inner}" if inner else "")
        options = parse_options(way.kind, given, depth + 1)
        if name in found:
            merged = {**found[name].expand, **options.expand}
            options = Options(**{**options.__dict__, "expand": merged})
        found[name] = options
        if len(found) > MAX_EXPANDS:
            raise Invalid("sta_option", field="$expand", value=text[:60], known=f"<= {MAX_EXPANDS}")
    return found


def _named(text: str) -> Iterator[tuple[str, str]]:
    for part in split_outside(text, ";"):
        name, _, value = part.partition("=")
        yield name.strip(), value.strip()


def split_outside(text: str, mark: str) -> list[str]:
    """Split where the mark stands outside of brackets and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, each in enumerate(text):
        if each == "'":
            quoted = not quoted
        elif not quoted:
            depth += (each == "(") - (each == ")")
            if each == mark and depth == 0:
                parts.append(text[start:at])
                start = at + 1
    return [*parts, text[start:]]


def _select(kind: Kind, text: str) -> frozenset[str]:
    names = frozenset(part.strip() for part in text.split(","))
    known = PROPERTIES[kind] | {"id", "@iot.id", "@iot.selfLink"} | NAVIGATION[kind].keys()
    wrong = {name for name in names if name.split("/")[0] not in known}
    if wrong:
        raise Invalid("sta_option", field="$select", value=min(wrong)[:60], known=", ".join(sorted(known)))
    return frozenset(name.split("/")[0] for name in names)


def _number(name: str, text: str, most: int) -> int:
    if text.isascii() and text.isdecimal() and int(text[:12]) <= most:
        return int(text[:12])
    raise Invalid("sta_option", field=name, value=text[:60], known=f"0..{most}")


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Invalid("sta_option", field="$count", value=text[:60], known="true, false")
    return text == "true"
