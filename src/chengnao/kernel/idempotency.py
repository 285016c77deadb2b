"""A request that is sent again, because its answer was lost, is done once and gets the first answer again.

The sender names the request by a key of its own. What the request changes and the answer that it got are kept in one
transaction; a second request with the key waits for the first one's to end.
"""

import hashlib
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.database import AnswerRow, Database, UnitOfWork
from chengnao.kernel.errors import Conflict

A = TypeVar("A", bound=BaseModel)

KEEP = timedelta(days=14)
"""How long an answer is remembered: a telephone may be without a network for a holiday."""


class Repeatable:
    """One request of one principal; `key` is None where the sender gave none, and nothing is remembered."""

    def __init__(self, uow: UnitOfWork, principal_id: str, key: str | None, what: bytes) -> None:
        self._uow = uow
        self._principal_id = principal_id
        self._key = key
        self._fingerprint = hashlib.sha256(what).hexdigest()

    async def known(self, kind: type[A]) -> A | None:
        """The answer that the request got before; None where it comes for the first time.

        Raises Conflict where the key was used for another request.
        """
        if self._key is None:
            return None
        row = {"principal_id": self._principal_id, "key": self._key}
        values = row | {"fingerprint": self._fingerprint, "answer": {}, "at": self._uow.clock.now()}
        claim = insert(AnswerRow).values(**values).on_conflict_do_nothing().returning(AnswerRow.key)
        if await self._uow.session.scalar(claim) is not None:
            return None
        query = select(AnswerRow.fingerprint, AnswerRow.answer).filter_by(**row)
        fingerprint, answer = (await self._uow.session.execute(query)).one()
        if fingerprint != self._fingerprint:
            raise Conflict("idempotency_key_reused", key=self._key)
        return kind.model_validate(answer)

    async def keep(self, answer: A) -> A:
        """Remember the answer with what the request changed; gives it back."""
        if self._key is not None:
            await self._uow.session.execute(
                update(AnswerRow)
                .where(AnswerRow.principal_id == self._principal_id, AnswerRow.key == self._key)
                .values(answer=answer.model_dump(mode="json"))
            )
        return answer


async def forget_answers(database: Database) -> None:
    """Drop the answers that nobody will ask for again."""
    async with database.unit_of_work() as uow:
        before = database.clock.now() - KEEP * database.clock.speed
        await uow.session.execute(delete(AnswerRow).where(AnswerRow.at < before))
        await uow.commit()
