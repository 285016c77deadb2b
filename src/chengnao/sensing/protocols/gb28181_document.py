"""GB/T 28181: MANSCDP, the XML in the bodies of messages, as devices really write it."""

import html
import re
from dataclasses import dataclass
from typing import Any

_MAX_DEPTH = 8
_ROOT_WITHIN = 1024
_MAX_CLOSES = 100
"""So many tags that begin like the root's closing one are looked at; bounds the work on hostile input."""
_DECLARED = re.compile(rb"<\?xml[^<>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_ROOT = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.-]{0,63})[^<>]*>")
_CDATA = re.compile(r"<!\[CDATA\[([^\]<>]*)\]\]>")
_ASIDE = re.compile(r"<[?!][^<>]*>")
_TAG = re.compile(r"<(/?)([A-Za-z_][\w:.-]{0,63})([^<>]*)>")
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w:.-]{0,63})\s*=\s*[\"']([^\"']*)[\"']")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Document:
    """A MANSCDP body. All values are the device's own text; a repeated element is a list, and `Item` always is."""

    root: str
    charset: str
    """As declared, whatever the bytes are."""
    values: dict[str, Any]

    def text(self, name: str) -> str:
        """The text of a child of the root; empty where there is none."""
        return text_of(self.values, name)


def document_end(data: bytes, start: int, end: int) -> int | None:
    """Where the document that begins at `start` ends: behind the closing tag of its root, or None before `end`."""
    root = _ROOT.search(data, start, min(end, start + _ROOT_WITHIN))
    if root is None:
        return None
    if root.group().endswith(b"/>"):
        return root.end()
    mark = b"</" + root.group(1)
    close = data.find(mark, root.end(), end)
    for _ in range(_MAX_CLOSES):
        if close < 0:
            return None
        after = data.find(b">", close + len(mark), min(end, close + len(mark) + 8))
        if after >= 0 and not data[close + len(mark) : after].strip():
            return after + 1
        close = data.find(mark, close + len(mark), end)
    return None


def read_document(body: bytes, warnings: list[str]) -> Document | None:
    """The body's values; None where no element is opened and closed around them.

    Devices put bare `&`, control characters and surplus closing tags into names and addresses; such are passed over
    and named in the warnings. No entity is ever expanded but single characters (`&amp;`, `&#20013;`).
    """
    declared = _DECLARED.search(body)
    text, encoding = body_text(body)
    charset = declared.group(1).decode("ascii") if declared else ""
    if encoding == "utf-8" and charset and charset.lower() not in {"utf-8", "utf8"}:
        warnings.append("charset_differs")
    elif encoding == "broken":
        warnings.append("undecodable_text")
    if _CONTROL.search(text):
        warnings.append("control_characters")
        text = _CONTROL.sub("", text)
    text = _ASIDE.sub("", _CDATA.sub(lambda found: html.escape(found.group(1)), text))
    stack: list[tuple[str, dict[str, Any]]] = []
    position = 0
    for tag in _TAG.finditer(text):
        between, position = text[position : tag.start()], tag.end()
        closing, name, rest = tag.groups()
        if not closing:
            attributes = {key: html.unescape(value) for key, value in _ATTRIBUTE.findall(rest)}
            if len(stack) >= _MAX_DEPTH:
                return None
            if not rest.endswith("/"):
                stack.append((name, attributes))
            elif stack:
                _put(stack[-1][1], name, attributes or "")
            continue
        if not any(name == opened for opened, _ in stack):
            warnings.append("surplus_tag")
            continue
        while stack[-1][0] != name:
            warnings.append("unclosed_tag")
            opened, values = stack.pop()
            _put(stack[-1][1], opened, values)
        _, values = stack.pop()
        if not stack:
            return Document(name, charset, values)
        _put(stack[-1][1], name, values or html.unescape(between).strip())
    return None


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    present = values.get(name)
    if isinstance(present, list):
        present.append(value)
    elif name in values:
        values[name] = [present, value]
    else:
        values[name] = [value] if name == "Item" else value


def body_text(body: bytes) -> tuple[str, str]:
    """The body's text and what it was written in: `utf-8`, `gb18030`, or `broken`.

    What the document declares says little: many devices write GB2312 above UTF-8, and GB18030 under GB2312. Bytes that
    are whole UTF-8 of characters beyond Latin and Greek are almost never anything else.
    """
    try:
        text = body.decode("utf-8")
        if body.isascii() or all(char >= "\u2000" or char < "\x80" for char in text):
            return text, "ascii" if body.isascii() else "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return body.decode("gb18030"), "gb18030"
    except UnicodeDecodeError:
        return body.decode("gb18030", "replace"), "broken"


def single(values: Any) -> dict[str, str]:
    """The texts that stand under a name which occurs nowhere else."""
    texts: dict[str, list[str]] = {}

    def look(under: Any, name: str) -> None:
        if isinstance(under, dict):
            for key, value in under.items():
                look(value, key)
        elif isinstance(under, list):
            for value in under:
                look(value, name)
        else:
            texts.setdefault(name, []).append(under)

    look(values, "")
    return {name: found[0] for name, found in texts.items() if len(found) == 1}


def text_of(values: Any, name: str) -> str:
    """The text under the name, of a repeated element the first; empty where there is none."""
    found = values.get(name) if isinstance(values, dict) else None
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, str) else ""
