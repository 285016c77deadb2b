"""What the registry knows of models. Pure."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from chengnao.kernel.errors import Invalid
from chengnao.models.card import Card, ModelFormat, ModelKind

CHAMPION = "champion"
"""The version that is in use."""
CANDIDATE = "candidate"
"""The version that may become it."""
_ALIAS = re.compile(r"[a-z][a-z0-9-]{1,39}")


@dataclass(frozen=True)
class Version:
    """One version of a model; it never changes, only its card's words may."""

    model_id: str
    version: str
    digest: str
    format: ModelFormat
    bytes: int
    folder: str | None
    """Where its files lie, relative to the data folder; None where a package or a remote service has them."""
    card: Card
    created_at: datetime
    created_by_name: str


@dataclass(frozen=True)
class Model:
    """A model as lists show it."""

    id: str
    name_zh: str
    name_en: str
    kind: ModelKind
    builtin: bool
    versions: int
    latest: str
    created_at: datetime
    aliases: dict[str, str] = field(default_factory=dict)
    """Alias to version."""


@dataclass(frozen=True)
class AliasMove:
    """An alias came to name another version; `from_version` is None where it was new."""

    alias: str
    from_version: str | None
    to_version: str
    at: datetime
    by_name: str
    note: str


@dataclass(frozen=True)
class Observation:
    """What one use of a model looked like from outside, with nothing of its content.

    `label` is the class that was predicted, `confidence` lies in 0..1, `length` counts the characters of the input.
    """

    label: str | None = None
    confidence: float | None = None
    length: int | None = None


def checked_alias(alias: str) -> str:
    """The alias; raises Invalid where it cannot be one."""
    if not _ALIAS.fullmatch(alias):
        raise Invalid("model_alias_invalid", field="alias", value=alias)
    return alias


def digest_of_card(card: Card) -> str:
    """What tells one version's weights from another's.

    The SHA-256 of its only file, or of the list of its files; without files, of what brings them: the packages, or
    the endpoint.
    """
    if len(card.files) == 1:
        return card.files[0].sha256
    if card.files:
        lines = sorted(f"{each.name} {each.sha256}" for each in card.files)
    elif card.endpoint is not None:
        lines = [f"{card.endpoint.provider} {card.endpoint.model}"]
    else:
        lines = [card.version, *sorted(f"{each.package} {each.version}" for each in card.requires)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
