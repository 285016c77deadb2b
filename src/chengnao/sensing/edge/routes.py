"""Edge gateways over HTTP, for people; edges themselves speak to the gateway (see serving.py)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import Invalid
from chengnao.kernel.web import DivisionCode, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices.model import place_of
from chengnao.sensing.edge import service
from chengnao.sensing.edge.configuration import SwitchSettings, Tuning
from chengnao.sensing.edge.model import Change, Edge, EdgeState, Happening
from chengnao.sensing.edge.repository import EdgeRepository
from chengnao.sensing.edge.service import real_now

router = APIRouter(tags=["edges"])

EdgeId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("edge.read"))]
Writer = Annotated[Principal, Depends(require("edge.write"))]


class EdgeIn(BaseModel):
    """`place`: where it stands, in words; `lon` and `lat` in WGS84 degrees."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    place: Annotated[str, Field(max_length=200)] = ""
    lon: float | None = None
    lat: float | None = None
    division_code: DivisionCode
    unit_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None


class LineOut(BaseModel):
    url: str
    up: bool
    round_trip_ms: float | None
    error: str


class BufferOut(BaseModel):
    """What waits at the edge. `oldest_seconds`: since when the oldest record waits; `dropped_*`: given up for room."""

    bytes: int
    limit: int
    when_full: str
    readings: int
    pieces: int
    oldest_seconds: float | None
    dropped_readings: int
    dropped_pieces: int
    damaged_bytes: int


class EdgeOut(BaseModel):
    """An edge. What it says of itself is as of `seen_at`; `clock_offset` is how many seconds its clock is ahead."""

    id: str
    name: str
    place: str
    lon: float | None
    lat: float | None
    division_code: str
    unit_id: str | None
    registered_at: datetime
    ended_at: datetime | None
    seen_at: datetime | None
    state: EdgeState
    line: str
    lines: dict[str, LineOut]
    buffer: BufferOut | None
    clock_offset: float | None
    version: str
    wanted_version: str | None
    devices: int
    links: dict[str, int]
    readings: int
    memory_mb: float | None
    wanted: Tuning
    wanted_revision: int
    tuning_revision: int
    tuning_error: str
    switching: SwitchSettings | None

    @classmethod
    def of(cls, edge: Edge) -> "EdgeOut":
        told = edge.status
        tuning = told.get("tuning", {})
        return cls(
            **{name: getattr(edge, name) for name in cls.model_fields if hasattr(edge, name) and name != "state"},
            state=edge.state(real_now()),
            line=told.get("line", ""),
            lines=told.get("lines", {}),
            buffer=told.get("buffer"),
            clock_offset=told.get("clock_offset"),
            version=told.get("version", ""),
            devices=told.get("devices", 0),
            links=told.get("links", {}),
            memory_mb=told.get("memory_mb"),
            tuning_revision=tuning.get("revision", 0),
            tuning_error=tuning.get("error", ""),
            switching=told.get("switching"),
        )


class EdgeMade(BaseModel):
    """The edge and its token, which is shown this once."""

    edge: EdgeOut
    token: str


class Wanted(BaseModel):
    """What the edge is to have; what is left out stays as it was wanted before."""

    tuning: Tuning | None = None
    version: Annotated[str | None, Field(pattern=service.VERSION_SHAPE)] = None


class HappeningOut(BaseModel):
    id: str
    at: datetime
    kind: Change
    detail: dict[str, Any]

    @classmethod
    def of(cls, each: Happening) -> "HappeningOut":
        return cls(id=each.id, at=each.at, kind=each.kind, detail=dict(each.detail))


@router.get("/edges")
async def list_edges(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    q: Annotated[str, Query(max_length=100)] = "",
) -> PageOf[EdgeOut]:
    found = await EdgeRepository(uow.session).edges(scope, page, q)
    return PageOf.of(found, [EdgeOut.of(edge) for edge in found.items])


@router.post("/edges", status_code=201)
async def register_edge(body: EdgeIn, request: Request, principal: Writer, uow: UowDep) -> EdgeMade:
    """Register an edge gateway; the token in the answer goes into its edge.toml and is not shown again."""
    await check(request, principal, "edge.write", body.division_code, body.unit_id)
    if (body.lon, body.lat) != (None, None) and not place_of(body.lon, body.lat)[2]:
        raise Invalid("place_invalid", field="lon, lat", value=f"{body.lon}, {body.lat}")
    edge, secret = await service.register_edge(uow, principal, **body.model_dump())
    await uow.commit()
    return EdgeMade(edge=EdgeOut.of(edge), token=secret)


@router.get("/edges/{edge_id}")
async def get_edge(edge_id: EdgeId, principal: Reader, scope: ScopeDep, uow: UowDep) -> EdgeOut:
    return EdgeOut.of(await service.require_edge(uow, scope, edge_id))


@router.get("/edges/{edge_id}/history")
async def edge_history(
    edge_id: EdgeId, principal: Reader, scope: ScopeDep, uow: UowDep, page: PageDep, kind: Change | None = None
) -> PageOf[HappeningOut]:
    """What happened to it, the newest first: switches of lines, silence, what was dropped, applied or failed."""
    await service.require_edge(uow, scope, edge_id)
    found = await EdgeRepository(uow.session).history(edge_id, page, kind)
    return PageOf.of(found, [HappeningOut.of(each) for each in found.items])


@router.put("/edges/{edge_id}/wanted")
async def want_of_edge(
    edge_id: EdgeId, body: Wanted, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> EdgeOut:
    """State the tuning and version it is to have; it says itself whether it took them up, and may fall back."""
    before = await service.require_edge(uow, scope, edge_id)
    await check(request, principal, "edge.write", before.division_code, before.unit_id)
    after = await service.want(uow, principal, edge_id, body.tuning, body.version)
    await uow.commit()
    return EdgeOut.of(after)


@router.post("/edges/{edge_id}/end")
async def end_edge(edge_id: EdgeId, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep) -> EdgeOut:
    """End it and its token for good; what it has sent stays."""
    before = await service.require_edge(uow, scope, edge_id)
    await check(request, principal, "edge.write", before.division_code, before.unit_id)
    after = await service.end(uow, principal, edge_id)
    await uow.commit()
    return EdgeOut.of(after)
