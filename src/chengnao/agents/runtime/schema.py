"""JSON schemas of agents: what they refuse, and what a small model is asked for instead."""

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_TEXT_LIMIT = 1200
_ITEMS_LIMIT = 20
_DROPPED = frozenset({"title", "default", "examples", "$schema", "format"})
"""Words that bind no answer, and cost tokens."""


@dataclass(frozen=True)
class Fault:
    """Where a value does not fit, and why."""

    path: str
    text: str


def first_fault(value: Any, schema: dict[str, Any], limit: int) -> Fault | None:
    """The first place where the value does not fit the schema, or that it is longer than `limit` as JSON."""
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return Fault("input", str(error)[:200])
    if size > limit:
        return Fault("input", f"{size} > {limit}")
    # Imported here: it takes a tenth of a second that no other part of the platform needs.
    jsonschema = import_module("jsonschema")
    # With a registry of its own no reference is ever fetched from the network.
    registry = import_module("jsonschema_specifications").REGISTRY
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    worst = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if worst is None:
        return None
    path = ".".join(str(each) for each in worst.absolute_path)
    return Fault(path or "input", str(worst.message)[:300])


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema for a model: no references, nothing that binds nothing, and an end to every text and list."""
    found = _plain(schema, schema.get("$defs", {}), 0)
    assert isinstance(found, dict)
    return found


def _plain(value: Any, definitions: dict[str, Any], depth: int) -> Any:
    if depth > 12:
        return {}
    if isinstance(value, list):
        return [_plain(each, definitions, depth) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(reference := value.get("$ref"), str):
        return _plain(definitions.get(reference.rpartition("/")[2], {}), definitions, depth + 1)
    found: dict[str, Any] = {}
    for key, each in value.items():
        if key == "properties":
            found[key] = {name: _plain(one, definitions, depth + 1) for name, one in each.items()}
        elif key == "enum":
            found[key] = each
        elif key not in _DROPPED and key != "$defs":
            found[key] = _plain(each, definitions, depth + 1)
    if found.get("type") == "string" and "enum" not in found and "const" not in found:
        found.setdefault("maxLength", _TEXT_LIMIT)
    if found.get("type") == "array":
        found.setdefault("maxItems", _ITEMS_LIMIT)
    return found
