"""OGC API Features over HTTP. Errors have the shape of the standard's exceptions."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from chengnao.kernel.errors import ChengnaoError, NotFound
from chengnao.kernel.web import CurrentPrincipal, ScopeDep, UowDep, check
from chengnao.sensing.open.features.collection import Collection
from chengnao.sensing.open.features.model import CRS84, Question, parse_question
from chengnao.sensing.open.features.openapi import describe

ROOT = "/ogc"

_GEOJSON = "application/geo+json"
_OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_CONFORMS = [f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "oas30", "geojson")]


class _Route(APIRoute):
    """Answers refusals as `{code, description}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except ChengnaoError as error:
                shown = error.to_dict()
                body = {"code": error.code, "description": f"{shown['message_en']} {shown['message']}"}
                return _answer(body | {"error": shown}, status=error.status)

        return handled


router = APIRouter(prefix=ROOT, route_class=_Route, include_in_schema=False)


def _answer(body: Any, media: str = "application/json", status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type=media)


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


def _collections(request: Request) -> Sequence[Collection]:
    """What the modules offer: `app.state.collections`."""
    found: Sequence[Collection] = request.app.state.collections
    return found


def _link(href: str, rel: str, media: str, title: str) -> dict[str, str]:
    return {"href": href, "rel": rel, "type": media, "title": title}


@router.get("")
@router.get("/")
async def landing(request: Request, principal: CurrentPrincipal) -> Response:
    base = _base(request)
    links = [
        _link(f"{base}/", "self", "application/json", "this document"),
        _link(f"{base}/api", "service-desc", _OPENAPI, "the API"),
        _link(f"{base}/conformance", "conformance", "application/json", "conformance classes"),
        _link(f"{base}/collections", "data", "application/json", "collections"),
    ]
    return _answer({"title": "城脑 Chengnao", "description": "设备与预警 / devices and warnings", "links": links})


@router.get("/api")
async def api(request: Request, principal: CurrentPrincipal) -> Response:
    return _answer(describe(_base(request), _collections(request)), _OPENAPI)


@router.get("/conformance")
async def conformance(principal: CurrentPrincipal) -> Response:
    return _answer({"conformsTo": _CONFORMS})


@router.get("/collections")
async def collections(request: Request, principal: CurrentPrincipal) -> Response:
    base = _base(request)
    link = _link(f"{base}/collections", "self", "application/json", "this document")
    return _answer({"links": [link], "collections": [_shown(base, each) for each in _collections(request)]})


@router.get("/collections/{collection_id}")
async def collection(collection_id: str, request: Request, principal: CurrentPrincipal) -> Response:
    return _answer(_shown(_base(request), _require(request, collection_id)))


@router.get("/collections/{collection_id}/items")
async def items(
    collection_id: str, request: Request, principal: CurrentPrincipal, scope: ScopeDep, uow: UowDep
) -> Response:
    known = _require(request, collection_id)
    await check(request, principal, known.action, principal.division_code, principal.unit_id)
    given = dict(parse_qsl(request.url.query, keep_blank_values=True))
    question = parse_question(given, known.queryables)
    found = await known.ask(uow, scope, question)
    own = f"{_base(request)}/collections/{known.id}"
    body = {
        "type": "FeatureCollection",
        "features": [each.geojson() for each in found.items],
        "numberMatched": found.matched,
        "numberReturned": len(found.items),
        "timeStamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "links": [
            *_pages(f"{own}/items", given, question, found.matched),
            _link(own, "collection", "application/json", known.title),
        ],
    }
    return _answer(body, _GEOJSON)


@router.get("/collections/{collection_id}/items/{feature_id}")
async def item(
    collection_id: str, feature_id: str, request: Request, principal: CurrentPrincipal, scope: ScopeDep, uow: UowDep
) -> Response:
    known = _require(request, collection_id)
    await check(request, principal, known.action, principal.division_code, principal.unit_id)
    found = await known.one(uow, scope, feature_id)
    if found is None:
        raise NotFound("not_found", kind=known.title, id=feature_id[:120])
    own = f"{_base(request)}/collections/{known.id}"
    links = [
        _link(f"{own}/items/{feature_id}", "self", _GEOJSON, "this feature"),
        _link(own, "collection", "application/json", known.title),
    ]
    return _answer(found.geojson() | {"links": links}, _GEOJSON)


def _require(request: Request, collection_id: str) -> Collection:
    for each in _collections(request):
        if each.id == collection_id:
            return each
    raise NotFound("not_found", kind="图层 collection", id=collection_id[:120])


def _shown(base: str, known: Collection) -> dict[str, Any]:
    own = f"{base}/collections/{known.id}"
    return {
        "id": known.id,
        "title": known.title,
        "description": known.description,
        "itemType": "feature",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]], "crs": CRS84}},
        "crs": [CRS84],
        "links": [
            _link(own, "self", "application/json", known.title),
            _link(f"{own}/items", "items", _GEOJSON, known.title),
        ],
    }


def _pages(address: str, given: dict[str, str], question: Question, matched: int) -> list[dict[str, str]]:
    """This page, the next and the one before, as far as there are such."""

    def at(offset: int) -> str:
        return f"{address}?{urlencode(given | {'limit': str(question.limit), 'offset': str(offset)})}"

    links = [_link(at(question.offset), "self", _GEOJSON, "this page")]
    if question.offset + question.limit < matched:
        links.append(_link(at(question.offset + question.limit), "next", _GEOJSON, "next page"))
    if question.offset > 0:
        links.append(_link(at(max(0, question.offset - question.limit)), "prev", _GEOJSON, "previous page"))
    return links
