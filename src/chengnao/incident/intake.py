"""How incidents come in: from warnings, from reports of people and machines, by hand; and their photos."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chengnao.incident.catalogue import categories, category
from chengnao.incident.districts import district_at
from chengnao.incident.intake_repository import IntakeRepository
from chengnao.incident.model import Incident, Photo, Report, Responsibility, Source, media_type_of
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening, attach_photos, numbered, open_incident, require_incident, tell
from chengnao.kernel.access.model import SYSTEM, Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.service import require_division, require_unit
from chengnao.kernel.places import Place
from chengnao.kernel.vocabulary import Level
from chengnao.warning.events import WarningChanged, WarningCleared, WarningOpened
from chengnao.warning.repository import WarningRepository

ATTACH_WITHIN = timedelta(hours=2)
"""A warning joins an incident of its category in its division that warnings opened no longer ago than this."""

PHOTO_LIMIT = 10 * 2**20


async def take_warning(uow: UnitOfWork, event: WarningOpened | WarningChanged | WarningCleared) -> None:
    """Open an incident for a warning that is grave enough, or tell the incident it belongs to what became of it.

    A warning that grows graver after its incident was closed is a new matter and opens another.
    """
    warnings = WarningRepository(uow.session)
    warning = await warnings.warning(Scope(), event.subject)
    if warning is None:
        return
    source_key = f"warning:{warning.id}"
    if warning.incident_id is not None:
        incident = await require_incident(uow, Scope(), warning.incident_id, lock=True)
        if not incident.state.final:
            await _tell_incident(uow, incident, event)
            return
        if not isinstance(event, WarningChanged) or event.level > event.previous_level:
            return
        source_key += f":{event.level}:{event.at}"
    if isinstance(event, WarningCleared) or event.level > event.opens_incident_at:
        return
    kind = categories().get(warning.category) or category("other")
    since = uow.clock.now() - ATTACH_WITHIN
    joined = await IncidentRepository(uow.session).to_attach_to(kind.code, warning.division_code, since)
    if joined is None:
        incident = await open_incident(
            uow,
            SYSTEM,
            Opening(
                Source.WARNING,
                title=event.title,
                category=kind.code,
                division_code=warning.division_code,
                description=f"由{Level(event.level).zh}预警自动立案",
                grade=min(kind.grade, event.level),
                place=_place(warning.lon, warning.lat),
                source_key=source_key,
            ),
        )
    else:
        incident = joined
        await tell(uow, incident, f"并入预警：{event.title}", {"warning_id": warning.id, "level": event.level})
    await warnings.link_incident(warning.id, incident.id)


async def _tell_incident(
    uow: UnitOfWork, incident: Incident, event: WarningOpened | WarningChanged | WarningCleared
) -> None:
    if isinstance(event, WarningOpened):
        return
    if isinstance(event, WarningCleared):
        text = f"预警已解除：{event.device_name}"
    else:
        text = f"预警由{Level(event.previous_level).zh}变为{Level(event.level).zh}：{event.title}"
    await tell(uow, incident, text, {"warning_id": event.subject, "level": event.level})


def _place(lon: float | None, lat: float | None) -> Place | None:
    try:
        return None if lon is None or lat is None else Place(lon, lat)
    except Invalid:
        return None


@dataclass(frozen=True)
class ReportIn:
    """What somebody reports."""

    content: str
    place: Place | None
    address: str = ""
    category: str = "other"
    division_code: str | None = None
    reporter_name: str | None = None
    reporter_phone: str | None = None
    photo_ids: Sequence[str] = ()


async def take_report(uow: UnitOfWork, actor: Principal, given: ReportIn) -> Report:
    """Keep a report under a tracking number and open an incident for it."""
    division_code = await find_division(uow, given.division_code, given.place)
    report_id = new_id()
    incident = await open_incident(
        uow,
        actor,
        Opening(
            Source.REPORT,
            title=_title(given.content),
            category=given.category,
            division_code=division_code,
            description=given.content,
            place=given.place,
            address=given.address,
            source_key=f"report:{report_id}",
        ),
    )
    report = Report(
        id=report_id,
        tracking_number=await numbered(uow, "SB"),
        incident_id=incident.id,
        content=given.content,
        category=given.category,
        division_code=division_code,
        unit_id=incident.unit_id,
        lon=given.place.lon if given.place else None,
        lat=given.place.lat if given.place else None,
        address=given.address,
        reporter_name=given.reporter_name,
        reporter_phone=given.reporter_phone,
        received_at=uow.clock.now(),
    )
    await IntakeRepository(uow.session).add_report(report)
    if given.photo_ids:
        await attach_photos(uow, actor, incident.id, given.photo_ids)
    return report


async def find_division(uow: UnitOfWork, code: str | None, place: Place | None) -> str:
    """The division that is given or that the place lies in; raises Invalid where neither tells."""
    found = code or (district_at(place) if place else None)
    if found is None:
        raise Invalid("incident_place_division", field="division_code")
    return (await require_division(uow, found)).code


def _title(content: str, length: int = 40) -> str:
    line = " ".join(content.split())
    return line if len(line) <= length else line[: length - 1] + "…"


async def put_responsibility(uow: UnitOfWork, responsibility: Responsibility) -> None:
    """Say which unit answers for a category in a division, from the next dispatch on."""
    category(responsibility.category)
    await require_division(uow, responsibility.division_code)
    await require_unit(uow, responsibility.unit_id)
    await IntakeRepository(uow.session).put_responsibility(responsibility)


async def keep_photo(uow: UnitOfWork, home: Path, actor: Principal, incident: Incident | None, data: bytes) -> Photo:
    """Keep an image, once for the same bytes; raises Invalid for what is no image or too large."""
    if len(data) > PHOTO_LIMIT:
        raise Invalid("photo_too_large", field="file", limit_mb=PHOTO_LIMIT // 2**20)
    media_type = media_type_of(data)
    if media_type is None:
        raise Invalid("photo_not_image", field="file")
    digest = hashlib.sha256(data).hexdigest()
    path = photo_path(home, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    photo = Photo(new_id(), digest, media_type, len(data), incident.id if incident else None, actor.id, uow.clock.now())
    await IntakeRepository(uow.session).add_photo(photo)
    return photo


async def require_photo(uow: UnitOfWork, actor: Principal, photo_id: str) -> Photo:
    """A photo of an incident in the actor's scope, or the actor's own loose one."""
    photo = await IntakeRepository(uow.session).photo(photo_id)
    if photo is None or (photo.incident_id is None and photo.uploaded_by != actor.id):
        raise NotFound("not_found", kind="照片 photo", id=photo_id)
    if photo.incident_id is not None:
        await require_incident(uow, Scope.of(actor), photo.incident_id)
    return photo


def photo_path(home: Path, digest: str) -> Path:
    return home / "photos" / digest[:2] / digest
