"""Readings in and out of the store, by ClickHouse's own client: the platform's child, or a cluster in the settings."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Secrets, Settings

T = TypeVar("T")

DATABASE = "chengnao"

# What a reading is known by is the sorting key; of several with one key the one received last stays, at the latest
# when a query asks for FINAL. An insert is synced, so that the log may forget a batch once the store has it.
_SCHEMA = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
    f"""CREATE TABLE IF NOT EXISTS {DATABASE}.readings (
        device String CODEC(ZSTD(1)),
        metric LowCardinality(String),
        time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
        value Float64 CODEC(ZSTD(1)),
        quality LowCardinality(String),
        received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
    ) ENGINE = ReplacingMergeTree(received_at)
    PARTITION BY toYYYYMM(time)
    ORDER BY (device, metric, time)
    SETTINGS fsync_after_insert = 1""",
    f"""CREATE TABLE IF NOT EXISTS {DATABASE}.latest (
        device String,
        metric LowCardinality(String),
        time DateTime64(3, 'UTC'),
        value Float64,
        quality LowCardinality(String)
    ) ENGINE = ReplacingMergeTree(time)
    ORDER BY (device, metric)
    SETTINGS fsync_after_insert = 1""",
    f"""CREATE MATERIALIZED VIEW IF NOT EXISTS {DATABASE}.latest_of_insert TO {DATABASE}.latest AS
    SELECT device, metric, max(time) AS time, argMax(value, r.time) AS value, argMax(quality, r.time) AS quality
    FROM {DATABASE}.readings AS r
    GROUP BY device, metric""",
)
# A key and all its versions lie in one partition, so partitions need not be merged with each other.
_FINAL = {"do_not_merge_across_partitions_select_final": 1}


class ReadingsStore:
    """The readings of the city. Every call raises Unavailable where the store does not answer."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: Client | None = None

    @classmethod
    def create(cls, settings: Settings, secrets: Secrets) -> "ReadingsStore":
        """The store of this installation; connects at first use."""
        options: dict[str, Any] = {"autogenerate_session_id": False, "compress": False}
        if settings.clickhouse_url is not None:
            options |= {"dsn": settings.clickhouse_url, "compress": True}
        else:
            options |= {
                "host": "127.0.0.1",
                "port": settings.port("store"),
                "username": secrets.store_user,
                "password": secrets.store_password,
            }
        return cls(lambda: clickhouse_connect.get_client(**options))

    async def ensure_schema(self) -> None:
        """Make the tables that are missing."""

        def make(client: Client) -> None:
            for statement in _SCHEMA:
                client.command(statement)

        await self._call(make)

    async def insert(self, table: pa.Table) -> None:
        """Return once the readings (READING_SCHEMA) are in the files; inserting them again changes nothing."""
        await self._call(lambda client: client.insert_arrow(f"{DATABASE}.readings", table))

    async def series(self, device: str, metric: str, begin: datetime, end: datetime, max_points: int) -> pa.Table:
        """`time`, `value`, `quality` of [begin, end), in order.

        Where there are more than `max_points`, the time is cut into max_points / 2 equal parts and each part gives
        its least and its greatest value, so that no peak vanishes.
        """
        params = {"device": device, "metric": metric, "begin": begin, "end": end}
        where = (
            "device = {device:String} AND metric = {metric:String} "
            "AND time >= {begin:DateTime64(3, 'UTC')} AND time < {end:DateTime64(3, 'UTC')}"
        )
        source = f"{DATABASE}.readings FINAL WHERE {where}"
        counted = await self._arrow(f"SELECT count() AS n FROM {source}", params)
        if counted.column("n")[0].as_py() <= max_points:
            return await self._arrow(f"SELECT time, value, quality FROM {source} ORDER BY time", params)
        width = max(1, int((end - begin).total_seconds() * 1000) // max(1, max_points // 2) + 1)
        return await self._arrow(
            "SELECT p.1 AS time, p.2 AS value, p.3 AS quality FROM ("
            " SELECT arrayJoin(arrayDistinct([argMin((time, value, quality), value),"
            "  argMax((time, value, quality), value)])) AS p"
            f" FROM {source}"
            " GROUP BY intDiv(toUnixTimestamp64Milli(time) - toUnixTimestamp64Milli({begin:DateTime64(3, 'UTC')}),"
            "  {width:Int64})) ORDER BY time",
            params | {"width": width},
        )

    async def latest(self, devices: Sequence[str]) -> pa.Table:
        """`device`, `metric`, `time`, `value`, `quality` of the newest reading of each metric of the devices."""
        return await self._arrow(
            f"SELECT * FROM {DATABASE}.latest FINAL WHERE device IN {{devices:Array(String)}}",
            {"devices": list(devices)},
        )

    async def latest_all(self) -> pa.Table:
        """The same of all devices."""
        return await self._arrow(f"SELECT * FROM {DATABASE}.latest FINAL", {})

    async def count(self, device: str | None = None) -> int:
        """How many different readings the store has, of one device or of all."""
        where, params = ("WHERE device = {device:String}", {"device": device}) if device else ("", {})
        counted = await self._arrow(
            f"SELECT count() AS n FROM {DATABASE}.readings FINAL {where}",
            params,
        )
        return int(counted.column("n")[0].as_py())

    async def _arrow(self, query: str, params: dict[str, Any]) -> pa.Table:
        return await self._call(
            lambda client: client.query_arrow(query, parameters=params, settings=_FINAL, use_strings=True)
        )

    async def _call(self, call: Callable[[Client], T]) -> T:
        return await asyncio.to_thread(self._call_here, call)

    def _call_here(self, call: Callable[[Client], T]) -> T:
        try:
            if self._client is None:
                self._client = self._connect()
            return call(self._client)
        except (OperationalError, HTTPError, OSError) as error:
            raise Unavailable("store_unavailable", reason=str(error).splitlines()[0]) from error
        except DatabaseError as error:
            # Out of memory or too many parts: the statement is right and the server cannot do it now.
            if any(f"code: {code}" in str(error).lower() for code in (241, 252, 202)):
                raise Unavailable("store_unavailable", reason=str(error).splitlines()[0]) from error
            raise
