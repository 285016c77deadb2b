"""What a person does with held pieces; nothing here commits. The gateway does the replay itself."""

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.sensing.quarantine.model import Held, State
from chengnao.sensing.quarantine.repository import QuarantineRepository


async def require_piece(uow: UnitOfWork, scope: Scope, held_id: str, *, lock: bool = False) -> Held:
    """The piece; raises NotFound where there is none in the scope."""
    piece = await QuarantineRepository(uow.session).piece(scope, held_id, lock=lock)
    if piece is None:
        raise NotFound("not_found", kind="隔离数据 held piece", id=held_id)
    return piece


async def request_replay(uow: UnitOfWork, principal: Principal, held_id: str) -> Held:
    """Have the gateway try the piece again, the way it came in; asking twice is a Conflict."""
    piece = await require_piece(uow, Scope.of(principal), held_id, lock=True)
    piece.require(State.REPLAY_REQUESTED)
    repository = QuarantineRepository(uow.session)
    await repository.move(held_id, State.REPLAY_REQUESTED, uow.clock.now(), handled_by=principal.name)
    await record_act(uow, principal, "quarantine.replay", id=held_id)
    return await require_piece(uow, Scope(), held_id)


async def discard(uow: UnitOfWork, principal: Principal, held_id: str, reason: str) -> Held:
    """Give the piece up, with the reason; its bytes stay on record."""
    if not reason.strip():
        raise Invalid(
            "invalid_value", field="reason", value="", reason_zh="请写明丢弃的理由", reason_en="say why it is given up"
        )
    piece = await require_piece(uow, Scope.of(principal), held_id, lock=True)
    piece.require(State.DISCARDED)
    repository = QuarantineRepository(uow.session)
    await repository.move(
        held_id, State.DISCARDED, uow.clock.now(), outcome={"reason": reason.strip()}, handled_by=principal.name
    )
    await record_act(uow, principal, "quarantine.discard", id=held_id, reason=reason.strip())
    return await require_piece(uow, Scope(), held_id)
