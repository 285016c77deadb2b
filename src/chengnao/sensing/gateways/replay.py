"""Trying held pieces again, the way they came in. A request stands in the database until it is done, so that a
crash in between only means that it is done again; the store keeps a reading once."""

import asyncio
import logging
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Invalid, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.sensing.gateways.bodies import Body, rows_to_body
from chengnao.sensing.gateways.hj212_frames import DATA_COMMANDS, readings_of
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.mqtt import message_rows
from chengnao.sensing.protocols.hj212 import Frame, Refusal
from chengnao.sensing.protocols.hj212_stream import read_recording
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.repository import QuarantineRepository

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


class Replayer:
    """Does the replays that people have asked for."""

    def __init__(self, intake: Intake, database: Database) -> None:
        self.intake = intake
        self._database = database

    async def run(self) -> None:
        """Look for requests until cancelled; the database may come and go."""
        while True:
            try:
                while await self.replay_some():
                    pass
            except (SQLAlchemyError, OSError, Unavailable) as error:
                log.warning("replays wait: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def replay_some(self, limit: int = 20) -> int:
        """Do up to `limit` requests; returns how many. Raises Unavailable where the log is away; they stand then."""
        async with self._database.unit_of_work() as uow:
            repository = QuarantineRepository(uow.session)
            pieces = await repository.to_replay(limit)
            if pieces:
                await self.intake.feed.refresh()
            for piece in pieces:
                accepted, problem = await self._replay_safely(piece)
                outcome: dict[str, Any] = {"accepted": accepted}
                if problem is not None:
                    outcome["error"] = problem.to_dict()
                state = State.REPLAYED if problem is None else State.WAITING
                await repository.move(piece.id, state, uow.clock.now(), outcome=outcome)
            await uow.commit()
            return len(pieces)

    async def _replay_safely(self, piece: Held) -> tuple[int, ChengnaoError | None]:
        """A piece that breaks its reader must not stop the others for ever."""
        try:
            return await self._replay(piece)
        except Unavailable:
            raise
        except Exception:
            trace = new_id()
            log.exception("replay of %s failed, number %s", piece.id, trace)
            return 0, ChengnaoError("internal_error", trace=trace)

    async def _replay(self, piece: Held) -> tuple[int, ChengnaoError | None]:
        """How many readings were accepted, and the first thing that is still wrong."""
        if piece.form is Form.FRAME:
            return await self._replay_frames(piece)
        try:
            body = self._body(piece)
        except Invalid as error:
            return 0, error
        scope = Scope(piece.division_code, piece.unit_id)
        accepted, refused = await self.intake.take_in(body, scope, limited=False)
        return accepted, Invalid(refused[0].code, **refused[0].params) if refused else None

    def _body(self, piece: Held) -> Body:
        if piece.form is Form.MESSAGE:
            return rows_to_body(message_rows(piece.device_hint, piece.payload, piece.received_at.isoformat()))
        try:
            return rows_to_body([orjson.loads(piece.payload)])
        except orjson.JSONDecodeError:
            raise Invalid(
                "reading_row_unreadable", field="row", value=piece.payload[:80].decode("utf-8", "replace")
            ) from None

    async def _replay_frames(self, piece: Held) -> tuple[int, ChengnaoError | None]:
        report = read_recording(piece.payload)
        accepted = 0
        problem: ChengnaoError | None = None
        found_pieces: list[Frame | Refusal] = [*report.frames, *report.refused]
        for found in found_pieces:
            try:
                accepted += await self._replay_frame(found)
            except Invalid as error:
                problem = problem or error
        return accepted, problem

    async def _replay_frame(self, found: Frame | Refusal) -> int:
        if isinstance(found, Refusal):
            raise Invalid(found.code, **found.params)
        entry = self.intake.cache.addresses.get(found.mn)
        if entry is None:
            raise Invalid("unknown_device", field="MN", value=found.mn)
        if found.cn not in DATA_COMMANDS:
            raise Invalid("command_not_served", field="CN", value=found.cn)
        rows = readings_of(found, entry, self.intake.now_ms())
        if isinstance(rows, Refusal):
            raise Invalid(rows.code, **rows.params)
        if len(rows):
            await asyncio.shield(self.intake.committer.add_rows(rows))
        return len(rows)
