"""Photos: kept once for the same bytes, loose until they are used."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from chengnao.incident.model import Incident, Photo, media_type_of
from chengnao.incident.photo_repository import PhotoRepository
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_id

PHOTO_LIMIT = 10 * 2**20
UPLOADS = "uploads"
"""The lock under which files are kept: whoever drops files that no row names holds it alone."""


async def attach_photos(uow: UnitOfWork, actor: Principal, incident_id: str, photo_ids: Sequence[str]) -> None:
    """Give photos to an incident; they must be its own already or the actor's loose ones."""
    taken = await PhotoRepository(uow.session).take(photo_ids, incident_id, actor.id)
    if unknown := set(photo_ids) - taken:
        raise Invalid("photo_unknown", field="photo_ids", ids="、".join(sorted(unknown)))


async def keep_photo(uow: UnitOfWork, home: Path, actor: Principal, incident: Incident | None, data: bytes) -> Photo:
    """Keep an image, once for the same bytes; raises Invalid for what is no image or too large."""
    if len(data) > PHOTO_LIMIT:
        raise Invalid("photo_too_large", field="file", limit_mb=PHOTO_LIMIT // 2**20)
    media_type = media_type_of(data)
    if media_type is None:
        raise Invalid("photo_not_image", field="file")
    digest = hashlib.sha256(data).hexdigest()
    path = photo_path(home, digest)
    await uow.hold(UPLOADS, shared=True)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    photo = Photo(new_id(), digest, media_type, len(data), incident.id if incident else None, actor.id, uow.clock.now())
    await PhotoRepository(uow.session).add(photo)
    return photo


async def require_photo(uow: UnitOfWork, actor: Principal, photo_id: str) -> Photo:
    """A photo of an incident in the actor's scope, or the actor's own loose one."""
    photo = await PhotoRepository(uow.session).get(photo_id)
    if photo is None or (photo.incident_id is None and photo.uploaded_by != actor.id):
        raise NotFound("not_found", kind="照片 photo", id=photo_id)
    if photo.incident_id is not None:
        incident = await IncidentRepository(uow.session).get(Scope.of(actor), photo.incident_id)
        if incident is None:
            raise NotFound("not_found", kind="照片 photo", id=photo_id)
    return photo


def photo_path(home: Path, digest: str) -> Path:
    return home / "photos" / digest[:2] / digest
