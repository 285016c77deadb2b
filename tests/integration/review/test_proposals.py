"""Proposals: replayed before they are decided, by another person; in force at once; undone; measured."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chengnao.incident.dispatch import service as dispatch
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.limits.service import put_limit
from chengnao.incident.model import Incident, Source, State
from chengnao.incident.service import Opening
from chengnao.kernel.access.model import Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.paging import PageRequest
from chengnao.review.proposals.service import decide
from tests.integration.review.conftest import (
    DISTRICT_DESK,
    DISTRICT_OFFICER,
    DISTRICT_STEWARD,
    OTHER_STEWARD,
    STEWARD,
    STRANGER,
    STREETS,
    Api,
    Loop,
)
from tests.support.loop import CITY, DISPATCHER, DUTY_OFFICER, WANZHOU, WATER, WORKER, YUZHONG
from tests.support.loop import YUZHONG_STREETS as STREETS_UNIT

pytestmark = pytest.mark.engines

LEAK = Opening(Source.MANUAL, "水管渗漏", "water_pressure", YUZHONG, grade=3)
ROW = {"division_code": YUZHONG, "category": "water_pressure", "unit_id": STREETS_UNIT}
TO_STREETS = {"kind": "responsibility", "change": ROW, "reason": "渝中的漏水由区城管处理"}


async def went_to_streets(loop: Loop, opening: Opening = LEAK) -> Incident:
    """The map sends it to the water works, which give it back; the district's streets handle it."""
    incident = await loop.open(opening)
    await loop.give_back(WORKER, incident)
    await loop.do(DISPATCHER, incident, "dispatch", unit_id=STREETS_UNIT)
    return await loop.finish(STREETS, incident)


async def proposed(api: Api, who: Any = DISPATCHER, body: dict[str, Any] = TO_STREETS) -> str:
    proposal_id: str = (await api(who, "POST", "proposals", body, status=201))["id"]
    return proposal_id


async def test_the_whole_way_from_a_review_to_another_dispatch_and_back(
    loop: Loop, clock: FixedClock, api: Api
) -> None:
    for _ in range(3):
        await went_to_streets(loop)
    right = await loop.finish(WORKER, await loop.open(LEAK))
    still_open = await loop.open(LEAK)
    elsewhere = await loop.open(Opening(**LEAK.__dict__ | {"division_code": WANZHOU}))
    assert elsewhere.unit_id == WATER
    review = await api(DUTY_OFFICER, "POST", "reviews", {"incident_ids": [right.id]}, status=201)
    made = await api(DISPATCHER, "POST", "proposals", TO_STREETS | {"review_id": review["id"]}, status=201)
    path = f"proposals/{made['id']}"
    assert (made["state"], made["about"]) == ("draft", "渝中区“供水压力异常”由渝中区城管局负责")
    early = await api(STEWARD, "POST", f"{path}/decision", {"approve": True, "reason": "好"}, status=409)
    assert early["error"]["code"] == "proposal_not_replayed"
    clock.advance(60)

    replayed = await api(DISPATCHER, "POST", f"{path}/replay", {})
    counts = replayed["replay"]["counts"]
    assert counts == {"straight": 3, "wrong": 1, "unknown": 1, "returned_cases": 3, "returns_avoided": 3}
    assert replayed["replay"]["detail"]["returned_by"] == {WATER: 3}
    assert replayed["replay"]["detail"]["handled_by"] == {STREETS_UNIT: 3, WATER: 1}
    assert (replayed["replay"]["total"], replayed["replay"]["looked_at"]) == (5, 5)
    wrong = await api(DISPATCHER, "GET", f"{path}/cases", outcome="wrong")
    assert [each["incident_id"] for each in wrong["items"]] == [right.id]
    unknown = await api(DISPATCHER, "GET", f"{path}/cases", outcome="unknown")
    assert [each["incident_id"] for each in unknown["items"]] == [still_open.id]
    again = await api(DISPATCHER, "POST", f"{path}/replay", {})
    assert again["replay"]["counts"] == counts
    assert (await api(DISPATCHER, "GET", f"{path}/cases"))["total"] == 5

    decided = await api(STEWARD, "POST", f"{path}/decision", {"approve": True, "reason": "退单多"})
    assert (decided["state"], decided["before"]) == ("applied", None)
    assert decided["after"]["unit_id"] == STREETS_UNIT
    following = await loop.open(LEAK)
    assert (following.state, following.unit_id) == (State.DISPATCHED, STREETS_UNIT)
    shown = await api(DUTY_OFFICER, "GET", f"reviews/{review['id']}")
    assert [each["state"] for each in shown["proposals"]] == ["applied"]
    audit = await _audited(loop.database, "proposal.decide")
    assert audit[0]["after"]["unit_id"] == STREETS_UNIT

    undone = await api(OTHER_STEWARD, "POST", f"{path}/undo", {"reason": "水务已增员"})
    assert undone["state"] == "withdrawn"
    assert (await loop.open(LEAK)).unit_id == WATER
    twice = await api(OTHER_STEWARD, "POST", f"{path}/undo", {"reason": "再撤"}, status=409)
    assert twice["error"]["code"] == "proposal_state"


async def _audited(database: Database, action: str) -> list[dict[str, Any]]:
    async with database.unit_of_work() as uow:
        page = await AccessRepository(uow.session).audit(Scope(), PageRequest(1, 50), action)
        return [entry.detail for entry in page.items]


async def test_a_row_that_was_there_comes_back_as_it_was(loop: Loop, api: Api) -> None:
    old = Responsibility(YUZHONG, "water_pressure", WATER, STREETS_UNIT, "08:00-18:00", "")
    async with loop.database.unit_of_work() as uow:
        await dispatch.put_responsibility(uow, old)
        await uow.commit()
    change = {**ROW, "hours": "08:00-18:00", "unit_id": None}
    proposal = await proposed(api, body={"kind": "responsibility", "change": change, "reason": "白天不必单列"})
    await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})
    await api(STEWARD, "POST", f"proposals/{proposal}/decision", {"approve": True, "reason": "好"})
    rows = await api(STEWARD, "GET", "responsibilities")
    assert [row["division_code"] for row in rows["items"]] == [CITY]
    await api(STEWARD, "POST", f"proposals/{proposal}/undo", {"reason": "误"})
    rows = await api(STEWARD, "GET", "responsibilities")
    assert [(row["unit_id"], row["deputy_unit_id"], row["hours"]) for row in rows["items"]] == [
        (WATER, None, ""),
        (WATER, STREETS_UNIT, "08:00-18:00"),
    ]


async def test_what_changed_since_the_replay_must_be_replayed_again(loop: Loop, api: Api) -> None:
    proposal = await proposed(api)
    await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})
    await api(STEWARD, "PUT", "responsibilities", {**ROW, "unit_id": WATER})
    yes = {"approve": True, "reason": "好"}
    refused = await api(STEWARD, "POST", f"proposals/{proposal}/decision", yes, status=409)
    assert refused["error"]["code"] == "proposal_stale"
    await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})
    decided = await api(STEWARD, "POST", f"proposals/{proposal}/decision", yes)
    assert decided["before"]["unit_id"] == WATER
    # And what was changed after it came into force is not undone over somebody's head.
    await api(STEWARD, "PUT", "responsibilities", {**ROW, "unit_id": STREETS_UNIT, "deputy_unit_id": WATER})
    overtaken = await api(STEWARD, "POST", f"proposals/{proposal}/undo", {"reason": "撤"}, status=409)
    assert overtaken["error"]["code"] == "proposal_overtaken"


async def test_of_two_who_decide_at_once_one_is_told_that_it_is_done(loop: Loop, api: Api) -> None:
    first, second = await proposed(api), await proposed(api, DISTRICT_DESK)
    for proposal in (first, second):
        await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})

    async def approve(proposal: str, who: Any) -> str:
        async with loop.database.unit_of_work() as uow:
            try:
                await decide(uow, who, proposal, True, "好")
                await asyncio.sleep(0.05)
                await uow.commit()
            except ChengnaoError as error:
                return error.code
            return "done"

    same = await asyncio.gather(approve(first, STEWARD), approve(first, OTHER_STEWARD))
    assert sorted(same) == ["done", "proposal_state"]
    # The other proposal is about the same row: its replay is out of date now.
    assert await approve(second, STEWARD) == "proposal_stale"


async def test_two_proposals_about_one_row_do_not_both_come_into_force_at_once(loop: Loop, api: Api) -> None:
    first, second = await proposed(api), await proposed(api, DISTRICT_DESK)
    for proposal in (first, second):
        await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})

    async def approve(proposal: str) -> str:
        async with loop.database.unit_of_work() as uow:
            try:
                await decide(uow, STEWARD, proposal, True, "好")
                await asyncio.sleep(0.05)
                await uow.commit()
            except ChengnaoError as error:
                return error.code
            return "done"

    assert sorted(await asyncio.gather(approve(first), approve(second))) == ["done", "proposal_stale"]


async def test_who_may(loop: Loop, api: Api) -> None:
    proposal = await proposed(api, STEWARD)
    path, yes = f"proposals/{proposal}", {"approve": True, "reason": "好"}
    await api(STEWARD, "POST", f"{path}/replay", {})
    own = await api(STEWARD, "POST", f"{path}/decision", yes, status=403)
    assert own["error"]["code"] == "proposal_own"
    await api(DISPATCHER, "POST", f"{path}/decision", yes, status=403)  # may not decide
    await api(DUTY_OFFICER, "POST", f"{path}/decision", yes, status=403)  # may decide, but not about the map
    await api(STREETS, "POST", "proposals", TO_STREETS, status=403)
    await api(STRANGER, "GET", path, status=404)
    elsewhere = await api(STRANGER, "POST", "proposals", TO_STREETS, status=403)
    assert elsewhere["error"]["code"] == "proposal_elsewhere"
    assert (await api(OTHER_STEWARD, "GET", path))["may_decide"]
    assert not (await api(STEWARD, "GET", path))["may_decide"]
    decided = await api(DISTRICT_STEWARD, "POST", f"{path}/decision", yes)
    assert decided["decision"]["actor_name"] == DISTRICT_STEWARD.name


async def test_a_district_may_propose_for_the_city_but_not_decide_it(loop: Loop, api: Api) -> None:
    for_all = {"kind": "responsibility", "change": {**ROW, "division_code": CITY}, "reason": "全市如此"}
    proposal = await proposed(api, DISTRICT_DESK, for_all)
    await api(DISTRICT_DESK, "POST", f"proposals/{proposal}/replay", {})
    yes = {"approve": True, "reason": "好"}
    await api(DISTRICT_STEWARD, "POST", f"proposals/{proposal}/decision", yes, status=403)
    await api(STRANGER, "GET", f"proposals/{proposal}", status=404)
    await api(STEWARD, "POST", f"proposals/{proposal}/decision", yes)


async def test_cases_of_other_districts_are_not_shown(loop: Loop, api: Api) -> None:
    await loop.open(LEAK)
    await loop.open(Opening(**LEAK.__dict__ | {"division_code": WANZHOU}))
    loop.clock.advance(60)
    body = {"kind": "responsibility", "change": {**ROW, "division_code": CITY}, "reason": "全市如此"}
    proposal = await proposed(api, DISTRICT_DESK, body)
    replayed = await api(DISTRICT_DESK, "POST", f"proposals/{proposal}/replay", {})
    assert replayed["replay"]["counts"]["unknown"] == 2
    own = await api(DISTRICT_OFFICER, "GET", f"proposals/{proposal}/cases")
    assert [each["division_code"] for each in own["items"]] == [YUZHONG]
    assert (await api(DISPATCHER, "GET", f"proposals/{proposal}/cases"))["total"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "responsibility", "change": {**ROW, "unit_id": "nobody"}}, "unit_unknown"),
        ({"kind": "responsibility", "change": {**ROW, "category": "nothing"}}, "category_unknown"),
        ({"kind": "responsibility", "change": {**ROW, "hours": "8-18"}}, "responsibility_hours"),
        (
            {"kind": "responsibility", "change": {**ROW, "division_code": CITY, "unit_id": WATER}},
            "proposal_changes_nothing",
        ),
        (
            {"kind": "limit", "change": {"category": "*", "grade": 3, "step": "handle", "amount": "soon"}},
            "invalid_value",
        ),
        ({"kind": "limit", "change": {"category": "*", "grade": 3, "step": "handle"}}, "proposal_changes_nothing"),
        ({"kind": "threshold", "change": {"rule_id": "none", "hysteresis": 2}}, "not_found"),
        ({"kind": "category_rule", "change": {"category": "noise"}}, "category_rule_no_words"),
        ({"kind": "limit", "change": ROW}, "invalid_request"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_when_it_is_made(api: Api, body: dict[str, Any], code: str) -> None:
    status = {"invalid_request": 422, "not_found": 404, "unit_unknown": 404}.get(code, 400)
    answer = await api(DISPATCHER, "POST", "proposals", body | {"reason": "试"}, status=status)
    assert answer["error"]["code"] == code


async def test_a_period_that_cannot_be_replayed(loop: Loop, api: Api) -> None:
    proposal = await proposed(api)
    for since, until in (
        ("2026-11-25T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("2020-01-01T00:00:00Z", "2026-11-24T00:00:00Z"),
    ):
        bad = await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {"from": since, "to": until}, status=400)
        assert bad["error"]["code"] == "proposal_span"


async def test_the_effect_is_counted_in_equal_periods_and_says_when_it_is_too_little(
    loop: Loop, clock: FixedClock, api: Api
) -> None:
    for _ in range(20):
        await loop.give_back(WORKER, await loop.open(LEAK))
        clock.advance(3600)
    proposal = await proposed(api)
    await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})
    fresh = await api(STEWARD, "POST", f"proposals/{proposal}/decision", {"approve": True, "reason": "好"})
    assert fresh["effect"]["measures"][0]["after"] == {"count": 0, "of": 0, "value": None, "few": True}
    clock.advance(10 * 3600)
    await loop.give_back(STREETS, await loop.open(LEAK), "capacity")
    for _ in range(4):
        await loop.open(LEAK)
    clock.advance(30 * 86400)
    effect = (await api(DUTY_OFFICER, "GET", f"proposals/{proposal}"))["effect"]
    assert effect["complete"]
    returned, wrong = effect["measures"]
    assert returned["before"] == {"count": 20, "of": 20, "value": 1.0, "few": False}
    assert returned["after"] == {"count": 1, "of": 5, "value": 0.2, "few": True}
    assert (wrong["before"]["count"], wrong["after"]["count"]) == (20, 0)


async def test_a_limit_is_replayed_in_the_working_calendar_and_holds_for_the_next_step(
    loop: Loop, clock: FixedClock, api: Api
) -> None:
    """START is Wednesday, 10:00 in Chongqing."""
    for hours in (2, 5, 30):
        incident = await loop.open(LEAK)
        await loop.do(WORKER, incident, "accept")
        clock.advance(hours * 3600)
        await loop.do(WORKER, incident, "handle", result="已修")
    waiting = await loop.open(LEAK)
    await loop.do(WORKER, waiting, "accept")
    clock.advance(60)
    change = {"category": "water_pressure", "grade": 3, "step": "handle", "amount": "2 wh"}
    proposal = await proposed(api, body={"kind": "limit", "change": change, "reason": "漏水要快"})
    replayed = await api(
        DISPATCHER,
        "POST",
        f"proposals/{proposal}/replay",
        {"from": "2026-11-20T00:00:00Z", "to": clock.now().isoformat()},
    )
    assert replayed["target_code"] == CITY
    # The default is 24 h. Two working hours from 10:00 end at 12:00, from 12:00 (a break until 14:00) at 16:00.
    assert replayed["replay"]["counts"] == {"on_time": 1, "becomes_late": 1, "late": 1, "running": 1}
    figures = replayed["replay"]["detail"]
    assert figures == {"judged": 3, "on_time_was": 2, "on_time_would": 1}
    await api(DISTRICT_OFFICER, "POST", f"proposals/{proposal}/decision", {"approve": True, "reason": "好"}, status=404)
    await api(DUTY_OFFICER, "POST", f"proposals/{proposal}/decision", {"approve": True, "reason": "好"})
    fresh = await loop.open(LEAK)
    fresh = await loop.do(WORKER, fresh, "accept")
    assert fresh.handle_by is not None
    assert fresh.handle_by - clock.now() != timedelta(hours=24)
    await api(DUTY_OFFICER, "POST", f"proposals/{proposal}/undo", {"reason": "人手不够"})
    last = await loop.do(WORKER, await loop.open(LEAK), "accept")
    assert last.handle_by == clock.now() + timedelta(hours=24)
    effect = (await api(DUTY_OFFICER, "GET", f"proposals/{proposal}"))["effect"]
    assert effect["measures"][0]["key"] == "late"


async def test_a_limit_that_another_one_overrides_touches_nothing(loop: Loop, api: Api) -> None:
    async with loop.database.unit_of_work() as uow:
        await put_limit(uow, "water_pressure", 3, "accept", "2 h")
        await uow.commit()
    await loop.do(WORKER, await loop.open(LEAK), "accept")
    loop.clock.advance(60)
    change = {"category": "*", "grade": 3, "step": "accept", "amount": "10 min"}
    proposal = await proposed(api, body={"kind": "limit", "change": change, "reason": "都要快"})
    replayed = await api(DISPATCHER, "POST", f"proposals/{proposal}/replay", {})
    assert (replayed["replay"]["counts"], replayed["replay"]["looked_at"]) == ({}, 0)
