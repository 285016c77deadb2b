"""What people and edges do with the register of edge gateways; nothing here commits."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.access.service import create_token, record_act, revoke_token
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.sensing.edge.configuration import Tuning
from chengnao.sensing.edge.events import EdgeBack, EdgeChanged, EdgeSilent
from chengnao.sensing.edge.model import Change, Edge, Happening
from chengnao.sensing.edge.repository import EdgeRepository

VERSION_SHAPE = r"^[0-9][0-9A-Za-z.+-]{0,39}$"
_TOLD_BY_EDGES = frozenset({Change.STARTED, Change.SWITCHED, Change.DROPPED, Change.APPLIED, Change.FAILED})


async def require_edge(uow: UnitOfWork, scope: Scope, edge_id: str, *, lock: bool = False) -> Edge:
    """The edge; raises NotFound outside the scope."""
    edge = await EdgeRepository(uow.session).edge(scope, edge_id, lock=lock)
    if edge is None:
        raise NotFound("not_found", kind="边缘网关 edge gateway", id=edge_id)
    return edge


async def register_edge(
    uow: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    place: str,
    lon: float | None,
    lat: float | None,
    division_code: str,
    unit_id: str | None,
) -> tuple[Edge, str]:
    """Make an edge and its token; the second value is the token's secret, which is not kept."""
    token, secret = await create_token(uow, name=name, role=Role.GATEWAY, division_code=division_code, unit_id=unit_id)
    edge = Edge(new_id(), name, place, lon, lat, division_code, unit_id, token.id, real_now())
    repository = EdgeRepository(uow.session)
    await repository.add(edge)
    await repository.note([_happening(edge, Change.REGISTERED, {"by": principal.name})])
    await record_act(uow, principal, "edge.write", edge=edge.id, name=name)
    return edge, secret


async def want(uow: UnitOfWork, principal: Principal, edge_id: str, tuning: Tuning | None, version: str | None) -> Edge:
    """State the tuning and the version that the edge is to have; None leaves what was wanted before."""
    edge = await _living(uow, Scope.of(principal), edge_id)
    changes: dict[str, Any] = {}
    if tuning is not None:
        changes = {"wanted": tuning.model_dump(exclude_none=True), "wanted_revision": edge.wanted_revision + 1}
    if version is not None:
        if not re.match(VERSION_SHAPE, version):
            raise Invalid(
                "invalid_value",
                field="version",
                value=version,
                reason_zh="版本号应形如 0.1.0",
                reason_en="a version looks like 0.1.0",
            )
        changes["wanted_version"] = version
    if not changes:
        return edge
    repository = EdgeRepository(uow.session)
    await repository.change(edge_id, changes)
    await repository.note([_happening(edge, Change.WANTED, {"by": principal.name} | changes)])
    await record_act(uow, principal, "edge.write", edge=edge_id, **changes)
    return replace(edge, **changes)


async def end(uow: UnitOfWork, principal: Principal, edge_id: str) -> Edge:
    """End the edge and its token: it is not heard any more."""
    edge = await _living(uow, Scope.of(principal), edge_id)
    now = real_now()
    await revoke_token(uow, Scope(), edge.token_id)
    repository = EdgeRepository(uow.session)
    await repository.change(edge_id, {"ended_at": now, "silent": False})
    await repository.note([_happening(edge, Change.ENDED, {"by": principal.name})])
    await record_act(uow, principal, "edge.write", edge=edge_id, ended=True)
    return replace(edge, ended_at=now, silent=False)


async def hear(uow: UnitOfWork, edge: Edge, status: Mapping[str, Any], told: list[Happening]) -> None:
    """Keep what an edge says of itself and what has happened to it since."""
    now = real_now()
    repository = EdgeRepository(uow.session)
    await repository.change(edge.id, {"status": dict(status), "seen_at": now, "silent": False})
    news = [each for each in told if each.kind in _TOLD_BY_EDGES]
    if edge.silent:
        news.append(_happening(edge, Change.BACK, {}))
        uow.publish(EdgeBack(subject=edge.id, division_code=edge.division_code, unit_id=edge.unit_id, name=edge.name))
    await repository.note(news)
    for each in news:
        if each.kind is not Change.BACK:
            uow.publish(
                EdgeChanged(
                    subject=edge.id,
                    division_code=edge.division_code,
                    unit_id=edge.unit_id,
                    name=edge.name,
                    kind=each.kind,
                )
            )


async def find_silent(uow: UnitOfWork) -> int:
    """Note the edges that are not heard any more; returns how many."""
    repository = EdgeRepository(uow.session)
    silent = await repository.fallen_silent(real_now())
    for edge in silent:
        await repository.change(edge.id, {"silent": True})
        since = edge.seen_at.isoformat() if edge.seen_at else None
        await repository.note([_happening(edge, Change.SILENT, {"since": since})])
        uow.publish(EdgeSilent(subject=edge.id, division_code=edge.division_code, unit_id=edge.unit_id, name=edge.name))
    return len(silent)


def real_now() -> datetime:
    """Lines and processes live in real time, also where the city's clock runs faster."""
    return datetime.now(UTC)


async def _living(uow: UnitOfWork, scope: Scope, edge_id: str) -> Edge:
    edge = await require_edge(uow, scope, edge_id, lock=True)
    if edge.ended_at is not None:
        raise Conflict("edge_ended", id=edge_id)
    return edge


def _happening(edge: Edge, kind: Change, detail: Mapping[str, Any]) -> Happening:
    return Happening(new_id(), edge.id, real_now(), kind, dict(detail))
