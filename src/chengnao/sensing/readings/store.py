"""The readings store as the platform uses it: through `clickhouse-connect`, on one machine as on a cluster."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Secrets, Settings
from chengnao.sensing.readings import schema

T = TypeVar("T")

_SECONDS_TO_ANSWER = 60
# The store or its network, not the statement: too busy, out of memory, timed out, shutting down.
_PASSING_CODES = frozenset({159, 202, 209, 210, 241, 242, 243, 252, 394, 516, 999, 1002})


class ReadingsStore:
    """Readings by device, metric and time. Every method raises Unavailable where the store does not answer.

    Safe to share between tasks. Connects at first use, and again after the store was away.
    """

    def __init__(self, make_client: Callable[[], Client]) -> None:
        self._make_client = make_client
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    @classmethod
    def create(cls, settings: Settings, secrets: Secrets) -> Self:
        """The store of this installation: the ClickHouse in the settings, or the platform's own process."""
        return cls(lambda: _connect(settings, secrets))

    async def ensure_schema(self) -> None:
        """Make the tables that are missing."""

        def make(client: Client) -> None:
            for statement in schema.SCHEMA:
                client.command(statement)

        await self._with_client(make)

    async def insert(self, table: pa.Table) -> None:
        """Store the readings (READING_SCHEMA); on return they survive a kill and a power cut.

        Raises where they may or may not be stored; storing the same again changes nothing.
        """
        if table.num_rows:
            await self._with_client(
                lambda client: client.insert_arrow(
                    f"{schema.DATABASE}.readings", table, settings=schema.INSERT_SETTINGS
                )
            )

    async def series(self, device: str, metric: str, begin: datetime, end: datetime, max_points: int) -> pa.Table:
        """`time`, `value`, `quality` of the readings in [begin, end), in order of time.

        More than `max_points` are thinned to about that number: the time between the first and the last of them is
        cut into equal parts, and each part gives its least and its greatest value, so that no peak vanishes.
        """
        parameters = {
            "device": device,
            "metric": metric,
            "begin": _milliseconds(begin),
            "end": _milliseconds(end),
            "points": max(2, max_points),
        }
        return await self._query(schema.SERIES, parameters)

    async def of_devices(
        self, devices: Sequence[str], metric: str, begin: datetime, end: datetime, most: int
    ) -> pa.Table:
        """Every reading of one metric of these devices in [begin, end), in READING_SCHEMA, by device and time.

        No more than `most` rows: where so many come, the last devices may be cut off.
        """
        parameters = {
            "devices": list(devices),
            "metric": metric,
            "begin": _milliseconds(begin),
            "end": _milliseconds(end),
            "most": most,
        }
        return await self._query(schema.OF_DEVICES, parameters)

    async def latest(self, devices: Sequence[str]) -> pa.Table:
        """The newest reading, by its own time, of each metric of these devices, in READING_SCHEMA."""
        return await self._query(schema.LATEST_OF_DEVICES, {"devices": list(devices)})

    async def latest_all(self) -> pa.Table:
        """The same of all devices."""
        return await self._query(schema.LATEST_ALL, {})

    async def count(self, device: str | None = None) -> int:
        """How many readings there are, duplicates counted once."""
        if device is None:
            table = await self._query(schema.COUNT, {})
        else:
            table = await self._query(schema.COUNT_OF_DEVICE, {"device": device})
        return int(table.column(0)[0].as_py())

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def _query(self, sql: str, parameters: dict[str, object]) -> pa.Table:
        return await self._with_client(
            lambda client: client.query_arrow(sql, parameters=parameters, settings=schema.FINAL_SETTINGS)
        )

    async def _with_client(self, work: Callable[[Client], T]) -> T:
        try:
            async with self._connecting:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._make_client)
            return await asyncio.to_thread(work, self._client)
        except (OperationalError, HTTPError, OSError) as error:
            raise Unavailable("store_unavailable", reason=str(error).splitlines()[0]) from error
        except DatabaseError as error:
            if error.code is None or error.code in _PASSING_CODES:
                raise Unavailable("store_unavailable", reason=str(error).splitlines()[0]) from error
            raise


def _connect(settings: Settings, secrets: Secrets) -> Client:
    options: dict[str, Any] = {
        "autogenerate_session_id": False,  # a session runs one statement at a time
        "connect_timeout": 5,
        "send_receive_timeout": _SECONDS_TO_ANSWER,
        "client_name": "chengnao",
    }
    if settings.clickhouse_url:
        return clickhouse_connect.get_client(dsn=settings.clickhouse_url, compress="lz4", **options)
    return clickhouse_connect.get_client(
        host="127.0.0.1",
        port=settings.port("store"),
        username=secrets.store_user,
        password=secrets.store_password,
        compress=False,  # on loopback it costs more than it saves
        **options,
    )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
