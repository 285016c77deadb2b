"""The quarantine over HTTP: look, have it tried again, or give it up."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.messages import message
from chengnao.kernel.web import PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.quarantine import service
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository

router = APIRouter(tags=["quarantine"])

HeldId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("quarantine.read"))]
Writer = Annotated[Principal, Depends(require("quarantine.write"))]


class HeldOut(BaseModel):
    """`count`: how many more like it came in the same minute and were not kept; `outcome`: of the last replay."""

    id: str
    source: Protocol
    peer: str
    device: str
    reason: str
    reason_text: str
    reason_text_en: str
    params: dict[str, Any]
    form: Form
    size: int
    count: int
    state: State
    division_code: str
    unit_id: str | None
    received_at: datetime
    updated_at: datetime
    outcome: dict[str, Any] | None
    handled_by: str | None

    @classmethod
    def of(cls, piece: Held) -> "HeldOut":
        return cls(**_values(piece))


class HeldDetail(HeldOut):
    """The piece with its bytes."""

    hex: str
    text: str


class DiscardIn(BaseModel):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


@router.get("/quarantine")
async def list_held(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    source: Protocol | None = None,
    reason: Annotated[str, Query(max_length=64)] = "",
    state: State | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
    device: Annotated[str, Query(max_length=64, description="the sender's name for itself, as a whole")] = "",
) -> PageOf[HeldOut]:
    """What was refused, the newest first."""
    wanted = HeldFilter(source or "", reason, state or "", q, device)
    found = await QuarantineRepository(uow.session).pieces(scope, wanted, page)
    return PageOf.of(found, [HeldOut.of(piece) for piece in found.items])


@router.get("/quarantine/{held_id}")
async def get_held(held_id: HeldId, principal: Reader, scope: ScopeDep, uow: UowDep) -> HeldDetail:
    return _detail(await service.require_piece(uow, scope, held_id))


@router.post("/quarantine/{held_id}/replay")
async def replay_held(held_id: HeldId, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep) -> HeldDetail:
    """Have the gateway try it again; the result stands in `state` and `outcome` a moment later."""
    piece = await service.require_piece(uow, scope, held_id)
    await check(request, principal, "quarantine.write", piece.division_code, piece.unit_id)
    after = await service.request_replay(uow, principal, held_id)
    await uow.commit()
    return _detail(after)


@router.post("/quarantine/{held_id}/discard")
async def discard_held(
    held_id: HeldId, body: DiscardIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> HeldDetail:
    piece = await service.require_piece(uow, scope, held_id)
    await check(request, principal, "quarantine.write", piece.division_code, piece.unit_id)
    after = await service.discard(uow, principal, held_id, body.reason)
    await uow.commit()
    return _detail(after)


def _values(piece: Held) -> dict[str, Any]:
    values = {name: getattr(piece, name) for name in HeldOut.model_fields if hasattr(piece, name)}
    texts = {key: value for key, value in piece.params.items() if key not in {"code", "language"}}
    return values | {
        "device": piece.device_hint,
        "reason_text": message(piece.reason, "zh", **texts),
        "reason_text_en": message(piece.reason, "en", **texts),
        "size": len(piece.payload),
    }


def _detail(piece: Held) -> HeldDetail:
    try:
        text = piece.payload.decode("utf-8")
    except UnicodeDecodeError:
        text = piece.payload.decode("gb18030", "replace")
    return HeldDetail(**_values(piece), hex=piece.payload.hex(), text=text)
