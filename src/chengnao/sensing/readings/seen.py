"""When devices were last heard, out of the store's table of latest values."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import pyarrow as pa
from fastapi import Depends, Request

from chengnao.sensing.readings.store import ReadingsStore

_FRESH_SECONDS = 5.0


class LastSeen:
    """The time of the newest reading by device."""

    def __init__(self, store: ReadingsStore) -> None:
        self._store = store
        self._all: Mapping[str, datetime] = {}
        self._at = -_FRESH_SECONDS

    async def of(self, devices: Sequence[str]) -> Mapping[str, datetime]:
        """Of these devices; one never heard of is left out."""
        return _newest(await self._store.latest(list(devices))) if devices else {}

    async def all(self) -> Mapping[str, datetime]:
        """Of every device, at most 5 seconds old."""
        if time.monotonic() - self._at >= _FRESH_SECONDS:
            self._all = _newest(await self._store.latest_all())
            self._at = time.monotonic()
        return self._all


def _newest(latest: pa.Table) -> Mapping[str, datetime]:
    newest = latest.group_by("device").aggregate([("time", "max")])
    return dict(zip(newest.column("device").to_pylist(), newest.column("time_max").to_pylist(), strict=True))


def _last_seen(request: Request) -> LastSeen:
    state = request.app.state
    if not hasattr(state, "last_seen"):
        state.last_seen = LastSeen(state.readings)
    seen: LastSeen = state.last_seen
    return seen


LastSeenDep = Annotated[LastSeen, Depends(_last_seen)]
