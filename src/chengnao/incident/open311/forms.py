"""Answers of GeoReport v2 in XML and in JSON: the same values under the same names. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

FORMS = {"xml": "application/xml; charset=utf-8", "json": "application/json; charset=utf-8"}

_ITEMS = {"services": "service", "service_requests": "request", "errors": "error", "attributes": "attribute",
          "statuses": "status", "endpoints": "endpoint", "formats": "format"}  # fmt: skip
"""What the members of a list are called in XML."""


def encode(root: str, value: Any, form: str) -> bytes:
    """The value as `form` has it; `root` names its outermost element in XML."""
    if form == "json":
        return json.dumps(value, ensure_ascii=False).encode()
    text: str = ET.tostring(_element(root, value), "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _element(name: str, value: Any) -> ET.Element:
    element = ET.Element(name)
    if isinstance(value, Mapping):
        element.extend(_element(key, each) for key, each in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        element.extend(_element(_ITEMS[name], each) for each in value)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        element.text = "".join(c for c in str(value) if _allowed(ord(c)))
    return element


def _allowed(code: int) -> bool:
    """Whether XML 1.0 can carry the character."""
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
