"""Use cases of Open311: hand a request in. Does not commit."""

from chengnao.incident.catalogue import categories
from chengnao.incident.districts import district_at
from chengnao.incident.importing.divisions import DivisionIndex
from chengnao.incident.open311.model import Handed
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.service import Desk, ReportIn, Taken, take_report
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.organisation.service import every_division, today
from chengnao.kernel.places import Place


async def find_division(uow: UnitOfWork, handed: Handed) -> str:
    """The division of the request's place or, without one, of its address; raises Invalid where neither tells."""
    if handed.lat is not None and handed.lon is not None:
        found = district_at(Place(handed.lon, handed.lat))
        if found is None:
            raise Invalid("open311_elsewhere", field="lat", lat=handed.lat, lon=handed.lon)
        return found
    index = DivisionIndex(await every_division(uow), today(uow))
    found = index.in_text(handed.address)
    if found is None:
        raise Invalid("open311_address", field="address_string", value=handed.address[:80])
    return found


async def take_request(uow: UnitOfWork, desk: Desk, actor: Principal, handed: Handed, division_code: str) -> Taken:
    """Take the request in as a report; its picture is kept as the address that was given, and not fetched."""
    category = categories().get(handed.service_code)
    if category is None:
        raise NotFound("open311_service", field="service_code", value=handed.service_code[:64])
    content = handed.description or category.name
    if handed.media_url:
        content += f"\n图片：{handed.media_url}"
    given = ReportIn(
        content=content,
        place=Place.given(handed.lon, handed.lat),
        address=handed.address,
        category=category.code,
        division_code=division_code,
        channel=Channel.OPEN311,
        reporter_name=handed.name or None,
        reporter_phone=handed.phone or None,
    )
    return await take_report(uow, desk, actor, given)
