"""How incidents come in from warnings, and which division a place belongs to."""

from datetime import timedelta

from chengnao.incident.catalogue import categories, category
from chengnao.incident.districts import district_at
from chengnao.incident.model import Incident, Source
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening, open_incident, require_incident, tell
from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.service import require_division
from chengnao.kernel.places import Place
from chengnao.kernel.vocabulary import Level
from chengnao.warning.events import WarningChanged, WarningCleared, WarningOpened
from chengnao.warning.repository import WarningRepository

ATTACH_WITHIN = timedelta(hours=2)
"""A warning joins an incident of its category in its division that warnings opened no longer ago than this."""


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
                place=Place.sound(warning.lon, warning.lat),
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


async def find_division(uow: UnitOfWork, code: str | None, place: Place | None, told: str | None = None) -> str:
    """The division that is given, that the place lies in, or that the words tell; raises Invalid where none does."""
    found = code or (district_at(place) if place else None) or told
    if found is None:
        raise Invalid("incident_place_division", field="division_code")
    return (await require_division(uow, found)).code
