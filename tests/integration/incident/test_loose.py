"""What citizens sent ahead of a report that never came is dropped, row and file; what may still be used stays."""

import hashlib
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from chengnao.incident.drafts.service import add_draft, draft_path
from chengnao.incident.photos import keep_photo, photo_path
from chengnao.incident.public.loose import KEEP, forget_loose
from chengnao.incident.public.model import CITIZEN
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import SYSTEM
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import CITY

ONE, OTHER = (b"\x89PNG\r\n\x1a\n" + name for name in (b"one", b"other"))
SOUND, LETTER = b"RIFF\x24\x00\x00\x00WAVEfmt sound", b"%PDF-1.7 a letter"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def send(database: Database, home: Path) -> None:
    async with database.unit_of_work() as uow:
        for picture in (ONE, OTHER):
            await keep_photo(uow, home, CITIZEN, None, picture)
        await add_draft(uow, home, CITIZEN, Channel.CALL, SOUND, CITY)
        await add_draft(uow, home, SYSTEM, Channel.LETTER, LETTER, CITY)
        await uow.commit()


async def test_what_no_report_took_is_dropped_after_a_while(database: Database, tmp_path: Path) -> None:
    await send(database, tmp_path)
    assert await forget_loose(database, tmp_path) == 0
    long_ago = database.clock.now() - KEEP - timedelta(hours=1)
    async with database.unit_of_work() as uow:
        await uow.session.execute(text("UPDATE incident_photos SET at = :at"), {"at": long_ago})
        await uow.session.execute(text("UPDATE drafts SET created_at = :at"), {"at": long_ago})
        await keep_photo(uow, tmp_path, CITIZEN, None, ONE)  # the same bytes again, today
        await uow.commit()

    assert await forget_loose(database, tmp_path) == 2

    assert photo_path(tmp_path, digest(ONE)).exists()
    assert not photo_path(tmp_path, digest(OTHER)).exists()
    assert not draft_path(tmp_path, digest(SOUND)).exists()
    assert draft_path(tmp_path, digest(LETTER)).exists(), (
        "a letter was scanned by the unit, and is the unit's to discard"
    )
    async with database.unit_of_work() as uow:
        assert (await uow.session.execute(text("SELECT digest FROM incident_photos"))).scalars().all() == [digest(ONE)]
        assert (await uow.session.execute(text("SELECT digest FROM drafts"))).scalars().all() == [digest(LETTER)]
