"""Enough of ClickHouse's grammar to serve its HTTP interface: what kind of statement, which format, where the data.

The engine in the process answers SQL, but takes the data of an INSERT only from a file and streams a result only
into one. A statement is therefore cut at the place where `FROM INFILE` or `INTO OUTFILE` belongs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from chengnao.sensing.store.errors import ACCESS_DENIED, SYNTAX_ERROR, StoreError

_TOKEN = re.compile(
    rb"""
      (?P<space> \s++ | --[^\n]*+ | \#[!\ ][^\n]*+ | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" | `(?:[^`\\]|\\.|``)*+` )
    | (?P<word> [A-Za-z_\x80-\xff][\w\x80-\xff$]*+ )
    | (?P<number> \d[\w.]*+ )
    | (?P<mark> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DATA_GAP = re.compile(rb"[ \t\f]*\r?\n?")
# Looked for in the raw text: a word that hides from a tokenizer in a string or a comment is refused as well, and no
# difference between this tokenizer and the engine's can let it through.
_FORBIDDEN = re.compile(rb"\b(infile|outfile|python)\b", re.IGNORECASE)
_OUTPUT_WORDS = frozenset({b"SELECT", b"WITH", b"FROM", b"SHOW", b"DESCRIBE", b"DESC", b"EXISTS", b"EXPLAIN", b"CHECK"})
_OPENING, _CLOSING = b"([{", b")]}"


class Kind(Enum):
    INSERT = "insert"
    """Data follows the statement, in the format it names."""
    OUTPUT = "output"
    """Answers with rows, as many as there are."""
    COMMAND = "command"
    """Changes something; answers with nothing, or with a few rows."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, cut where a file clause belongs; `data` is what followed an INSERT in the same text."""

    kind: Kind
    head: str
    tail: str = ""
    format: str | None = None
    data: bytes = b""

    def reading_from(self, path: str) -> str:
        """The INSERT, taking its data from the file."""
        return f"{self.head} FROM INFILE '{path}' COMPRESSION 'none' {self.tail} FORMAT {self.format}"

    def writing_to(self, path: str, default_format: str) -> str:
        """The query, writing its result into the file."""
        chosen = self.format or default_format
        return f"{self.head}\nINTO OUTFILE '{path}' TRUNCATE FORMAT {chosen} {self.tail}"


class _Token(NamedTuple):
    kind: str
    text: bytes
    start: int
    end: int
    depth: int


def parse(text: bytes, *, complete: bool = True) -> Statement | None:
    """The statement in `text`; None where it is an INSERT whose end is not yet in sight and more text may come.

    Raises StoreError for several statements at once, for an empty one, and for clauses that would make the engine
    read or write files of the machine.
    """
    first = _first_word(text)
    if first == b"INSERT":
        return _parse_insert(text, complete)
    if not complete:
        return None
    _refuse_files(text)
    return _parse_query(text, first)


def _parse_insert(text: bytes, complete: bool) -> Statement | None:
    settings_at: int | None = None
    tokens = _tokens(text)
    for token in tokens:
        if not complete and _may_go_on(token, text):
            return None
        if token.kind != "word" or token.depth:
            continue
        word = token.text.upper()
        if word == b"SETTINGS" and settings_at is None:
            settings_at = token.start
        elif word == b"VALUES":
            return _insert(text, settings_at, token.start, "Values", token.end)
        elif word == b"FORMAT":
            name = next(tokens, None)
            if name is None or (not complete and _may_go_on(name, text)):
                break
            if name.kind == "word":
                return _insert(text, settings_at, token.start, name.text.decode("ascii", "replace"), name.end)
        elif word in (b"SELECT", b"WITH"):
            break
    if not complete:
        return None
    _refuse_files(text)
    _one_statement(text)
    return Statement(Kind.COMMAND, _decode(text))


def _insert(text: bytes, settings_at: int | None, clause_at: int, name: str, end: int) -> Statement:
    cut = clause_at if settings_at is None else settings_at
    _refuse_files(text[:end])
    gap = _DATA_GAP.match(text, end)
    return Statement(
        Kind.INSERT,
        _decode(text[:cut]),
        _decode(text[cut:clause_at]),
        name,
        text[gap.end() if gap and name != "Values" else end :],
    )


def _parse_query(text: bytes, first: bytes) -> Statement:
    text = _one_statement(text)
    if next(_tokens(text), None) is None:
        raise StoreError.refused(SYNTAX_ERROR, "Empty query: no statement was sent.")
    if first not in _OUTPUT_WORDS:
        return Statement(Kind.COMMAND, _decode(text))
    tokens = list(_tokens(text))
    words = [token.text.upper() if token.kind == "word" and not token.depth else b"" for token in tokens]
    if first == b"WITH" and b"INSERT" in words:
        return Statement(Kind.COMMAND, _decode(text))
    for i in range(len(tokens) - 2, 0, -1):
        ends = i + 2 == len(tokens) or words[i + 2] == b"SETTINGS"
        if words[i] == b"FORMAT" and words[i + 1] and ends:
            return Statement(
                Kind.OUTPUT,
                _decode(text[: tokens[i].start]),
                _decode(text[tokens[i + 1].end :]),
                tokens[i + 1].text.decode("ascii", "replace"),
            )
    return Statement(Kind.OUTPUT, _decode(text))


def _one_statement(text: bytes) -> bytes:
    """The text without the semicolon at its end."""
    end: int | None = None
    for token in _tokens(text):
        if token.text == b";":
            end = token.start if end is None else end
        elif end is not None:
            raise StoreError.refused(SYNTAX_ERROR, "Multi-statements are not allowed: send one statement a request.")
    return text if end is None else text[:end]


def _refuse_files(text: bytes) -> None:
    found = _FORBIDDEN.search(text)
    if found:
        word = found.group().decode().upper()
        raise StoreError.refused(
            ACCESS_DENIED,
            f"{word} is not served: this store touches no file and no object of its machine for a client. Send data "
            f"in the body of the request and take results from the answer; give a string that holds the word {word} "
            "as a bind parameter.",
        )


def _first_word(text: bytes) -> bytes:
    for token in _tokens(text):
        if token.kind == "word":
            return token.text.upper()
        if token.text != b"(":
            break
    return b""


def _may_go_on(token: _Token, text: bytes) -> bool:
    """Whether the token could be longer, or another one, once more text is there."""
    return token.end == len(text) or (token.kind == "mark" and token.text in (b"'", b'"', b"`"))


def _tokens(text: bytes) -> Iterator[_Token]:
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "space":
            continue
        token = match.group()
        if kind == "mark" and token in _CLOSING:
            depth = max(0, depth - 1)
        yield _Token(kind, token, match.start(), match.end(), depth)
        if kind == "mark" and token in _OPENING:
            depth += 1


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise StoreError.refused(SYNTAX_ERROR, f"the statement is not UTF-8: {error}") from error
