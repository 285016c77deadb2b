"""SensorThings over HTTP. Errors have the shape that its clients read."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

import orjson
from clickhouse_connect.driver.exceptions import DatabaseError
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, NotFound
from chengnao.kernel.web import CurrentPrincipal, ScopeDep, UowDep, bearer_secret, check, context_of
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.open.sta import creating
from chengnao.sensing.open.sta.gateway import send_readings
from chengnao.sensing.open.sta.kinds import Kind, kind_of
from chengnao.sensing.open.sta.options import Options, parse_options
from chengnao.sensing.open.sta.paths import Target, parse_path
from chengnao.sensing.open.sta.reading import Part, Reader, next_link
from chengnao.sensing.open.sta.repository import ThingRepository

ROOT = "/sta/v1.1"

_READ_ONLY = frozenset({Kind.SENSORS, Kind.OBSERVED_PROPERTIES, Kind.FEATURES, Kind.HISTORICAL_LOCATIONS})
_REQUIREMENTS = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
_CONFORMS = [
    f"{_REQUIREMENTS}{name}"
    for name in (
        "datamodel", "resource-path/resource-path-to-entities", "request-data", "create-update-delete/create-entity",
        "data-array/data-array",
    )
]  # fmt: skip


class _Route(APIRoute):
    """Answers refusals as `{code, type, message}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except ChengnaoError as error:
                return _refused(error)
            except (DataError, DatabaseError) as error:  # a number or a time beyond what an engine can reckon with
                reason = str(getattr(error, "orig", error)).splitlines()[0][:120]
                return _refused(Invalid("invalid_request", field="$filter", reason=reason))

        return handled


router = APIRouter(prefix=ROOT, route_class=_Route, include_in_schema=False)


def _refused(error: ChengnaoError) -> Response:
    shown = error.to_dict()
    body = {"code": error.status, "type": "error", "message": f"{shown['message_en']} {shown['message']}"}
    headers = {}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    return Response(orjson.dumps(body | {"error": shown}), error.status, headers, media_type="application/json")


def _answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


@router.get("")
@router.get("/")
async def root(request: Request, principal: CurrentPrincipal) -> Response:
    """The sets, and what of the standard is served."""
    await _require(request, principal, "device.read")
    base = _base(request)
    sets = [{"name": str(kind), "url": f"{base}/{kind}"} for kind in Kind]
    return _answer({"value": sets, "serverSettings": {"conformance": _CONFORMS}})


@router.get("/{path:path}")
async def read(path: str, request: Request, principal: CurrentPrincipal, scope: ScopeDep, uow: UowDep) -> Response:
    target = parse_path(path.strip("/"))
    await _require(request, principal, "device.read")
    options = parse_options(target.last.kind, dict(parse_qsl(request.url.query, keep_blank_values=True)))
    if target.last.kind is Kind.OBSERVATIONS or _expands_observations(options):
        await _require(request, principal, "reading.read")
    context = context_of(request)
    reader = Reader(
        ThingRepository(uow.session), request.app.state.readings, scope, _base(request), context.clock.now()
    )
    if target.one:
        return _one(target, (await reader.entity(target, options)).shown)
    part = await reader.part(target, options)
    link = next_link(f"{_base(request)}/{path.strip('/')}", options) if part.more else None
    return _answer(_set(part, target, options, link))


def _one(target: Target, shown: dict[str, Any]) -> Response:
    if not target.member:
        return _answer({"@iot.selfLink": shown["@iot.selfLink"]} if target.tail == "ref" else shown)
    value = shown.get(target.member)
    if value is None:
        return Response(status_code=204)
    if target.tail == "value":
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        return Response(text, media_type="text/plain" if isinstance(value, str) else "application/json")
    return _answer({target.member: value})


def _set(part: Part, target: Target, options: Options, link: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {} if part.count is None else {"@iot.count": part.count}
    if link is not None:
        body["@iot.nextLink"] = link
    if target.tail == "ref":
        return body | {"value": [{"@iot.selfLink": each.shown["@iot.selfLink"]} for each in part.entities]}
    if options.data_array:
        return body | {"value": _arrays(part)}
    return body | {"value": [each.shown for each in part.entities]}


def _arrays(part: Part) -> list[dict[str, Any]]:
    """Observations by their datastream, as rows."""
    names = ("phenomenonTime", "resultTime", "result", "resultQuality")
    groups: dict[str, dict[str, Any]] = {}
    for entity in part.entities:
        stream = entity.shown.get("Datastream@iot.navigationLink") or ""
        group = groups.setdefault(
            f"{entity.row.id}.{entity.row.metric}",
            {
                "Datastream@iot.navigationLink": stream,
                "components": ["id", *names],
                "dataArray@iot.count": 0,
                "dataArray": [],
            },
        )
        group["dataArray@iot.count"] += 1
        group["dataArray"].append([entity.id, *(entity.shown.get(name) for name in names)])
    return list(groups.values())


def _expands_observations(options: Options) -> bool:
    return any(name == "Observations" or _expands_observations(inner) for name, inner in options.expand.items())


@router.post("/{path:path}")
async def create(path: str, request: Request, principal: CurrentPrincipal, scope: ScopeDep, uow: UowDep) -> Response:
    if path.strip("/") in {"CreateObservations", "CreateObservations()"}:
        await _require(request, principal, "reading.write")
        return await _create_array(request, await _body(request))
    target = parse_path(path.strip("/"))
    kind = target.last.kind
    if target.one or target.tail or len(target.steps) > 2:
        raise NotFound("sta_path", part=path[:80], known=", ".join(Kind))
    parent = target.steps[0] if len(target.steps) == 2 else None
    body = await _body(request)
    if not isinstance(body, dict):
        raise Invalid("invalid_request", field="body", reason="an object is wanted")
    if kind is Kind.OBSERVATIONS:
        await _require(request, principal, "reading.write")
        stream = parent.key if parent is not None and parent.kind is Kind.DATASTREAMS else None
        return await _create_observation(request, body, stream or creating.linked(body, "Datastream"))
    await _require(request, principal, "device.write")
    if kind is Kind.THINGS:
        device = creating.device_of(body)
        await check(request, principal, "device.write", device.division_code, device.unit_id)
        made = (await creating.make_thing(uow, principal, device)).id
    elif kind in _READ_ONLY:
        raise Forbidden("sta_read_only", kind=str(kind))
    else:
        thing = parent.key if parent is not None and parent.kind is Kind.THINGS else None
        thing = thing or creating.linked(body, "Things" if kind is Kind.LOCATIONS else "Thing")
        before = await require_device(uow, scope, thing)
        await check(request, principal, "device.write", before.division_code, before.unit_id)
        if kind is Kind.LOCATIONS:
            made = (await creating.make_location(uow, scope, principal, thing, body)).id
        else:
            made = await creating.find_datastream(uow, scope, thing, body)
    await uow.commit()
    return await _made(request, scope, uow, f"{kind_of(kind)}('{made}')")


async def _made(request: Request, scope: Scope, uow: UowDep, path: str) -> Response:
    now = context_of(request).clock.now()
    reader = Reader(ThingRepository(uow.session), request.app.state.readings, scope, _base(request), now)
    target = parse_path(path)
    shown = (await reader.entity(target, parse_options(target.last.kind, {}))).shown
    return _answer(shown, 201, {"Location": shown["@iot.selfLink"]})


async def _create_observation(request: Request, body: dict[str, Any], stream: str) -> Response:
    context = context_of(request)
    reading = creating.reading_of(body, stream, context.clock.now())
    taken = await send_readings(context.settings, bearer_secret(request), [reading])
    if taken.refused:
        why = taken.refused[0]
        raise Invalid("sta_observation_refused", reason=why["message"], reason_en=why["message_en"], code=why["code"])
    link = f"{_base(request)}/Observations('{reading.id}')"
    shown = {"@iot.id": reading.id, "@iot.selfLink": link, "result": reading.value}
    return _answer(shown | {"phenomenonTime": reading.time.isoformat()}, 201, {"Location": link})


async def _create_array(request: Request, body: Any) -> Response:
    """Each row's link, or `error` where it was refused, in the order of the rows."""
    context = context_of(request)
    rows = creating.readings_of_array(body, context.clock.now())
    good = [(number, row) for number, row in rows if not isinstance(row, Invalid)]
    taken = await send_readings(context.settings, bearer_secret(request), [row for _, row in good])
    links = ["error"] * len(rows)
    for index, (number, row) in enumerate(good):
        if index not in taken.refused:
            links[number] = f"{_base(request)}/Observations('{row.id}')"
    return _answer(links, 201)


async def _body(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Invalid("invalid_request", field="body", reason=str(error)[:120]) from error


async def _require(request: Request, principal: CurrentPrincipal, action: str) -> None:
    """The first wall, as `kernel.web.require` sets it."""
    await check(request, principal, action, principal.division_code, principal.unit_id)
