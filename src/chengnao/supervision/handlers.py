"""What the platform does by itself when something has happened: open incidents for warnings, watch deadlines."""

from typing import Any

from chengnao.incident.events import IncidentChanged, IncidentOpened
from chengnao.incident.intake import take_warning
from chengnao.incident.requests.events import RequestAsked
from chengnao.kernel.database import Database
from chengnao.kernel.events import parse_event
from chengnao.kernel.outbox import once
from chengnao.supervision.deadlines import Deadlines
from chengnao.warning.events import WarningChanged, WarningCleared, WarningOpened

CONSUMER = "worker"


class Handlers:
    """Takes each event, which may come more than once, and acts on it once."""

    def __init__(self, database: Database, deadlines: Deadlines) -> None:
        self._database = database
        self._deadlines = deadlines

    async def handle(self, document: dict[str, Any]) -> None:
        """Act on an envelope; raises where that failed and the event should come again."""
        event = parse_event(document)
        async with self._database.unit_of_work() as uow:
            if event is None or not await once(uow, CONSUMER, document["id"]):
                return
            match event:
                case WarningOpened() | WarningChanged() | WarningCleared():
                    await take_warning(uow, event)
                case IncidentOpened() | IncidentChanged():
                    # Before the commit: should this process die in between, the event comes again.
                    if event.due_at is not None and _entered(event):
                        await self._deadlines.watch(event.subject, event.entry)
                case RequestAsked():
                    await self._deadlines.watch_request(event.subject)
                case _:
                    return
            await uow.commit()


def _entered(event: IncidentOpened | IncidentChanged) -> bool:
    """Whether the event tells of a new state, not of a note or an urge within one."""
    return event.entry == event.version
