"""SQL over photos."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.model import Photo
from chengnao.incident.tables import PhotoRow
from chengnao.kernel.repository import Repository


class PhotoRepository(Repository):
    async def add(self, photo: Photo) -> None:
        await self.session.execute(insert(PhotoRow).values(**asdict(photo)))

    async def get(self, photo_id: str) -> Photo | None:
        row = await self.session.get(PhotoRow, photo_id)
        return None if row is None else _photo(row)

    async def of_incident(self, incident_id: str) -> list[Photo]:
        query = select(PhotoRow).where(PhotoRow.incident_id == incident_id).order_by(PhotoRow.at, PhotoRow.id)
        return [_photo(row) for row in await self.session.scalars(query)]

    async def forget_loose(self, before: datetime) -> set[str]:
        """Drop what was sent before and belongs to nothing; the digests that no photo has any more."""
        loose = delete(PhotoRow).where(PhotoRow.incident_id.is_(None), PhotoRow.at < before).returning(PhotoRow.digest)
        gone = set(await self.session.scalars(loose))
        return gone - set(await self.session.scalars(select(PhotoRow.digest).where(PhotoRow.digest.in_(gone))))

    async def take(self, photo_ids: Sequence[str], incident_id: str, uploaded_by: str) -> set[str]:
        """Give the uploader's own loose photos to the incident; returns those that are now, or were already, its."""
        statement = (
            update(PhotoRow)
            .where(
                PhotoRow.id.in_(photo_ids),
                or_(
                    PhotoRow.incident_id == incident_id,
                    PhotoRow.incident_id.is_(None) & (PhotoRow.uploaded_by == uploaded_by),
                ),
            )
            .values(incident_id=incident_id)
            .returning(PhotoRow.id)
        )
        return set(await self.session.scalars(statement))


def _photo(row: PhotoRow) -> Photo:
    return Photo(**{each.name: getattr(row, each.name) for each in fields(Photo)})
