"""SQL over models, versions, aliases and observations. Models belong to the platform, not to a division."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Float, bindparam, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.models.card import Card, ModelFormat, ModelKind
from chengnao.models.registry.model import AliasMove, Model, Observation, Version
from chengnao.models.registry.tables import AliasMoveRow, AliasRow, ModelRow, ObservationRow, VersionRow


@dataclass(frozen=True)
class Window:
    """A stretch of time; `end` is not in it."""

    start: datetime
    end: datetime


class RegistryRepository(Repository):
    async def models(self, request: PageRequest, *, words: str | None, kind: ModelKind | None) -> Page[Model]:
        """Models by id; however many versions they have, none of those is read."""
        query = select(ModelRow)
        if kind is not None:
            query = query.where(ModelRow.kind == kind.value)
        if words:
            columns = (ModelRow.id, ModelRow.name_zh, ModelRow.name_en)
            query = query.where(or_(*(contains(column, words) for column in columns)))
        page = await self.page(query.order_by(ModelRow.id), request)
        aliases = await self._aliases([row.id for row in page.items])
        return page.map(lambda row: _model(row, aliases.get(row.id, {})))

    async def model(self, model_id: str, *, lock: bool = False) -> Model | None:
        """With `lock` others that change the model wait until this unit of work has ended."""
        query = select(ModelRow).where(ModelRow.id == model_id)
        row = await self.session.scalar(
            query.with_for_update() if lock else query, execution_options={"populate_existing": True}
        )
        return None if row is None else _model(row, (await self._aliases([model_id])).get(model_id, {}))

    async def put_model(self, card: Card, *, builtin: bool, at: datetime) -> None:
        """Enter the model, or bring its names up to date."""
        names = {"name_zh": card.name.zh, "name_en": card.name.en}
        statement = insert(ModelRow).values(
            id=card.id, kind=card.kind.value, builtin=builtin, versions=0, latest="", created_at=at, **names
        )
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=names))

    async def versions(self, model_id: str, request: PageRequest) -> Page[Version]:
        """The newest first."""
        query = select(VersionRow).where(VersionRow.model_id == model_id)
        order = (VersionRow.created_at.desc(), VersionRow.version.desc())
        return (await self.page(query.order_by(*order), request)).map(_version)

    async def version(self, model_id: str, version: str) -> Version | None:
        row = await self.session.get(VersionRow, (model_id, version), populate_existing=True)
        return None if row is None else _version(row)

    async def versions_named(self, names: Sequence[tuple[str, str]]) -> dict[str, Version]:
        """These versions, given as (model, version), by model."""
        query = select(VersionRow).where(tuple_(VersionRow.model_id, VersionRow.version).in_(names))
        return {row.model_id: _version(row) for row in await self.session.scalars(query)}

    async def version_with(self, model_id: str, digest: str) -> Version | None:
        query = select(VersionRow).where(VersionRow.model_id == model_id, VersionRow.digest == digest)
        row = await self.session.scalar(query)
        return None if row is None else _version(row)

    async def add_version(self, version: Version) -> None:
        """Enter it; the model, which the caller has locked, counts it and names it as its latest."""
        self.session.add(
            VersionRow(
                model_id=version.model_id,
                version=version.version,
                digest=version.digest,
                format=version.format.value,
                bytes=version.bytes,
                folder=version.folder,
                card=version.card.model_dump(mode="json"),
                created_at=version.created_at,
                created_by_name=version.created_by_name,
            )
        )
        changes = {"versions": ModelRow.versions + 1, "latest": version.version}
        await self.session.execute(update(ModelRow).where(ModelRow.id == version.model_id).values(**changes))
        await self.session.flush()

    async def set_card(self, model_id: str, version: str, card: Card) -> None:
        """The words of a card change, its weights do not."""
        where = (VersionRow.model_id == model_id, VersionRow.version == version)
        await self.session.execute(update(VersionRow).where(*where).values(card=card.model_dump(mode="json")))

    async def alias(self, model_id: str, alias: str) -> str | None:
        query = select(AliasRow.version).where(AliasRow.model_id == model_id, AliasRow.alias == alias)
        version: str | None = await self.session.scalar(query)
        return version

    async def named(self, alias: str) -> dict[str, str]:
        """The version that the alias names now, for each model that has it."""
        rows = await self.session.execute(select(AliasRow.model_id, AliasRow.version).where(AliasRow.alias == alias))
        return {row.model_id: row.version for row in rows}

    async def put_alias(self, model_id: str, move: AliasMove, by: str) -> None:
        """Let the alias name the version, and keep that it did."""
        statement = insert(AliasRow).values(model_id=model_id, alias=move.alias, version=move.to_version)
        await self.session.execute(
            statement.on_conflict_do_update(index_elements=["model_id", "alias"], set_={"version": move.to_version})
        )
        self.session.add(
            AliasMoveRow(
                id=new_id(),
                model_id=model_id,
                alias=move.alias,
                from_version=move.from_version,
                to_version=move.to_version,
                at=move.at,
                by=by,
                by_name=move.by_name,
                note=move.note,
            )
        )

    async def alias_moves(self, model_id: str, request: PageRequest) -> Page[AliasMove]:
        """The newest first."""
        query = select(AliasMoveRow).where(AliasMoveRow.model_id == model_id)
        page = await self.page(query.order_by(AliasMoveRow.at.desc(), AliasMoveRow.id.desc()), request)
        return page.map(
            lambda row: AliasMove(row.alias, row.from_version, row.to_version, row.at, row.by_name, row.note)
        )

    async def _aliases(self, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        rows = await self.session.scalars(
            select(AliasRow).where(AliasRow.model_id.in_(model_ids)), execution_options={"populate_existing": True}
        )
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            found.setdefault(row.model_id, {})[row.alias] = row.version
        return found

    async def observe(self, model_id: str, version: str, at: datetime, seen: Sequence[Observation]) -> None:
        """Only rows are added, so that callers at the same time never wait for each other."""
        rows = [
            {
                "model_id": model_id, "version": version, "at": at,
                "label": each.label, "confidence": each.confidence, "length": each.length,
            }
            for each in seen
        ]  # fmt: skip
        if rows:
            await self.session.execute(insert(ObservationRow), rows)

    async def first_observed(self, model_id: str, version: str) -> datetime | None:
        found: datetime | None = await self.session.scalar(
            select(ObservationRow.at)
            .where(ObservationRow.model_id == model_id, ObservationRow.version == version)
            .order_by(ObservationRow.at)
            .limit(1)
        )
        return found

    async def forget_observations(self, before: datetime) -> None:
        await self.session.execute(delete(ObservationRow).where(ObservationRow.at < before))

    async def label_counts(self, model_id: str, version: str, window: Window) -> dict[str, int]:
        """How often each class was predicted."""
        query = (
            select(ObservationRow.label, func.count())
            .where(*_within(model_id, version, window), ObservationRow.label.is_not(None))
            .group_by(ObservationRow.label)
        )
        return {str(label): count for label, count in (await self.session.execute(query)).all()}

    async def cuts(self, model_id: str, version: str, measure: str, window: Window, bins: int) -> list[float]:
        """The inner bounds of `bins` parts of the window with about as many values each."""
        shares = [number / bins for number in range(1, bins)]
        column = getattr(ObservationRow, measure)
        query = select(
            func.percentile_cont(bindparam("shares", shares, ARRAY(Float))).within_group(column)
        ).where(*_within(model_id, version, window), column.is_not(None))  # fmt: skip
        return sorted(set(await self.session.scalar(query) or []))

    async def counts_between(
        self, model_id: str, version: str, measure: str, window: Window, cuts: Sequence[float]
    ) -> list[int]:
        """How many values of the window lie in each part; a value that is a bound belongs to the part above it."""
        column = getattr(ObservationRow, measure)
        bucket = func.width_bucket(func.cast(column, Float), bindparam("cuts", list(cuts), ARRAY(Float)))
        query = (
            select(bucket.label("part"), func.count())
            .where(*_within(model_id, version, window), column.is_not(None))
            .group_by(text("part"))
        )
        counts = [0] * (len(cuts) + 1)
        for part, count in (await self.session.execute(query)).all():
            counts[part] = count
        return counts


def _within(model_id: str, version: str, window: Window) -> tuple[Any, ...]:
    return (
        ObservationRow.model_id == model_id,
        ObservationRow.version == version,
        ObservationRow.at >= window.start,
        ObservationRow.at < window.end,
    )


def _model(row: ModelRow, aliases: dict[str, str]) -> Model:
    return Model(
        row.id, row.name_zh, row.name_en, ModelKind(row.kind), row.builtin, row.versions, row.latest, row.created_at,
        aliases,
    )  # fmt: skip


def _version(row: VersionRow) -> Version:
    return Version(
        row.model_id, row.version, row.digest, ModelFormat(row.format), row.bytes, row.folder,
        Card.model_validate(row.card), row.created_at, row.created_by_name,
    )  # fmt: skip
