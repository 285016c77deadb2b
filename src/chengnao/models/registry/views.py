"""Models, versions and aliases as the API shows them."""

from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from chengnao.models.card import Card, Grade, ModelFormat, ModelKind, dump_card
from chengnao.models.registry.drift import Drift, Verdict
from chengnao.models.registry.model import CHAMPION, AliasMove, Model, Version


class ModelOut(BaseModel):
    """`installed`: the files of the champion lie here, or come with what is installed; it can be used."""

    id: str
    name: str
    name_en: str
    kind: ModelKind
    kind_name: str
    builtin: bool
    versions: int
    latest: str
    champion: str | None
    aliases: dict[str, str]
    format: ModelFormat
    grade: Grade
    grade_name: str
    licence: str | None
    licence_verified: bool
    bytes: int
    installed: bool
    pull: str | None
    """The command that fetches its files, where it can be fetched and is not here."""
    created_at: datetime

    @classmethod
    def of(cls, model: Model, version: Version, home: Path) -> Self:
        """The model as the given version, its champion or its latest, shows it."""
        card = version.card
        installed = version_installed(home, version)
        return cls(
            id=model.id,
            name=model.name_zh,
            name_en=model.name_en,
            kind=model.kind,
            kind_name=model.kind.zh,
            builtin=model.builtin,
            versions=model.versions,
            latest=model.latest,
            champion=model.aliases.get(CHAMPION),
            aliases=model.aliases,
            format=version.format,
            grade=card.grade,
            grade_name=card.grade.zh,
            licence=card.licence.spdx,
            licence_verified=card.licence.verified,
            bytes=version.bytes,
            installed=installed,
            pull=f"chengnao models pull {model.id}" if card.pulled and not installed else None,
            created_at=model.created_at,
        )


class VersionOut(BaseModel):
    """A version; `card` in full, and as the YAML that it is kept as."""

    model_id: str
    version: str
    digest: str
    format: ModelFormat
    bytes: int
    installed: bool
    grade: Grade
    created_at: datetime
    created_by_name: str
    card: dict[str, Any]
    yaml: str

    @classmethod
    def of(cls, version: Version, home: Path) -> Self:
        return cls(
            model_id=version.model_id,
            version=version.version,
            digest=version.digest,
            format=version.format,
            bytes=version.bytes,
            installed=version_installed(home, version),
            grade=version.card.grade,
            created_at=version.created_at,
            created_by_name=version.created_by_name,
            card=version.card.model_dump(mode="json"),
            yaml=dump_card(version.card),
        )


class DriftOut(BaseModel):
    """`by_chance`: what the index reaches by chance alone in one of a hundred cases."""

    measure: str
    name: str
    name_en: str
    verdict: Verdict
    verdict_name: str
    psi: float | None
    by_chance: float | None
    reference: int
    present: int

    @classmethod
    def of(cls, found: Drift) -> Self:
        return cls(
            measure=found.measure,
            name=found.zh,
            name_en=found.en,
            verdict=found.verdict,
            verdict_name=found.verdict.zh,
            psi=found.psi,
            by_chance=found.by_chance,
            reference=found.reference,
            present=found.present,
        )


class UsageOut(BaseModel):
    """What calls through the gateway have used in the last `days`; money in yuan, `milliseconds` the mean of a call."""

    days: int
    calls: int
    failed: int
    tokens: int
    money: float
    milliseconds: float


class ModelDetail(ModelOut):
    """A model with its champion (or latest version), what it was used for, and whether its input drifts."""

    version: VersionOut
    usage: UsageOut
    drift: list[DriftOut]


class AliasMoveOut(BaseModel):
    alias: str
    from_version: str | None
    to_version: str
    at: datetime
    by_name: str
    note: str

    @classmethod
    def of(cls, move: AliasMove) -> Self:
        return cls(**{name: getattr(move, name) for name in cls.model_fields})


def version_installed(home: Path, version: Version) -> bool:
    """Whether the version's own files lie here; what a package or a remote service has is not looked for."""
    if version.folder is None:
        return True
    return all(_there(home / version.folder / each.name, each.bytes) for each in _own_files(version.card))


def _own_files(card: Card) -> list[Any]:
    return [each for each in card.files if each.inside is None]


def _there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
