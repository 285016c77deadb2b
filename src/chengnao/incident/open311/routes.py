"""GeoReport v2 over HTTP. Errors have the shape that its specification gives them."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from chengnao.incident.catalogue import categories
from chengnao.incident.open311 import model, service
from chengnao.incident.open311.forms import FORMS, encode
from chengnao.incident.open311.repository import Open311Repository
from chengnao.incident.reports.desk import desk_at
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, NotFound
from chengnao.kernel.web import ContextDep, UowDep, check


class _Route(APIRoute):
    """Answers refusals as `errors`, in the form that was asked for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                _check_address(request)
                return await handle(request)
            except ChengnaoError as error:
                return _refused(request, error, error.status)
            except RequestValidationError as error:
                first = error.errors()[0]
                field = str(first["loc"][-1])
                return _refused(request, Invalid("invalid_request", field=field, reason=first["msg"]), 400)

        return handled


def _check_address(request: Request) -> None:
    form = request.path_params["form"]
    if form not in FORMS:
        raise NotFound("open311_form", value=form[:20])
    asked = request.query_params.get("jurisdiction_id", "")
    if asked not in ("", model.JURISDICTION):
        raise NotFound("open311_jurisdiction", value=asked[:40], own=model.JURISDICTION)


def _refused(request: Request, error: ChengnaoError, status: int) -> Response:
    errors = [{"code": status, "description": f"{error.text('en')} {error.text('zh')}"}]
    answer = _answer(request, "errors", errors, status)
    if (seconds := getattr(error, "retry_after", None)) is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def _answer(request: Request, root: str, value: Any, status: int = 200) -> Response:
    form = request.path_params["form"]
    form = form if form in FORMS else "xml"
    return Response(encode(root, value, form), status, media_type=FORMS[form])


router = APIRouter(prefix="/open311/v2", tags=["open311"], route_class=_Route, default_response_class=Response)


@router.get("/discovery.{form}")
async def discovery(form: str, request: Request) -> Response:
    """Where this endpoint is, and in which forms it answers."""
    endpoint = {
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": str(request.base_url).rstrip("/") + "/open311/v2",
        "changeset": "2026-11-25T00:00:00+08:00",
        "type": "production",
        "formats": ["text/xml", "application/json"],
    }
    found = {"changeset": endpoint["changeset"], "key_service": "reporter", "endpoints": [endpoint]}
    return _answer(request, "discovery", found)


@router.get("/statuses.{form}")
async def list_statuses(form: str, request: Request) -> Response:
    """Which of the platform's states is open and which closed here: an addition to GeoReport v2."""
    found = [
        {"state": str(each.state), "status": each.status, "name": each.zh, "name_en": each.en}
        for each in model.statuses().values()
    ]
    return _answer(request, "statuses", found)


@router.get("/services.{form}")
async def list_services(form: str, request: Request) -> Response:
    """What may be reported."""
    return _answer(request, "services", [model.service(category) for category in categories().values()])


@router.get("/services/{service_code}.{form}")
async def get_service(service_code: str, form: str, request: Request) -> Response:
    """What a service asks for beside the description: nothing."""
    category = categories().get(service_code)
    if category is None:
        raise NotFound("open311_service", field="service_code", value=service_code[:64])
    return _answer(request, "service_definition", model.service_definition(category))


@router.post("/requests.{form}", status_code=201)
async def create_request(form: str, request: Request, uow: UowDep, context: ContextDep) -> Response:
    """Hand in a request, form-encoded: api_key, service_code, and lat and long or address_string are required."""
    fields = await _fields(request)
    if fields.get("jurisdiction_id", "") not in ("", model.JURISDICTION):
        raise NotFound("open311_jurisdiction", value=fields["jurisdiction_id"][:40], own=model.JURISDICTION)
    principal = await _reporter(uow, fields)
    handed = model.handed(fields)
    division_code = await service.find_division(uow, handed)
    await check(request, principal, "report.create", division_code, None)
    taken = await service.take_request(uow, desk_at(context.settings.home), principal, handed, division_code)
    await uow.commit()
    return _answer(request, "service_requests", [model.made(taken.report)], 201)


async def _fields(request: Request) -> dict[str, str]:
    """What was sent in the body; files are left where they are, and addresses, which are logged, hold no key."""
    async with request.form(max_files=10, max_fields=200) as sent:
        return {key: value for key, value in sent.items() if isinstance(value, str)}


async def _reporter(uow: UnitOfWork, fields: Mapping[str, str]) -> Principal:
    """Whose key it is; GeoReport v2 answers 403 where there is none."""
    token = await access.find_token(uow, fields.get("api_key", ""))
    if token is None:
        raise Forbidden("open311_key")
    return token.principal


@router.get("/requests.{form}")
async def list_requests(
    form: str,
    request: Request,
    uow: UowDep,
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=model.PAGE)] = model.PAGE,
) -> Response:
    """Requests that came by Open311, the newest first, of at most 90 days: without reporters, masked.

    `service_request_id` (overrides the rest), `service_code`, `status`: several joined by commas; `start_date`,
    `end_date`: with zones; `bbox`: west,south,east,north.
    """
    wanted = model.wanted(request.query_params, uow.clock.now())
    found = await Open311Repository(uow.session).requests(wanted, page_size, (page - 1) * page_size)
    return _answer(request, "service_requests", [_shown(each) for each in found])


@router.get("/requests/{service_request_id}.{form}")
async def get_request(service_request_id: str, form: str, request: Request, uow: UowDep) -> Response:
    """One request, in a list as GeoReport v2 wants it."""
    found = await Open311Repository(uow.session).by_number(service_request_id)
    if found is None:
        raise NotFound("open311_request", field="service_request_id", value=service_request_id[:64])
    return _answer(request, "service_requests", [_shown(found)])


@router.get("/tokens/{token}.{form}")
async def get_token(token: str, form: str, request: Request, uow: UowDep) -> Response:
    """The number of a request by its token; requests are numbered at once, so the token is the report's own id."""
    found = await Open311Repository(uow.session).by_id(token)
    if found is None:
        raise NotFound("open311_request", field="token", value=token[:64])
    numbered = {"service_request_id": found.report.tracking_number, "token": token}
    return _answer(request, "service_requests", [numbered])


def _shown(shown: model.Shown) -> dict[str, Any]:
    return model.request(shown, categories().get(shown.report.category))
