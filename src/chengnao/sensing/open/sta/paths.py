"""The resource path: which set or entity is meant, and what of it."""

import re
from dataclasses import dataclass
from typing import Literal

from chengnao.kernel.errors import NotFound
from chengnao.sensing.open.sta.kinds import NAVIGATION, PROPERTIES, Kind, kind_of

MAX_PARTS = 8

_PART = re.compile(r"(?P<name>[$@]?[A-Za-z.]+)(?:\((?P<key>.+)\))?")


@dataclass(frozen=True)
class Step:
    """One part of a path: the set, or what navigation leads to, and the key of one of it."""

    kind: Kind
    key: str | None
    many: bool
    """Whether the part, without its key, is a set."""


@dataclass(frozen=True)
class Target:
    """A whole path; `member` is a property of it, `tail` the `$value` or `$ref` at the end."""

    steps: tuple[Step, ...]
    member: str = ""
    tail: Literal["", "value", "ref"] = ""

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def one(self) -> bool:
        return self.last.key is not None or not self.last.many


def parse_path(path: str) -> Target:
    """The path behind the service's root; raises NotFound for one that leads nowhere."""
    parts = _split(path)
    if len(parts) > MAX_PARTS:
        raise NotFound("sta_path", part=path[:80], known=f"<= {MAX_PARTS} /")
    name, key = _named(parts[0])
    steps = [Step(kind_of(name), key, True)]
    for number, part in enumerate(parts[1:], start=1):
        rest = parts[number:]
        last = steps[-1]
        one = last.key is not None or not last.many
        if part == "$ref" and len(rest) == 1:
            return Target(tuple(steps), tail="ref")
        name, key = _named(part)
        way = NAVIGATION[last.kind].get(name)
        if one and way is not None and (way.many or key is None):
            steps.append(Step(way.kind, key, way.many))
        elif one and key is None and name in PROPERTIES[last.kind] | {"properties"} and rest[1:] in ([], ["$value"]):
            return Target(tuple(steps), name, "value" if len(rest) == 2 else "")
        else:
            raise NotFound("sta_path", part=part[:60], known=", ".join(NAVIGATION[last.kind]))
    return Target(tuple(steps))


def _split(path: str) -> list[str]:
    """Parts between slashes that stand outside of quotes."""
    parts, quoted, start = [], False, 0
    for at, each in enumerate(path):
        if each == "'":
            quoted = not quoted
        elif each == "/" and not quoted:
            parts.append(path[start:at])
            start = at + 1
    return [*parts, path[start:]] if path[start:] or not parts else parts


def _named(part: str) -> tuple[str, str | None]:
    match = _PART.fullmatch(part)
    if match is None:
        raise NotFound("sta_path", part=part[:60], known=", ".join(Kind))
    key = match.group("key")
    if key is not None and key.startswith("'") and key.endswith("'") and len(key) > 1:
        key = key[1:-1].replace("''", "'")
    return match.group("name"), key
