"""The readings store as the platform uses it: through `clickhouse-connect`, on one machine as on a cluster."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import clickhouse_connect
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.settings import Secrets, Settings
from chengnao.sensing.readings import schema, tiers
from chengnao.sensing.readings.tiers import Retention, Tier

T = TypeVar("T")

_SECONDS_TO_ANSWER = 60
_SECONDS_TO_EXPORT = 3_600  # of one statement; its reader may be slow
# The store or its network, not the statement: too busy, out of memory, timed out, shutting down.
_PASSING_CODES = frozenset({159, 202, 209, 210, 241, 242, 243, 252, 394, 516, 999, 1002})


class ReadingsStore:
    """Readings by device, metric and time. Every method raises Unavailable where the store does not answer.

    Safe to share between tasks. Connects at first use, and again after the store was away.
    """

    def __init__(self, make_client: Callable[[], Client], kept: Retention) -> None:
        self._make_client = make_client
        self.kept = kept
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    @classmethod
    def create(cls, settings: Settings, secrets: Secrets, seconds_to_answer: int = _SECONDS_TO_ANSWER) -> Self:
        """The store of this installation: the ClickHouse in the settings, or the platform's own process."""
        return cls(lambda: _connect(settings, secrets, seconds_to_answer), Retention.of(settings))

    async def ensure_schema(self) -> None:
        """Make the tables that are missing, and let each tier be kept as long as the settings say.

        Raw readings of an earlier release are kept until they are rolled up: call it again then.
        """

        def make(client: Client) -> None:
            for statement in (*schema.SCHEMA, *tiers.SCHEMA):
                client.command(statement)
            waiting = client.query_arrow(tiers.NOT_ROLLED_UP).column(0)[0].as_py()
            for tier in Tier:
                if tier is Tier.RAW and waiting:
                    continue
                for statement in tiers.retention_statements(tier, self.kept.days(tier)):
                    client.command(statement, settings=tiers.TTL_SETTINGS)

        await self._with_client(make)

    async def insert(self, table: pa.Table) -> None:
        """Store the readings (READING_SCHEMA); on return they survive a kill and a power cut.

        Raises where they may or may not be stored; storing the same again changes nothing.
        """
        if not table.num_rows:
            return
        await self._insert("readings", table)
        # Asked only now: a roll-up that did not see these rows has announced itself before.
        announced = (await self.progress()).get("announced")
        if announced is not None:
            late = _late(table, announced)
            if late.num_rows:
                await self._insert("touched", late)

    async def _insert(self, name: str, table: pa.Table) -> None:
        await self._with_client(
            lambda client: client.insert_arrow(f"{schema.DATABASE}.{name}", table, settings=schema.INSERT_SETTINGS)
        )

    async def series(
        self,
        device: str,
        metric: str,
        begin: datetime,
        end: datetime,
        max_points: int,
        tier: Tier = Tier.RAW,
    ) -> pa.Table:
        """`time`, `value`, `quality` of the readings in [begin, end), in order of time, read from a tier.

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
        return await self._query(schema.SERIES if tier is Tier.RAW else tiers.series(tier), parameters)

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

    async def rows_of(
        self, tier: Tier, devices: Sequence[str], metrics: Sequence[str], begin: datetime, end: datetime
    ) -> AsyncGenerator[pa.Table, None]:
        """Every row of a tier in [begin, end), of some metrics or of all, in parts that the caller takes one by one."""
        parameters = {
            "devices": list(devices),
            "metrics": list(metrics),
            "begin": _milliseconds(begin),
            "end": _milliseconds(end),
        }
        settings = schema.FINAL_SETTINGS | {"max_execution_time": _SECONDS_TO_EXPORT}
        stream = await self._with_client(
            lambda client: client.query_arrow_stream(tiers.rows(tier), parameters=parameters, settings=settings)
        )
        with stream as parts:
            taking = iter(parts)
            while (part := await self._with_client(lambda _: next(taking, None))) is not None:
                yield part if isinstance(part, pa.Table) else pa.Table.from_batches([part])

    async def columns(self, tier: Tier) -> pa.Schema:
        """What `rows_of` gives."""
        nothing = {"devices": [], "metrics": [], "begin": 0, "end": 0}
        return (await self._query(tiers.rows(tier), nothing)).schema

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

    async def progress(self) -> Mapping[str, datetime]:
        """How far the roll-ups are: `announced` and `done`, where there are any; see `tiers`."""
        rows = (await self._query(tiers.PROGRESS, {})).to_pylist()
        return {str(row["kind"]): row["until"] for row in rows}

    async def set_progress(self, kind: str, until: datetime) -> None:
        await self._command(tiers.SET_PROGRESS, {"kind": kind, "until": _milliseconds(until)})

    async def next_reading(self, since: datetime) -> datetime | None:
        """The time of the first reading at or after `since`."""
        row = await self._row(tiers.NEXT, {"since": _milliseconds(since)})
        return _moment(row[1]) if row[0] else None

    async def cuts(self, step: int) -> list[str]:
        """Devices that cut all devices into ranges of about `step` series."""
        return list((await self._query(tiers.CUTS, {"step": step})).column(0).to_pylist())

    async def touched(self) -> list[str]:
        """Tokens of changes that the tiers do not know yet."""
        return list((await self._query(tiers.TOKENS, {})).column(0).to_pylist())

    async def touched_cuts(self, tokens: Sequence[str], step: int) -> list[str]:
        table = await self._query(tiers.TOUCHED_CUTS, {"tokens": list(tokens), "step": step})
        return list(table.column(0).to_pylist())

    async def touched_span(self, tokens: Sequence[str], low: str, high: str) -> tuple[datetime, datetime] | None:
        """The hours that the tokens name for devices in [low, high); `high` empty: without end."""
        begin, end = await self._row(tiers.TOUCHED_SPAN, {"tokens": list(tokens), "low": low, "high": high})
        return (_moment(begin), _moment(end)) if begin else None

    async def forget_touched(self, tokens: Sequence[str]) -> None:
        await self._command(tiers.FORGET_TOUCHED, {"tokens": list(tokens)}, {"mutations_sync": 1})

    async def roll_up(
        self, statement: str, low: str, high: str, begin: datetime, end: datetime, tokens: Sequence[str] = ()
    ) -> None:
        """Run one statement of `tiers` for the devices in [low, high) and the readings in [begin, end)."""
        parameters: dict[str, object] = {
            "low": low,
            "high": high,
            "begin": _milliseconds(begin),
            "end": _milliseconds(end),
            "tokens": list(tokens),
            "version": (await self._row(tiers.VERSION, {}))[0],
        }
        await self._command(statement, parameters, tiers.COMPUTE_SETTINGS)

    async def most_parts(self) -> int:
        """The files of readings that stand beside one another in the fullest month; merging keeps them few."""
        return int((await self._row(schema.MOST_PARTS, {}))[0])

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def select(self, sql: str, parameters: dict[str, object], seconds: int = 20) -> pa.Table:
        """What a question over the tables of `schema` gives; ends with Unavailable after so many seconds."""
        settings = schema.FINAL_SETTINGS | {"max_execution_time": seconds}
        return await self._with_client(lambda client: client.query_arrow(sql, parameters=parameters, settings=settings))

    async def _query(self, sql: str, parameters: dict[str, object]) -> pa.Table:
        return await self._with_client(
            lambda client: client.query_arrow(sql, parameters=parameters, settings=schema.FINAL_SETTINGS)
        )

    async def _row(self, sql: str, parameters: dict[str, object]) -> list[Any]:
        table = await self._query(sql, parameters)
        return [column[0].as_py() for column in table.columns]

    async def _command(
        self, sql: str, parameters: dict[str, object], settings: Mapping[str, int] | None = None
    ) -> None:
        await self._with_client(
            lambda client: client.command(sql, parameters=parameters, settings=dict(settings or {}))
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


def _late(table: pa.Table, announced: datetime) -> pa.Table:
    """What `touched` must name of the readings: the hours of each series that may be rolled up already."""
    late = table.filter(pc.less(table.column("time"), pa.scalar(announced, table.schema.field("time").type)))
    hours = pc.cast(pc.floor_temporal(late.column("time"), unit="hour"), pa.timestamp("s", tz="UTC"))
    keys = pa.table({"device": late.column("device"), "metric": late.column("metric"), "hour": hours})
    keys = keys.group_by(["device", "metric", "hour"]).aggregate([])
    return keys.add_column(0, "token", pa.repeat(pa.scalar(new_id()), keys.num_rows))


def _connect(settings: Settings, secrets: Secrets, seconds_to_answer: int) -> Client:
    options: dict[str, Any] = {
        "autogenerate_session_id": False,  # a session runs one statement at a time
        "connect_timeout": 5,
        "send_receive_timeout": seconds_to_answer,
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


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
