"""The centre's end of both lines: what edges send is taken in once, and what the centre wants of them is told.

An edge has checked its readings already, by the same code. Here they are only held against what the edge cannot know:
whether the device is still registered and still its own, and the centre's clock. What an edge has acknowledged to a
device is never refused to the edge: it is stored, or it stands in the quarantine.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.edge.model import Edge
from chengnao.sensing.edge.records import Kind, Record, RecordsInvalid
from chengnao.sensing.edge.repository import EdgeRepository
from chengnao.sensing.gateways.intake import LATE_MS, NEWEST_MS, Intake
from chengnao.sensing.gateways.registry import may_write
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.repository import QuarantineRepository
from chengnao.sensing.readings.model import READING_SCHEMA, Quality, decode

log = logging.getLogger(__name__)

_AT_ONCE = 3
"""Of the gateway's few connections to the database."""
_KEPT_ROWS = 100
_QUALITIES = {each.value for each in Quality}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Taken:
    """What became of some records. `through`: the last number that is taken in now."""

    through: int
    accepted: int = 0
    held: int = 0
    repeated: int = 0


@dataclass
class _Refused:
    pieces: list[Held] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    rows: int = 0


class _HeldIn(BaseModel):
    """A refused piece as an edge tells it; what it claims of whose it is is checked against the edge's own scope."""

    model_config = ConfigDict(extra="ignore")

    id: str
    source: Protocol
    peer: str
    device_hint: str
    reason: str
    params: dict[str, Any]
    payload: Annotated[bytes, BeforeValidator(bytes.fromhex)]
    form: Form
    count: int
    division_code: str
    unit_id: str | None
    received_at: datetime


class Receiver:
    """Takes in the records of edges; one in each gateway process."""

    def __init__(self, intake: Intake, database: Database) -> None:
        self._intake = intake
        self._database = database
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def take(self, edge: Edge, epoch: str, records: Sequence[Record]) -> Taken:
        """Return once all is on disk. The same records again, by whichever line, change nothing.

        Raises RecordsInvalid, and Unavailable where the log or the database does not take them now.
        """
        readings, held = _decoded(records)
        async with self._slots:
            try:
                async with self._database.unit_of_work() as uow:
                    return await self._take(uow, edge, epoch, records, readings, held)
            except (SQLAlchemyError, OSError) as error:
                raise Unavailable("database_unavailable") from error

    async def _take(
        self,
        uow: UnitOfWork,
        edge: Edge,
        epoch: str,
        records: Sequence[Record],
        readings: Mapping[int, pa.Table],
        held: Mapping[int, dict[str, Any]],
    ) -> Taken:
        repository = EdgeRepository(uow.session)
        through = await repository.locked_progress(edge.id, epoch)
        fresh = [record for record in records if record.sequence > through]
        if not fresh:
            return Taken(through, repeated=len(records))
        scope = Scope(edge.division_code, edge.unit_id)
        tables = [readings[record.sequence] for record in fresh if record.kind is Kind.READINGS]
        accepted, refused = await self._take_readings(edge, scope, tables)
        for record in fresh:
            if record.kind is Kind.HELD:
                _add_held(refused, held[record.sequence], edge, scope)
        quarantine = QuarantineRepository(uow.session)
        await quarantine.add(refused.pieces)
        await quarantine.count(refused.more)
        await repository.advance(edge.id, epoch, fresh[-1].sequence)
        await repository.count_readings(edge.id, accepted)
        await uow.commit()
        return Taken(fresh[-1].sequence, accepted, refused.rows, len(records) - len(fresh))

    async def _take_readings(self, edge: Edge, scope: Scope, tables: list[pa.Table]) -> tuple[int, _Refused]:
        refused = _Refused()
        if not tables:
            return 0, refused
        table = pa.concat_tables(tables)
        devices = table.column("device").unique().to_pylist()
        if not all(device in self._intake.cache.devices for device in devices):
            await self._intake.feed.refresh()
        now = self._intake.now_ms()
        reasons = self._reasons(table, devices, scope, now)
        for number in np.flatnonzero(reasons != ""):
            self._refuse(refused, table, int(number), str(reasons[number]), edge, scope)
        passing = reasons == ""
        accepted = int(passing.sum())
        if accepted:
            kept = table if accepted == len(table) else table.filter(pa.array(passing))
            await asyncio.shield(self._intake.committer.add_table(_late(kept, now)))
        return accepted, refused

    def _reasons(self, table: pa.Table, devices: list[str], scope: Scope, now: int) -> npt.NDArray[np.str_]:
        cache = self._intake.cache.devices
        strangers = [device for device in devices if device not in cache]
        others = [device for device in devices if device in cache and not may_write(scope, cache[device])]
        device = table.column("device")
        reasons = np.full(len(table), "", dtype="U24")
        time_ms = table.column("time").cast(pa.int64()).to_numpy()
        reasons[time_ms > now + NEWEST_MS] = "reading_time_window"
        if others:
            reasons[_among(device, others)] = "device_not_yours"
        if strangers:
            reasons[_among(device, strangers)] = "unknown_device"
        return reasons

    def _refuse(self, refused: _Refused, table: pa.Table, number: int, reason: str, edge: Edge, scope: Scope) -> None:
        refused.rows += 1
        if len(refused.pieces) >= _KEPT_ROWS:
            last = refused.pieces[-1].id
            refused.more[last] = refused.more.get(last, 0) + 1
            return
        row = table.slice(number, 1).to_pylist()[0]
        name = "time" if reason == "reading_time_window" else "device"
        value = row["time"].isoformat() if name == "time" else row["device"]
        plain = {"device": row["device"], "metric": row["metric"], "time": row["time"], "value": row["value"]}
        now = self._intake.clock.now()
        refused.pieces.append(
            Held(
                id=new_id(),
                source=Protocol.HTTP,
                peer=edge.name,
                device_hint=row["device"],
                reason=reason,
                params={"field": name, "value": value},
                payload=orjson.dumps(plain),
                form=Form.ROW,
                state=State.WAITING,
                count=0,
                division_code=scope.division_code,
                unit_id=scope.unit_id,
                received_at=now,
                updated_at=now,
            )
        )


def _late(table: pa.Table, now: int) -> pa.Table:
    """A good reading that waited at the edge for over an hour is late: it is stored, and nobody is warned of it now."""
    waited = now - table.column("received_at").cast(pa.int64()).to_numpy()
    old = waited > LATE_MS
    if not old.any():
        return table
    quality = table.column("quality").combine_chunks()
    good = pc.equal(quality, Quality.GOOD.value)
    changed = pc.if_else(pc.and_(good, pa.array(old)), pa.scalar(Quality.LATE.value), quality)
    return table.set_column(table.schema.get_field_index("quality"), READING_SCHEMA.field("quality"), changed)


def _decoded(records: Sequence[Record]) -> tuple[dict[int, pa.Table], dict[int, dict[str, Any]]]:
    readings: dict[int, pa.Table] = {}
    held: dict[int, dict[str, Any]] = {}
    for record in records:
        if record.kind is Kind.READINGS:
            table = decode(record.payload)
            strange = set(table.column("quality").unique().to_pylist()) - _QUALITIES
            if strange or not pc.all(pc.is_finite(table.column("value"))).as_py():
                raise RecordsInvalid("edge_records_invalid", offset=record.sequence, size=len(record.payload))
            readings[record.sequence] = table
        else:
            try:
                told = orjson.loads(record.payload)
                pieces = [_HeldIn.model_validate(each) for each in told["pieces"]]
                more = {str(key): int(number) for key, number in told["more"].items()}
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                raise RecordsInvalid(
                    "edge_records_invalid", offset=record.sequence, size=len(record.payload)
                ) from error
            held[record.sequence] = {"pieces": pieces, "more": more}
    return readings, held


def _add_held(refused: _Refused, told: dict[str, Any], edge: Edge, scope: Scope) -> None:
    for piece in told["pieces"]:
        inside = scope.division_code == CITY or piece.division_code.startswith(scope.division_code)
        inside = inside and scope.unit_id in (None, piece.unit_id)
        refused.pieces.append(
            Held(
                id=piece.id,
                source=piece.source,
                peer=f"{edge.name} {piece.peer}"[:200],
                device_hint=piece.device_hint,
                reason=piece.reason,
                params=piece.params,
                payload=piece.payload,
                form=piece.form,
                state=State.WAITING,
                count=piece.count,
                division_code=piece.division_code if inside else scope.division_code,
                unit_id=piece.unit_id if inside else scope.unit_id,
                received_at=piece.received_at,
                updated_at=piece.received_at,
            )
        )
        refused.rows += 1 + piece.count
    for held_id, number in told["more"].items():
        refused.more[held_id] = refused.more.get(held_id, 0) + number
        refused.rows += number


def _among(column: pa.ChunkedArray, values: list[str]) -> Bools:
    found: Bools = pc.is_in(column, value_set=pa.array(values, pa.string())).to_numpy()
    return found


class EdgeTokens:
    """Which edge a token speaks for, asked of the database every few seconds at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Edge | None]] = {}

    async def edge(self, token_id: str) -> Edge | None:
        found = self._known.get(token_id)
        if found is not None and time.monotonic() - found[0] < 5.0:
            return found[1]
        try:
            async with self._database.unit_of_work() as uow:
                edge = await EdgeRepository(uow.session).of_token(token_id)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("database_unavailable") from error
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[token_id] = (time.monotonic(), edge)
        return edge
