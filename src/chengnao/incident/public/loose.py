"""Photos and recordings that were sent ahead of a report which then never came."""

from datetime import timedelta
from pathlib import Path

from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.drafts.service import draft_path
from chengnao.incident.photo_repository import PhotoRepository
from chengnao.incident.photos import UPLOADS, photo_path
from chengnao.incident.public.model import CITIZEN
from chengnao.kernel.database import Database

KEEP = timedelta(days=14)
"""As long as a telephone may be without a network before it sends the report."""


async def forget_loose(database: Database, home: Path) -> int:
    """Drop photos that belong to no incident and citizens' recordings that belong to no report; returns how many
    files that were."""
    async with database.unit_of_work() as uow:
        await uow.hold(UPLOADS)
        before = uow.clock.now() - KEEP * uow.clock.speed
        photos = await PhotoRepository(uow.session).forget_loose(before)
        recordings = await DraftRepository(uow.session).forget_loose(CITIZEN.id, before)
        files = [photo_path(home, digest) for digest in photos] + [draft_path(home, digest) for digest in recordings]
        # Before the commit: a row may outlive its file for a moment, but no file its last row.
        for file in files:
            file.unlink(missing_ok=True)
        await uow.commit()
    return len(files)
