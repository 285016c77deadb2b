"""SQL over holds, periods of budgets, calls and kept texts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from sqlalchemy import delete, select, text
from sqlalchemy.dialects import postgresql

from chengnao.kernel.repository import Repository
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Amount, Hold, Use, Window
from chengnao.models.gateway.model import Outcome
from chengnao.models.gateway.tables import CallRow, HoldRow, RetentionRow, TextRow


@dataclass(frozen=True)
class Held:
    """A hold as it was kept, taken out to be settled."""

    id: str
    values: Mapping[str, Any]
    """The columns that it shares with the call that it becomes."""
    worst: Amount
    windows: tuple[Window, ...]


_SHARED = ("id", "request_id", "at", "division_code", "unit_id", "key_id", "purpose", "trace", "route", "data_class")
_MEASURES = ("requests", "tokens", "money")

_WINDOWS = "SELECT * FROM unnest(%(budgets)s::text[], %(starts)s::timestamptz[])"
_OPEN_WINDOWS = f"""
    INSERT INTO model_budget_windows
    SELECT wanted.budget_id, wanted.starts_at, 0, 0, 0, 0, 0, 0
    FROM ({_WINDOWS}) AS wanted (budget_id, starts_at) JOIN model_budgets ON model_budgets.id = wanted.budget_id
    ORDER BY 1, 2 ON CONFLICT DO NOTHING
    """  # noqa: S608 - constants alone, here and below
_LOCK_WINDOWS = f"""
    SELECT budget_id, starts_at, spent_requests, spent_tokens, spent_money,
           reserved_requests, reserved_tokens, reserved_money
    FROM model_budget_windows WHERE (budget_id, starts_at) IN ({_WINDOWS})
    ORDER BY budget_id, starts_at FOR UPDATE
    """  # noqa: S608
_CHANGES = [f"{name}_{measure}" for name in ("spent", "reserved") for measure in _MEASURES]
_CHANGE_ARRAYS = ", ".join(f"%({name})s::bigint[]" for name in _CHANGES)
_CHANGE_WINDOWS = f"""
    UPDATE model_budget_windows AS w SET {", ".join(f"{name} = w.{name} + d.{name}" for name in _CHANGES)}
    FROM unnest(%(budgets)s::text[], %(starts)s::timestamptz[], {_CHANGE_ARRAYS})
      AS d (budget_id, starts_at, {", ".join(_CHANGES)})
    WHERE w.budget_id = d.budget_id AND w.starts_at = d.starts_at
    """  # noqa: S608


def _insert(table: Any) -> str:
    """A statement that inserts any number of rows, given as one array for each column."""
    columns = {each.name: each.type.compile(postgresql.dialect()) for each in table.__table__.columns}  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in columns.items())
    return f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608


_ADD_HOLDS, _ADD_CALLS, _ADD_TEXTS = _insert(HoldRow), _insert(CallRow), _insert(TextRow)
_TAKE_HOLDS = "DELETE FROM model_holds WHERE id = ANY(%(ids)s) RETURNING *"
_TAKE_EXPIRED = """
    DELETE FROM model_holds WHERE id IN (
      SELECT id FROM model_holds WHERE expires_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) RETURNING *
    """


class LedgerRepository:
    """What the ledger writes, straight through psycopg and in as few round trips as can be.

    A call waits for it, so each part goes through a pipeline: statements are sent together, answers read together.
    Whoever uses it commits; a transaction begins with the first statement.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open_windows(self, windows: Iterable[Window]) -> None:
        """Make the periods that do not exist yet, of budgets that do."""
        await self._connection.execute(_OPEN_WINDOWS, _arrays(sorted(windows)))

    async def lock_windows(self, windows: Iterable[Window]) -> dict[Window, Use]:
        """What the periods hold, locked until the transaction ends; always in one order, so that nobody waits in a
        circle."""
        async with self._connection.pipeline():
            found = await self._connection.execute(_LOCK_WINDOWS, _arrays(sorted(windows)))
            rows = await found.fetchall()
        return {(row[0], row[1]): Use(Amount(*row[2:5]), Amount(*row[5:8])) for row in rows}

    async def reserve(self, holds: Sequence[Hold], reserved: Mapping[Window, Amount]) -> None:
        """Keep the holds and what they add to locked periods, and commit."""
        async with self._connection.pipeline():
            if reserved:
                await self._connection.execute(_CHANGE_WINDOWS, _changes({}, reserved))
            if holds:
                await self._connection.execute(_ADD_HOLDS, _columns([_row(each) for each in holds]))
            await self._connection.commit()

    async def take_holds(self, ids: Sequence[str]) -> list[Held]:
        """The holds, taken out; one that has been settled already is not among them.

        The commit of this transaction does not wait for the disk, which holds its locks so much shorter: a crash of
        the database could lose it as a whole, and then the holds stay.
        """
        async with self._connection.pipeline(), self._connection.cursor(row_factory=dict_row) as cursor:
            await self._connection.execute("SET LOCAL synchronous_commit = off")
            await cursor.execute(_TAKE_HOLDS, {"ids": list(ids)})
            return [_held(row) for row in await cursor.fetchall()]

    async def take_expired(self, before: datetime, limit: int = 200) -> list[Held]:
        """Holds whose gateway never settled them, taken out."""
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_TAKE_EXPIRED, {"before": before, "limit": limit})
            return [_held(row) for row in await cursor.fetchall()]

    async def settle(
        self,
        calls: Sequence[Mapping[str, Any]],
        texts: Sequence[Mapping[str, Any]],
        spent: Mapping[Window, Amount],
        released: Mapping[Window, Amount],
    ) -> None:
        """Keep calls and texts, move what they reserved to what they spent, and commit."""
        async with self._connection.pipeline():
            if calls:
                await self._connection.execute(_ADD_CALLS, _columns(calls))
            if texts:
                await self._connection.execute(_ADD_TEXTS, _columns(texts))
            if released:  # last, since other calls wait for these rows from here on
                await self._connection.execute(_LOCK_WINDOWS, _arrays(sorted(released)))
                await self._connection.execute(_CHANGE_WINDOWS, _changes(spent, released))
            await self._connection.commit()


class MeteringRepository(Repository):
    async def retention(self, standard: Mapping[DataClass, int]) -> dict[DataClass, int]:
        """Days by class: as set, else the standard."""
        rows = await self.session.execute(select(RetentionRow.data_class, RetentionRow.days))
        return dict(standard) | {DataClass(row.data_class): row.days for row in rows}

    async def purge_texts(self, data: DataClass, before: datetime) -> int:
        """Drop texts of the class that are older; returns how many."""
        query = delete(TextRow).where(TextRow.data_class == data.value, TextRow.at < before).returning(TextRow.call_id)
        return len((await self.session.execute(query)).all())

    async def purge_windows(self, now: datetime) -> None:
        """Drop periods that nobody looks at any more: minutes after a day, all others after two years."""
        statement = text(
            """
            DELETE FROM model_budget_windows USING model_budgets
            WHERE model_budgets.id = budget_id AND reserved_requests = 0
              AND starts_at < CASE period WHEN 'minute' THEN CAST(:day AS timestamptz) ELSE :years END
            """
        )
        await self.session.execute(statement, {"day": now - timedelta(days=1), "years": now - timedelta(days=730)})


def _arrays(windows: Sequence[Window]) -> dict[str, list[Any]]:
    return {"budgets": [each[0] for each in windows], "starts": [each[1] for each in windows]}


def _changes(spent: Mapping[Window, Amount], reserved: Mapping[Window, Amount]) -> dict[str, list[Any]]:
    windows = sorted(spent.keys() | reserved.keys())
    values = _arrays(windows)
    for name, amounts in (("spent", spent), ("reserved", reserved)):
        for measure in _MEASURES:
            values[f"{name}_{measure}"] = [getattr(amounts.get(each, Amount()), measure) for each in windows]
    return values


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "request_id": hold.request_id,
        "at": hold.at,
        "expires_at": hold.expires_at,
        "division_code": hold.caller.division_code,
        "unit_id": hold.caller.unit_id,
        "key_id": hold.caller.key_id,
        "purpose": hold.caller.purpose,
        "trace": hold.caller.trace,
        "route": hold.route,
        "data_class": hold.data.value,
        "requests": hold.worst.requests,
        "tokens": hold.worst.tokens,
        "money": hold.worst.money,
        "windows": json.dumps([[budget, start.isoformat()] for budget, start in hold.windows]),
    }


def _held(row: Mapping[str, Any]) -> Held:
    return Held(
        row["id"],
        {name: row[name] for name in _SHARED},
        Amount(row["requests"], row["tokens"], row["money"]),
        tuple((budget, datetime.fromisoformat(start)) for budget, start in row["windows"]),
    )


def lost(held: Held) -> dict[str, Any]:
    """The call of a hold that nobody settled: its worst case counts, since nothing proves that it cost less."""
    return dict(held.values) | {
        "target": "",
        "model": "",
        "requests": held.worst.requests,
        "tokens_in": held.worst.tokens,
        "tokens_out": 0,
        "money": held.worst.money,
        "milliseconds": 0,
        "outcome": Outcome.LOST.value,
        "retries": 0,
        "estimated": True,
    }
