"""The interface described in OpenAPI 3.0, as the standard wants it."""

from collections.abc import Sequence
from typing import Any

from chengnao.sensing.open.features.collection import Collection
from chengnao.sensing.open.features.model import DEFAULT_LIMIT, MAX_LIMIT


def describe(base: str, collections: Sequence[Collection]) -> dict[str, Any]:
    """The document for these collections."""
    paths: dict[str, Any] = {
        "/": _operation("landing", "Landing page"),
        "/conformance": _operation("conformance", "Conformance classes"),
        "/collections": _operation("collections", "Collections"),
    }
    for each in collections:
        own = f"/collections/{each.id}"
        paths[own] = _operation(f"{each.id}.collection", each.title)
        parameters = [*_PARAMETERS, *(_query(name, {"type": "string"}) for name in each.queryables)]
        paths[f"{own}/items"] = _operation(f"{each.id}.items", each.description, parameters, "application/geo+json")
        feature = {"name": "featureId", "in": "path", "required": True, "schema": {"type": "string"}}
        paths[f"{own}/items/{{featureId}}"] = _operation(
            f"{each.id}.item", each.title, [feature], "application/geo+json"
        )
    return {
        "openapi": "3.0.3",
        "info": {"title": "Chengnao 城脑, OGC API Features", "version": "1.0.0"},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic", "description": "the token as the password"},
            }
        },
        "security": [{"token": []}, {"password": []}],
    }


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_PARAMETERS = [
    _query("bbox", {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6})
    | {"style": "form", "explode": False},
    _query("datetime", {"type": "string"}),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
    _query("offset", {"type": "integer", "minimum": 0, "default": 0}),
]


def _operation(
    name: str, summary: str, parameters: Sequence[dict[str, Any]] = (), media: str = "application/json"
) -> dict[str, Any]:
    exception = {
        "type": "object",
        "required": ["code"],
        "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "OK", "content": {media: {"schema": {"type": "object"}}}},
                "default": {"description": "Error", "content": {"application/json": {"schema": exception}}},
            },
        }
    }
