"""Unknown devices over HTTP: who knocks, what it may be, and what is done with all that it brought."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.messages import message
from chengnao.kernel.web import PageDep, PageOf, ScopeDep, UowDep, require
from chengnao.sensing.devices.model import Protocol, device_classes
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.discovery.guess import guesses, points_of
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import QuarantineRepository

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("quarantine.read"))]
Writer = Annotated[Principal, Depends(require("quarantine.write"))]

_LOOKED_AT = 20
"""So many of the pieces that came last are read for a guess."""
FINDINGS_DAYS = 30


class KnockOut(BaseModel):
    """`device_id`: the device that has this address by now; what waits can be replayed."""

    source: Protocol
    address: str
    count: int
    first_at: datetime
    last_at: datetime
    peer: str
    device_id: str | None


class GuessOut(BaseModel):
    """`matched` of the `seen` points are known to the class."""

    class_code: str
    class_name: str
    class_name_en: str
    matched: int
    seen: int


class SeenOut(BaseModel):
    """Points by name, with how many of the pieces looked at carry each; `interval_seconds`: how often it spoke."""

    points: dict[str, int]
    guesses: list[GuessOut]
    interval_seconds: int | None


class SenderIn(BaseModel):
    source: Protocol
    address: Annotated[str, Field(min_length=1, max_length=64)]


class DiscardIn(SenderIn):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class MovedOut(BaseModel):
    pieces: int


class DeviceFindingOut(BaseModel):
    """What was refused of the device for one reason in the last 30 days."""

    reason: str
    reason_text: str
    reason_text_en: str
    count: int
    first_at: datetime
    last_at: datetime
    held_id: str
    params: dict[str, Any]


@router.get("/discovered")
async def list_discovered(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    source: Protocol | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
) -> PageOf[KnockOut]:
    """Senders that no device stands for, the one heard last first."""
    found = await QuarantineRepository(uow.session).knocks(scope, source or "", q.strip(), page)
    devices = DeviceRepository(uow.session)
    held = await devices.by_addresses([(each.source, each.address) for each in found.items]) if found.items else []
    owners = {(each.protocol, each.address): each.id for each in held}
    by_id = await devices.by_ids(scope, [each.address for each in found.items])
    owners |= {(each.protocol, each.id): each.id for each in by_id if each.address is None}
    return PageOf.of(
        found,
        [KnockOut(**each.__dict__, device_id=owners.get((each.source, each.address))) for each in found.items],
    )


@router.get("/discovered/guess")
async def guess_discovered(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    source: Protocol,
    address: Annotated[str, Query(min_length=1, max_length=64)],
) -> SeenOut:
    """What the sender may be, by the points of what it brought last; for a form that is filled in before."""
    pieces = await QuarantineRepository(uow.session).knocked(scope, source, address, _LOOKED_AT)
    points = Counter(name for piece in pieces for name in points_of(piece, uow.clock.now()))
    kinds = device_classes()
    times = sorted({piece.received_at for piece in pieces})
    gaps = sorted((later - earlier).total_seconds() for earlier, later in pairwise(times))
    interval = round(gaps[len(gaps) // 2]) if gaps else 0
    return SeenOut(
        points=dict(sorted(points.items())),
        guesses=[
            GuessOut(
                class_code=each.class_code,
                class_name=kinds[each.class_code].name_zh,
                class_name_en=kinds[each.class_code].name_en,
                matched=each.matched,
                seen=each.seen,
            )
            for each in guesses(source, points)[:5]
        ],
        interval_seconds=interval or None,
    )


@router.post("/discovered/replay")
async def replay_discovered(body: SenderIn, principal: Writer, scope: ScopeDep, uow: UowDep) -> MovedOut:
    """Have all that waits of the sender tried again; the gateways do it within moments."""
    pieces = await QuarantineRepository(uow.session).move_knocked(
        scope, body.source, body.address, State.REPLAY_REQUESTED, uow.clock.now(), handled_by=principal.name
    )
    await record_act(uow, principal, "quarantine.replay", source=str(body.source), address=body.address, pieces=pieces)
    await uow.commit()
    return MovedOut(pieces=pieces)


@router.post("/discovered/discard")
async def discard_discovered(body: DiscardIn, principal: Writer, scope: ScopeDep, uow: UowDep) -> MovedOut:
    """Give up all that waits of the sender, with the reason; its bytes stay on record."""
    reason = body.reason.strip()
    pieces = await QuarantineRepository(uow.session).move_knocked(
        scope,
        body.source,
        body.address,
        State.DISCARDED,
        uow.clock.now(),
        handled_by=principal.name,
        outcome={"reason": reason},
    )
    await record_act(
        uow,
        principal,
        "quarantine.discard",
        source=str(body.source),
        address=body.address,
        pieces=pieces,
        reason=reason,
    )
    await uow.commit()
    return MovedOut(pieces=pieces)


@router.get("/devices/{device_id}/findings")
async def findings_of_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep
) -> list[DeviceFindingOut]:
    """What is odd about the device: a twin that claims its address, floods, a wrong clock, frames that are wrong."""
    device = await require_device(uow, scope, device_id)
    names = {(device.protocol, device.address or device.id), (Protocol.HTTP, device.id), (Protocol.MQTT, device.id)}
    since = uow.clock.now() - timedelta(days=FINDINGS_DAYS)
    found = await QuarantineRepository(uow.session).findings(scope, sorted(names), since)
    return [
        DeviceFindingOut(
            **each.__dict__ | {"params": dict(each.params)},
            reason_text=message(each.reason, "zh", **_texts(each.params)),
            reason_text_en=message(each.reason, "en", **_texts(each.params)),
        )
        for each in found
    ]


def _texts(params: Any) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in {"code", "language"}}
