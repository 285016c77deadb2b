"""The simulated workers: they watch the open incidents through the API and act as planned, one after another."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.people import DESK
from chengnao.demonstration.photo import site_photo
from chengnao.demonstration.plans import Plan, make_plan
from chengnao.demonstration.portal import Account, NotNowError, RefusedError
from chengnao.kernel.clock import Clock

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
ACTIONS_A_LOOK = 4
"""After a stop much is due at once; it is worked off at this pace, not in one burst."""

TRY_AGAIN = timedelta(hours=1)
"""City time until a refused action is tried once more, if nothing else has changed by then."""


class Workers:
    """All simulated workers.

    `see` is called with every incident whose state has changed, closed ones included, as the API gives it.
    `open_incidents` is None while they cannot be counted.
    """

    def __init__(self, base_url: str, password: str, clock: Clock, see: Callable[[Mapping[str, Any]], None]) -> None:
        self.open_incidents: int | None = None
        self._base_url = base_url
        self._password = password
        self._clock = clock
        self._see = see
        self._stack = AsyncExitStack()
        self._accounts: dict[str, Account] = {}
        self._seen: dict[str, int] = {}
        self._plans: dict[str, Plan] = {}

    async def run(self) -> None:
        self._accounts.clear()
        async with AsyncExitStack() as self._stack:
            while True:
                try:
                    await self._look()
                    await self._act()
                except (NotNowError, RefusedError) as error:
                    self.open_incidents = None
                    log.info("workers wait: %s", error)
                    await asyncio.sleep(LOOK_SECONDS)
                await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Find what has changed since the last look, and plan anew for it."""
        desk = await self._account(DESK)
        page = await desk.get("/api/incidents", state="open", sort="opened_at", size=200)
        versions = {item["id"]: item["version"] for item in page["items"]}
        self.open_incidents = page["total"]
        changed = [each for each, version in versions.items() if self._seen.get(each) != version]
        gone = self._seen.keys() - versions.keys()
        for incident_id in [*changed, *gone]:
            await self._study(desk, incident_id)
        for incident_id in gone:
            self._seen.pop(incident_id, None)

    async def _study(self, desk: Account, incident_id: str) -> None:
        try:
            detail = await desk.get(f"/api/incidents/{incident_id}")
        except RefusedError as error:
            log.warning("incident %s cannot be read: %s", incident_id, error)
            self._plans.pop(incident_id, None)
            return
        self._seen[incident_id] = detail["version"]
        self._see(detail)
        plan = make_plan(detail)
        if plan is None:
            self._plans.pop(incident_id, None)
        else:
            self._plans[incident_id] = plan

    async def _act(self) -> None:
        now = self._clock.now()
        due = sorted((plan for plan in self._plans.values() if plan.at <= now), key=lambda plan: plan.at)
        for plan in due[:ACTIONS_A_LOOK]:
            await self._carry_out(plan)

    async def _carry_out(self, plan: Plan) -> None:
        """Act. Where somebody was quicker the platform refuses the stale version, and the next look plans anew."""
        try:
            account = await self._account(plan.username)
            body = {"version": plan.version, **plan.body}
            if plan.photo:
                body["photo_ids"] = await self._take_photos(account, plan.incident_id)
            await account.post(f"/api/incidents/{plan.incident_id}/actions/{plan.action}", body)
        except RefusedError as error:
            log.info("%s cannot %s %s: %s", plan.username, plan.action, plan.incident_id, error)
            self._plans[plan.incident_id] = replace(plan, at=self._clock.now() + TRY_AGAIN)
        else:
            del self._plans[plan.incident_id]

    async def _take_photos(self, account: Account, incident_id: str) -> Iterable[str]:
        picture = site_photo(seeded("photo", incident_id))
        uploaded = await account.upload(f"/api/incidents/{incident_id}/photos", "现场.png", picture, "image/png")
        return [uploaded["id"]]

    async def _account(self, username: str) -> Account:
        if username not in self._accounts:
            account = Account(self._base_url, username, self._password)
            self._accounts[username] = await self._stack.enter_async_context(account)
        return self._accounts[username]
