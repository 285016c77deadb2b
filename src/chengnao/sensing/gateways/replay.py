"""Trying held pieces again, the way they came in. A request stands in the database until it is done, so that a
crash in between only means that it is done again; the store keeps a reading once."""

import asyncio
import logging
import time
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Invalid, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.sensing.gateways.bodies import Body, rows_to_body
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.mqtt_messages import MessageReader
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.gateways.topics import load_templates
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Now, Refusal, Refused, Report
from chengnao.sensing.protocols.wires import wire
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.repository import QuarantineRepository

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


class Replayer:
    """Does the replays that people have asked for."""

    def __init__(self, intake: Intake, database: Database, messages: MessageReader | None = None) -> None:
        self.intake = intake
        self.messages = messages or MessageReader(intake, load_templates())
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
        except Invalid as error:
            return 0, error
        except Exception:
            trace = new_id()
            log.exception("replay of %s failed, number %s", piece.id, trace)
            return 0, ChengnaoError("internal_error", trace=trace)

    async def _replay(self, piece: Held) -> tuple[int, ChengnaoError | None]:
        """How many readings were accepted, and the first thing that is still wrong."""
        if piece.form is Form.FRAME:
            return await self._replay_frames(piece)
        accepted = 0
        if piece.form is Form.MESSAGE:
            taken = await self.messages.read_again(piece)
            accepted = len(taken.judged)
            if accepted:
                await asyncio.shield(self.intake.committer.add_rows(taken.judged))
            body = rows_to_body(taken.rows)
        else:
            body = self._body(piece)
        scope = Scope(piece.division_code, piece.unit_id)
        more, refused = await self.intake.take_in(body, scope, limited=False)
        return accepted + more, Invalid(refused[0].code, **refused[0].params) if refused else None

    def _body(self, piece: Held) -> Body:
        try:
            return rows_to_body([orjson.loads(piece.payload)])
        except orjson.JSONDecodeError:
            raise Invalid(
                "reading_row_unreadable", field="row", value=piece.payload[:80].decode("utf-8", "replace")
            ) from None

    async def _replay_frames(self, piece: Held) -> tuple[int, ChengnaoError | None]:
        """The frames heard again, as if a connection had brought them and nobody waited for an answer."""
        spoken = wire(piece.source)
        if spoken.dialogue is None:
            raise Invalid("command_not_served", field="protocol", value=spoken.name)
        recording, dialogue = read_recording(spoken.framer(), piece.payload), spoken.dialogue()
        problems: list[ChengnaoError] = [Invalid(bad.code, **bad.params) for bad in recording.refused]
        now = Now(self.intake.clock.now(), time.monotonic())
        accepted = 0
        for frame in recording.frames:
            address = dialogue.address(frame)
            entry = self.intake.cache.of_address(spoken.name, address)
            if entry is None:
                problems.append(Invalid("unknown_device", field="address", value=address))
                continue
            for act in [*dialogue.hear(frame, entry, now), *dialogue.close()]:
                match act:
                    case Refused(refusal=refusal):
                        problems.append(Invalid(refusal.code, **refusal.params))
                    case Report(device=None):
                        accepted += await self._commit(act, entry, problems)
                    case Report(device=str(behind)):
                        meter = self.intake.cache.of_address(spoken.name, behind)
                        if meter is None:
                            problems.append(Invalid("unknown_device", field="address", value=behind))
                        else:
                            accepted += await self._commit(act, meter, problems)
        return accepted, problems[0] if problems else None

    async def _commit(self, report: Report, entry: Entry, problems: list[ChengnaoError]) -> int:
        rows = rows_of(report, entry, self.intake.now_ms())
        if isinstance(rows, Refusal):
            problems.append(Invalid(rows.code, **rows.params))
            return 0
        if len(rows):
            await asyncio.shield(self.intake.committer.add_rows(rows))
        return len(rows)
