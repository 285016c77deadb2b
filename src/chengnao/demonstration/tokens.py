"""The machine tokens of the demonstration, kept in its data folder for the city process to read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from chengnao.kernel.files import write_atomically


@dataclass(frozen=True)
class Tokens:
    """The secrets of the tokens: for readings over HTTP, and for residents' reports."""

    gateway: str
    reporter: str


def tokens_path(home: Path) -> Path:
    return home / "city" / "tokens.json"


def read_tokens(home: Path) -> Tokens:
    """The tokens; raises FileNotFoundError before the demonstration has been seeded."""
    return Tokens(**json.loads(tokens_path(home).read_text("utf-8")))


def write_tokens(home: Path, tokens: Tokens) -> None:
    write_atomically(tokens_path(home), json.dumps(asdict(tokens)).encode())
