"""Reviews: why they open, what they show, who wrote what, who may."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from chengnao.incident.model import Incident, Source
from chengnao.incident.service import Opening
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, OutboxRow
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from chengnao.review.handlers import ReviewHandlers
from chengnao.review.model import Occasion, Review
from chengnao.review.repository import ReviewRepository
from chengnao.review.service import review_if_called_for
from tests.integration.review.conftest import DISTRICT_OFFICER, STRANGER, STREETS, Api, Loop
from tests.support.loop import DISPATCHER, DUTY_OFFICER, VERIFIER, WATER, WORKER, YUZHONG, YUZHONG_STREETS

pytestmark = pytest.mark.engines

SQUARE = Place(106.57, 29.56)
HUNDRED_METRES_NORTH = Place(106.57, 29.5609)
FAR = Place(106.57, 29.58)
LEAK = Opening(Source.MANUAL, "水管渗漏", "water_pressure", YUZHONG, grade=3, place=SQUARE)
BURST = Opening(Source.MANUAL, "水管爆裂", "water_pressure", YUZHONG, grade=1, place=SQUARE)


async def told(database: Database) -> None:
    """Give every event to the handlers, twice, as a bus may."""
    async with database.unit_of_work() as uow:
        documents = [row.envelope for row in await uow.session.scalars(select(OutboxRow).order_by(OutboxRow.sequence))]
    handlers = ReviewHandlers(database)
    for document in documents * 2:
        await handlers.handle(document)


async def reviews(database: Database) -> Sequence[Review]:
    async with database.unit_of_work() as uow:
        page = await ReviewRepository(uow.session).reviews(Scope(), None, None, PageRequest(1, 100))
        return page.items


async def closed(loop: Loop, opening: Opening) -> Incident:
    return await loop.finish(WORKER, await loop.open(opening))


async def test_a_grave_incident_that_is_closed_opens_one_review_and_a_small_one_none(
    city: Database, loop: Loop
) -> None:
    await closed(loop, LEAK)
    await told(city)
    assert await reviews(city) == []
    grave = await closed(loop, BURST)
    await told(city)
    [review] = await reviews(city)
    assert (review.incident_ids, review.occasions) == ((grave.id,), (Occasion.GRAVE,))
    assert (review.division_code, review.unit_id) == (YUZHONG, WATER)


async def test_returns_a_dispute_and_a_reopening_are_occasions(city: Database, loop: Loop) -> None:
    incident = await loop.open(LEAK)
    await loop.give_back(WORKER, incident)
    await loop.do(DISPATCHER, incident, "dispatch", unit_id=YUZHONG_STREETS)
    await loop.give_back(STREETS, incident)  # the second return goes to the upper tier by itself
    await loop.do(DUTY_OFFICER, incident, "settle", unit_id=WATER, reason="管网属水务")
    await loop.finish(WORKER, incident)
    await told(city)
    [review] = await reviews(city)
    assert review.occasions == (Occasion.RETURNED, Occasion.DISPUTED)
    await loop.do(DUTY_OFFICER, incident, "reopen", reason="又漏了")
    await loop.do(DISPATCHER, incident, "dispatch", unit_id=WATER)
    await loop.finish(WORKER, incident)
    await told(city)
    [review] = await reviews(city)
    assert review.occasions == (Occasion.REOPENED, Occasion.RETURNED, Occasion.DISPUTED)


async def test_what_comes_back_at_one_place_makes_one_review(city: Database, loop: Loop, clock: FixedClock) -> None:
    first = await closed(loop, LEAK)
    clock.advance(10 * 86400)
    await closed(loop, Opening(Source.MANUAL, "远处渗漏", "water_pressure", YUZHONG, grade=3, place=FAR))
    second = await closed(loop, Opening(**LEAK.__dict__ | {"place": HUNDRED_METRES_NORTH}))
    await told(city)
    assert await reviews(city) == []  # two within 300 m
    clock.advance(10 * 86400)
    third = await closed(loop, LEAK)
    fourth = await closed(loop, LEAK)
    await told(city)
    [review] = await reviews(city)
    assert review.occasions == (Occasion.REPEATED,)
    # The events of all were told only now, and then each has three others nearby.
    assert set(review.incident_ids) <= {first.id, second.id, third.id, fourth.id}
    assert {third.id, fourth.id} <= set(review.incident_ids)
    clock.advance(40 * 86400)
    await closed(loop, LEAK)
    await told(city)
    assert len(await reviews(city)) == 1  # the others are too long ago


async def test_an_incident_that_is_open_again_when_the_event_comes_opens_no_review(city: Database, loop: Loop) -> None:
    incident = await closed(loop, BURST)
    await loop.do(DUTY_OFFICER, incident, "reopen", reason="又漏了")
    await told(city)
    assert await reviews(city) == []


async def test_a_review_shows_each_deviation_by_how_much_and_keeps_its_authors(
    city: Database, loop: Loop, clock: FixedClock, api: Api
) -> None:
    neighbour = await loop.open(Opening(**LEAK.__dict__ | {"place": HUNDRED_METRES_NORTH}))
    incident = await loop.open(BURST)
    await loop.give_back(WORKER, incident)
    await loop.do(DISPATCHER, incident, "dispatch", unit_id=WATER)
    await loop.do(WORKER, incident, "accept")
    clock.advance(3 * 3600)  # an hour over the two of grade 1
    await loop.do(WORKER, incident, "handle", result="已修")
    await loop.do(VERIFIER, incident, "rework", reason="仍渗水")
    await loop.do(WORKER, incident, "handle", result="换管")
    await loop.do(VERIFIER, incident, "verify", result="不漏了")
    await loop.do(DUTY_OFFICER, incident, "close")
    await told(city)
    listed = await api(DUTY_OFFICER, "GET", "reviews", state="open", incident=incident.id)
    review_id = listed["items"][0]["id"]
    review = await api(DUTY_OFFICER, "GET", f"reviews/{review_id}")
    [facts] = review["facts"]
    found = {each["kind"]: each for each in facts["deviations"]}
    assert set(found) == {"returned", "late_step", "reworked"}
    assert (found["late_step"]["state"], found["late_step"]["seconds"]) == ("accepted", 3600)
    assert found["late_step"]["text"] == "市水务集团，处置中超时 1 小时"
    assert found["returned"]["text"] == "市水务集团退单（非本单位职责）：不是我们的"
    assert [(near["id"], near["metres"]) for near in facts["near"]] == [(neighbour.id, pytest.approx(100, abs=1))]
    await _write_and_finish(api, review_id)
    page = await api(DUTY_OFFICER, "GET", f"print/reviews/{review_id}")
    for text in ("复盘报告", "市水务集团，处置中超时 1 小时", "管网老化", "雨季前普查", neighbour.number):
        assert text in page, text
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    # What happens to the incident later is not part of what was reviewed.
    clock.advance(60)
    await loop.do(DUTY_OFFICER, incident, "reopen", reason="又漏了")
    again = await api(DUTY_OFFICER, "GET", f"reviews/{review_id}")
    assert [each["kind"] for each in again["facts"][0]["deviations"]] == [each["kind"] for each in facts["deviations"]]


async def _write_and_finish(api: Api, review_id: str) -> None:
    path = f"reviews/{review_id}"
    bare = await api(DUTY_OFFICER, "POST", f"{path}/finish", {"version": 1}, status=400)
    assert bare["error"]["code"] == "review_unfinished"
    causes = [{"code": "facility", "text": "管网老化"}]
    written = await api(DISPATCHER, "PUT", path, {"version": 1, "causes": causes, "lessons": []})
    unknown = {"version": 2, "causes": [{"code": "bad luck", "text": "运气"}], "lessons": []}
    assert (await api(DUTY_OFFICER, "PUT", path, unknown, status=400))["error"]["code"] == "review_cause_unknown"
    stale = {"version": 1, "causes": [], "lessons": []}
    assert (await api(DUTY_OFFICER, "PUT", path, stale, status=409))["error"]["code"] == "review_changed"
    body = {"version": written["version"], "causes": causes, "lessons": ["雨季前普查"]}
    written = await api(DUTY_OFFICER, "PUT", path, body)
    assert [each["author_name"] for each in written["causes"]] == [DISPATCHER.name]
    assert [each["author_name"] for each in written["lessons"]] == [DUTY_OFFICER.name]
    finished = await api(DUTY_OFFICER, "POST", f"{path}/finish", {"version": written["version"]})
    assert (finished["state"], finished["finished_by_name"]) == ("finished", DUTY_OFFICER.name)
    late = {"version": finished["version"], "causes": causes, "lessons": []}
    assert (await api(DUTY_OFFICER, "PUT", path, late, status=409))["error"]["code"] == "review_finished"


async def test_by_hand_only_over_incidents_of_the_own_scope(loop: Loop, api: Api) -> None:
    one, two = await loop.open(LEAK), await loop.open(BURST)
    body = {"incident_ids": [one.id, two.id, one.id], "title": "九龙滨江漏水"}
    review = await api(DISTRICT_OFFICER, "POST", "reviews", body, status=201)
    assert review["incident_ids"] == [one.id, two.id]
    assert [each["code"] for each in review["occasions"]] == ["by_hand"]
    await api(STRANGER, "POST", "reviews", body, status=404)
    await api(STRANGER, "GET", f"reviews/{review['id']}", status=404)
    await api(STREETS, "POST", "reviews", body, status=403)
    assert (await api(STRANGER, "GET", "reviews"))["total"] == 0


async def test_two_closings_at_once_open_one_review(city: Database, loop: Loop) -> None:

    incident = await closed(loop, BURST)

    async def once() -> None:
        async with city.unit_of_work() as uow:
            await review_if_called_for(uow, incident.id)
            await uow.commit()

    await asyncio.gather(*(once() for _ in range(4)))
    assert len(await reviews(city)) == 1
