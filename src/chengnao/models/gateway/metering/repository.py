"""SQL over holds, periods of budgets, calls and kept texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, text

from chengnao.kernel.repository import Repository
from chengnao.models.gateway.metering.budgets import Amount, Hold, Use, Window
from chengnao.models.gateway.model import DataClass, Outcome
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

_WINDOWS = "SELECT * FROM unnest(CAST(:budgets AS text[]), CAST(:starts AS timestamptz[]))"

_OPEN_WINDOWS = text(
    f"""
    INSERT INTO model_budget_windows
    SELECT wanted.budget_id, wanted.starts_at, 0, 0, 0, 0, 0, 0
    FROM ({_WINDOWS}) AS wanted (budget_id, starts_at) JOIN model_budgets ON model_budgets.id = wanted.budget_id
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - constants alone
)
_LOCK_WINDOWS = text(
    f"""
    SELECT budget_id, starts_at, spent_requests, spent_tokens, spent_money,
           reserved_requests, reserved_tokens, reserved_money
    FROM model_budget_windows WHERE (budget_id, starts_at) IN ({_WINDOWS})
    ORDER BY budget_id, starts_at FOR UPDATE
    """  # noqa: S608 - constants alone
)
_CHANGE_WINDOWS = text(
    """
    UPDATE model_budget_windows AS w SET
      spent_requests = w.spent_requests + d.spent_requests,
      spent_tokens = w.spent_tokens + d.spent_tokens,
      spent_money = w.spent_money + d.spent_money,
      reserved_requests = w.reserved_requests + d.reserved_requests,
      reserved_tokens = w.reserved_tokens + d.reserved_tokens,
      reserved_money = w.reserved_money + d.reserved_money
    FROM unnest(
      CAST(:budgets AS text[]), CAST(:starts AS timestamptz[]),
      CAST(:spent_requests AS bigint[]), CAST(:spent_tokens AS bigint[]), CAST(:spent_money AS bigint[]),
      CAST(:reserved_requests AS bigint[]), CAST(:reserved_tokens AS bigint[]), CAST(:reserved_money AS bigint[])
    ) AS d (budget_id, starts_at, spent_requests, spent_tokens, spent_money,
            reserved_requests, reserved_tokens, reserved_money)
    WHERE w.budget_id = d.budget_id AND w.starts_at = d.starts_at
    """
)


class MeteringRepository(Repository):
    async def commit_without_waiting(self) -> None:
        """Let this transaction's commit not wait for the disk, which holds its locks so much shorter.

        For what is safe to lose as a whole with a crash of the database: a settlement is, since its hold then stays.
        """
        await self.session.execute(text("SET LOCAL synchronous_commit = off"))

    async def open_windows(self, windows: Iterable[Window]) -> None:
        """Make the periods that do not exist yet, of budgets that do."""
        await self.session.execute(_OPEN_WINDOWS, _arrays(sorted(windows)))

    async def lock_windows(self, windows: Iterable[Window]) -> dict[Window, Use]:
        """What the periods hold, locked until the transaction ends; always in one order, so that nobody waits in a
        circle."""
        rows = await self.session.execute(_LOCK_WINDOWS, _arrays(sorted(windows)))
        return {(row[0], row[1]): Use(Amount(*row[2:5]), Amount(*row[5:8])) for row in rows}

    async def change_windows(self, spent: Mapping[Window, Amount], reserved: Mapping[Window, Amount]) -> None:
        """Add to what locked periods have spent and reserved."""
        windows = sorted(spent.keys() | reserved.keys())
        values: dict[str, list[Any]] = _arrays(windows)
        for name, amounts in (("spent", spent), ("reserved", reserved)):
            for measure in ("requests", "tokens", "money"):
                values[f"{name}_{measure}"] = [getattr(amounts.get(each, Amount()), measure) for each in windows]
        await self.session.execute(_CHANGE_WINDOWS, values)

    async def add_holds(self, holds: Sequence[Hold]) -> None:
        await self.session.execute(insert(HoldRow), [_row(each) for each in holds])

    async def take_holds(self, ids: Sequence[str]) -> list[Held]:
        """The holds, taken out; one that has been settled already is not among them."""
        rows = await self.session.execute(
            delete(HoldRow).where(HoldRow.id == text("ANY(:ids)")).returning(*HoldRow.__table__.c), {"ids": list(ids)}
        )
        return [_held(row) for row in rows]

    async def take_expired(self, before: datetime, limit: int = 200) -> list[Held]:
        """Holds whose gateway never settled them, taken out."""
        expired = (
            select(HoldRow.id).where(HoldRow.expires_at < before).limit(limit).with_for_update(skip_locked=True)
        ).scalar_subquery()
        rows = await self.session.execute(
            delete(HoldRow).where(HoldRow.id.in_(expired)).returning(*HoldRow.__table__.c)
        )
        return [_held(row) for row in rows]

    async def add_calls(self, calls: Sequence[Mapping[str, Any]]) -> None:
        await self.session.execute(insert(CallRow), [dict(each) for each in calls])

    async def add_texts(self, texts: Sequence[Mapping[str, Any]]) -> None:
        await self.session.execute(insert(TextRow), [dict(each) for each in texts])

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
        "windows": [[budget, start.isoformat()] for budget, start in hold.windows],
    }


def _held(row: Any) -> Held:
    return Held(
        row.id,
        {name: getattr(row, name) for name in _SHARED},
        Amount(row.requests, row.tokens, row.money),
        tuple((budget, datetime.fromisoformat(start)) for budget, start in row.windows),
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
