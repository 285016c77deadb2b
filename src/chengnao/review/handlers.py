"""What the platform does by itself once incidents end or come back: open reviews, learn from returns."""

from typing import Any

from chengnao.incident.events import IncidentChanged
from chengnao.incident.model import Action, State
from chengnao.kernel.database import Database
from chengnao.kernel.events import parse_event
from chengnao.kernel.outbox import once
from chengnao.review.proposals.learning import learn_from_returns
from chengnao.review.service import review_if_called_for

CONSUMER = "review"


class ReviewHandlers:
    """Takes each event, which may come more than once, and acts on it once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def handle(self, document: dict[str, Any]) -> None:
        """Act on an envelope; raises where that failed and the event should come again."""
        event = parse_event(document)
        if not isinstance(event, IncidentChanged):
            return
        closed = event.state == State.CLOSED and event.entry == event.version
        if not closed and event.action not in (Action.RETURN, Action.HANDLE):
            return
        async with self._database.unit_of_work() as uow:
            if not await once(uow, CONSUMER, document["id"]):
                return
            if closed:
                await review_if_called_for(uow, event.subject)
            else:
                await learn_from_returns(uow, event.subject)
            await uow.commit()
