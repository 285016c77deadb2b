"""What state machines of hypothesis run in: a database and an event loop that outlive their runs."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import psycopg

from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, plain_url
from tests.support.loop import START, make_city


class World:
    """One database for all runs, emptied before each; an event loop that outlives them."""

    def __init__(self, url: str, emptied: str) -> None:
        """`emptied`: the tables to empty, and with them all that hangs on them."""
        self.url = plain_url(url)
        self.loop = asyncio.new_event_loop()
        self.clock = FixedClock(START)
        self.database = Database.connect(url, self.clock)
        self.plain = psycopg.connect(self.url, autocommit=True)
        self._emptied = emptied
        self.steps = 0
        """Counted by the machine, for its report."""
        self.run(make_city(self.database))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def empty(self) -> None:
        self.plain.execute(f"TRUNCATE {self._emptied} CASCADE")
        self.clock.at = START

    def close(self) -> None:
        self.plain.close()
        self.run(self.database.close())
        self.loop.close()
