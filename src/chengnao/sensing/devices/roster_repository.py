"""All devices of the platform, fast: for processes that keep each of them in memory, a million in a large city."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from chengnao.kernel.repository import Repository

_PART = 20_000
_ALL = """
SELECT id, class_code, division_code, unit_id, protocol, address, interval_seconds, life,
    settings <> '{}'::jsonb OR points <> '{}'::jsonb OR faults <> '[]'::jsonb
FROM devices"""


class Listed(NamedTuple):
    """What those who keep all devices need of one; `special`: it has settings, points or faults of its own."""

    id: str
    class_code: str
    division_code: str
    unit_id: str | None
    protocol: str
    address: str | None
    interval_seconds: int
    life: str
    special: bool


class RosterRepository(Repository):
    async def all(self) -> AsyncIterator[list[Listed]]:
        """In parts, so that others have their turn; past the object mapper, which costs several times as much."""
        connection = await (await self.session.connection()).get_raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        async with driver.cursor(name="roster") as cursor:
            await cursor.execute(_ALL)
            while rows := await cursor.fetchmany(_PART):
                yield [Listed._make(row) for row in rows]
