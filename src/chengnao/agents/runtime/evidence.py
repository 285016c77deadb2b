"""What an answer may rest on: things that a tool really gave, each under a short name that a small model can repeat."""

from collections.abc import Iterable, Iterator
from typing import Any

from chengnao.agents.tools import Evidence

_TITLES = ("title", "name", "quote", "text", "summary")
_AT_MOST = 60
_QUOTE = 300


class Sources:
    """The evidence of one run, in the order it was found: e1, e2 …"""

    def __init__(self) -> None:
        self._by_name: dict[str, Evidence] = {}
        self._names: dict[tuple[str, str], str] = {}

    def add(self, found: Iterable[Evidence]) -> None:
        for each in found:
            if (each.kind, each.id) not in self._names and len(self._by_name) < _AT_MOST:
                name = f"e{len(self._by_name) + 1}"
                self._by_name[name] = each
                self._names[each.kind, each.id] = name

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def get(self, name: str) -> Evidence | None:
        """By its short name, or by the id of the thing itself."""
        return self._by_name.get(name) or next((each for each in self._by_name.values() if each.id == name), None)

    def name_of(self, evidence: Evidence) -> str | None:
        return self._names.get((evidence.kind, evidence.id))

    def named(self, value: Any) -> Any:
        """The tool's answer with the short name first in everything that can be cited."""
        if isinstance(value, list):
            return [self.named(each) for each in value]
        if not isinstance(value, dict):
            return value
        inner = {key: self.named(each) for key, each in value.items()}
        found = next((each for each in self._by_name.values() if each.id == value.get("id")), None)
        return inner if found is None else {"ref": self.name_of(found), **inner}


def evidence_in(tool: str, zh: str, call_id: str, answer: Any) -> list[Evidence]:
    """The things in a tool's answer that have an id and words; the call itself where there is none."""
    module = tool.partition(".")[0]
    found = list({(each.kind, each.id): each for each in _walk(module, answer)}.values())
    return found[:_AT_MOST] or [Evidence(kind="call", id=call_id, title=zh)]


def _walk(module: str, value: Any) -> Iterator[Evidence]:
    if isinstance(value, list):
        for each in value:
            yield from _walk(module, each)
    elif isinstance(value, dict):
        words = next((value[name] for name in _TITLES if isinstance(value.get(name), str) and value[name]), None)
        if isinstance(value.get("id"), str) and value["id"] and words is not None:
            kind = value.get("kind")
            quote = value.get("quote") or value.get("text") or ""
            yield Evidence(
                kind=kind if isinstance(kind, str) and kind else module,
                id=value["id"],
                title=words[:_QUOTE],
                quote=str(quote)[:_QUOTE],
            )
        for each in value.values():
            yield from _walk(module, each)
