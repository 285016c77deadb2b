"""Bodies that a text names: companies, managers of estates, schools, shops, offices. Never a person."""

import re

from chengnao.incident.classification.lexicon import lexicon
from chengnao.incident.classification.model import Party
from chengnao.incident.classification.naming import name_before

_PATTERN = re.compile(
    "|".join(f"(?P<{kind}>{'|'.join(map(re.escape, words))})" for kind, words in lexicon()["parties"].items())
)
_MOST = 10
_BREAKS = re.compile("|".join(lexicon()["party_breaks"]))


def parties_in(text: str) -> tuple[Party, ...]:
    """The bodies in the order of the text, each once; with its own name where the text gives one before the kind."""
    found: dict[str, Party] = {}
    for match in _PATTERN.finditer(text):
        kind = str(match.lastgroup)
        before = _BREAKS.split(name_before(text, match.start(), _MOST))[-1]
        name = before + match.group() if 2 <= len(before) <= _MOST else match.group()
        found.setdefault(name, Party(name, kind))
    return tuple(found.values())
