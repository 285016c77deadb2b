"""Agents as records: who sees them, what publishing asks for, roll-back, what comes with the platform."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chengnao.agents.catalogue import publishing, service
from chengnao.agents.catalogue.builtin import install_builtin
from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import Shares, Step, Wanted
from chengnao.agents.catalogue.publishing import Proof
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.model import Agent
from chengnao.agents.offered import Offered
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Role, Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.organisation.model import CITY, Unit
from chengnao.kernel.organisation.service import put_unit, seed_divisions
from chengnao.kernel.paging import PageRequest
from tests.support.workshop import DISTRICT, OFFERED, OTHER, definition, person

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
MAKER = person()
NEEDY: dict[str, Any] = {"evals": {"set": "drain-cases", "pass_mark": 0.8}}


@pytest.fixture(autouse=True)
async def town(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        for unit, division in (("unit-a", DISTRICT), ("unit-b", DISTRICT), ("unit-c", OTHER)):
            await put_unit(uow, Unit(unit, unit, division))
        await uow.commit()


async def make(database: Database, agent_id: str = "drain-inspection", by: Principal = MAKER, **changes: Any) -> None:
    async with database.unit_of_work() as uow:
        await service.create(uow, AUTHORITY, by, definition(agent_id, **changes), OFFERED)
        await uow.commit()


async def publish(database: Database, number: int = 1, by: Principal = MAKER, **how: Any) -> None:
    async with database.unit_of_work() as uow:
        await publishing.publish(uow, AUTHORITY, by, "drain-inspection", number, OFFERED, **how)
        await uow.commit()


async def change(database: Database, by: Principal = MAKER, **changes: Any) -> int:
    async with database.unit_of_work() as uow:
        made = await service.save_version(uow, AUTHORITY, by, definition(**changes), OFFERED)
        await uow.commit()
    return made.version


async def seen(database: Database, by: Principal, **wanted: Any) -> list[str]:
    async with database.unit_of_work() as uow:
        page = await CatalogueRepository(uow.session).agents(by, Wanted(**wanted), PageRequest())
    return [each.record.id for each in page.items]


async def in_use(database: Database) -> int:
    async with database.unit_of_work() as uow:
        return (await service.published(uow, "drain-inspection")).version


async def refusal(database: Database, by: Principal = MAKER, number: int = 1, **how: Any) -> str:
    with pytest.raises(ChengnaoError) as refused:
        await publish(database, number, by, **how)
    return refused.value.code


async def test_two_units_do_not_see_each_others_agents(database: Database) -> None:
    await make(database)
    await make(database, "bridge-check", person(unit="unit-b"))
    await make(database, "river-watch", person(unit="unit-c", division=OTHER))
    assert await seen(database, MAKER) == ["drain-inspection"]
    assert await seen(database, person(unit="unit-b")) == ["bridge-check"]
    assert await seen(database, person(unit="unit-c", division=OTHER)) == ["river-watch"]
    # Without a unit: the whole division. An auditor reads all of the own division, and of those below.
    assert await seen(database, person(unit=None)) == ["bridge-check", "drain-inspection"]
    assert await seen(database, person(Role.AUDITOR, "unit-x", CITY)) == [
        "bridge-check",
        "drain-inspection",
        "river-watch",
    ]
    async with database.unit_of_work() as uow:
        for use in (service.require_agent, service.usable):
            with pytest.raises(NotFound):
                await use(uow, MAKER, "bridge-check")
        for unit in ("unit-b", "unit-a"):
            with pytest.raises(NotFound):
                await service.save_version(
                    uow, AUTHORITY, person(unit=unit), definition("river-watch", purpose="改"), OFFERED
                )


async def test_what_is_shared_is_used_and_seen_but_not_changed(database: Database) -> None:
    await make(database)
    colleague, other = person(unit="unit-b"), person(unit="unit-c", division=OTHER)
    shares = Shares(unit_ids=("unit-b",), division_codes=(OTHER,))
    async with database.unit_of_work() as uow:
        await publishing.share(uow, AUTHORITY, MAKER, "drain-inspection", shares)
        await uow.commit()
    # Shared, but nothing is in use yet.
    assert await seen(database, colleague) == []
    async with database.unit_of_work() as uow:
        with pytest.raises(NotFound):
            await service.require_agent(uow, colleague, "drain-inspection")
    await publish(database)
    street = person(Role.HANDLER, "unit-s", f"{OTHER}003")
    for who in (colleague, other, street):
        assert await seen(database, who) == ["drain-inspection"]
        async with database.unit_of_work() as uow:
            assert (await service.usable(uow, who, "drain-inspection")).version == 1
            with pytest.raises(Forbidden):
                await service.save_version(uow, AUTHORITY, who, definition(purpose="改"), OFFERED)
            with pytest.raises(Forbidden):
                await publishing.publish(uow, AUTHORITY, who, "drain-inspection", 1, OFFERED)
            with pytest.raises(Forbidden):
                await publishing.share(uow, AUTHORITY, who, "drain-inspection", Shares())
    async with database.unit_of_work() as uow:
        await publishing.share(uow, AUTHORITY, MAKER, "drain-inspection", Shares())
        await uow.commit()
    assert await seen(database, colleague) == []


async def test_a_shared_list_shows_the_version_in_use_and_no_later_one(database: Database) -> None:
    await make(database)
    await publish(database)
    async with database.unit_of_work() as uow:
        await publishing.share(uow, AUTHORITY, MAKER, "drain-inspection", Shares(division_codes=(CITY,)))
        await uow.commit()
    assert await change(database, purpose="第二版") == 2
    async with database.unit_of_work() as uow:
        page = await CatalogueRepository(uow.session).agents(person(unit="unit-b"), Wanted(), PageRequest())
    assert [(each.version.version, each.own) for each in page.items] == [(1, False)]
    assert await seen(database, MAKER, words="排水") == ["drain-inspection"]
    assert await seen(database, MAKER, words="桥梁") == []
    assert await seen(database, MAKER, kind="general") == []
    assert await seen(database, MAKER, capability="judgement", published_only=True) == ["drain-inspection"]


async def test_only_a_developer_of_the_unit_makes_agents(database: Database) -> None:
    for role in (Role.DUTY_OFFICER, Role.OPERATOR, Role.HANDLER, Role.AUDITOR, Role.STEWARD):
        with pytest.raises(Forbidden):
            await make(database, by=person(role))
    await make(database)
    with pytest.raises(Conflict, match="已被占用"):
        await make(database, by=person(unit="unit-c", division=OTHER))


async def test_a_definition_that_cannot_run_is_not_kept(database: Database) -> None:
    with pytest.raises(Invalid) as refused:
        await make(database, tools=["test.read", "test.fly"], fallback={"rule": "no.rule"})
    assert (refused.value.params["field"], refused.value.params["count"]) == ("tools.1", 2)
    assert await seen(database, MAKER) == []


async def test_a_version_never_changes_and_saving_the_same_makes_none(database: Database) -> None:
    await make(database)
    assert await change(database) == 1
    assert await change(database, purpose="第二版") == 2
    assert await change(database) == 3
    async with database.unit_of_work() as uow:
        with pytest.raises(Conflict) as refused:
            await service.save_version(uow, AUTHORITY, MAKER, definition(purpose="x"), OFFERED, seen=1)
        assert refused.value.code == "version_conflict"
        first = await service.version_of(uow, "drain-inspection", 1)
        assert first.digest == digest(definition()) == digest(first.definition)
        for statement in ("update agent_versions set note = 'x'", "delete from agent_versions"):
            with pytest.raises(DBAPIError, match="never changes"):
                await uow.session.execute(text(statement))
            await uow.session.rollback()


async def test_publishing_without_the_evaluation_is_refused(database: Database) -> None:
    await make(database, **NEEDY)
    made = digest(definition(**NEEDY))
    assert await refusal(database) == "agent_eval_missing"
    below = Proof("e1", "drain-cases", made, 0.79)
    assert await refusal(database, proof=below) == "agent_eval_below"
    for wrong in (Proof("e1", "other-cases", made, 1.0), Proof("e1", "drain-cases", "0" * 64, 1.0)):
        assert await refusal(database, proof=wrong) == "agent_eval_missing"
    # A reason helps those alone who may: the developer may not.
    assert await refusal(database, waive="急用") == "forbidden"
    assert await refusal(database, waive="  ") == "agent_eval_missing"
    await publish(database, proof=Proof("e1", "drain-cases", made, 0.8))
    assert await in_use(database) == 1


async def test_somebody_with_the_right_publishes_with_a_reason_that_is_kept(database: Database) -> None:
    await make(database, **NEEDY)
    operator = person(Role.OPERATOR)
    await publish(database, by=operator, waive="汛期急用，事后补测")
    async with database.unit_of_work() as uow:
        kept = (await CatalogueRepository(uow.session).publications("drain-inspection", PageRequest())).items[0]
        assert (kept.step, kept.by, kept.waived) == (Step.PUBLISH, operator.id, "汛期急用，事后补测")
        audit = (await AccessRepository(uow.session).audit(Scope(), PageRequest())).items
    assert {"agent.publish", "agent.write"} == {each.action for each in audit}
    assert next(each for each in audit if each.action == "agent.publish").detail["waived"] == "汛期急用，事后补测"


async def test_tools_that_are_gone_keep_a_version_from_being_published(database: Database) -> None:
    await make(database)
    without = Offered({}, OFFERED.rules)
    async with database.unit_of_work() as uow:
        with pytest.raises(Invalid) as refused:
            await publishing.publish(uow, AUTHORITY, MAKER, "drain-inspection", 1, without)
    assert refused.value.params["field"] == "tools.0"


async def test_rolling_back_puts_an_earlier_version_into_use_again(database: Database) -> None:
    await make(database)
    await publish(database)
    assert await change(database, purpose="第二版") == 2
    assert await in_use(database) == 1
    async with database.unit_of_work() as uow:
        for number in (1, 2):  # in use; never was
            with pytest.raises(Conflict):
                await publishing.roll_back(uow, AUTHORITY, MAKER, "drain-inspection", number)
    await publish(database, 2)
    assert await in_use(database) == 2
    async with database.unit_of_work() as uow:
        back = await publishing.roll_back(uow, AUTHORITY, MAKER, "drain-inspection", 1, note="第二版答非所问")
        await uow.commit()
    assert (back.step, back.previous, back.version) == (Step.ROLLBACK, 2, 1)
    assert await in_use(database) == 1
    # Who holds version 2 in hand can still read it: a run under way keeps its version.
    async with database.unit_of_work() as uow:
        assert (await service.version_of(uow, "drain-inspection", 2)).definition.purpose == "第二版"


async def test_of_publishers_at_once_each_sees_what_the_other_left(database: Database) -> None:
    await make(database)
    for number in range(2, 6):
        assert await change(database, purpose=f"第{number}版") == number
    await asyncio.gather(*(publish(database, number) for number in range(1, 6)))
    async with database.unit_of_work() as uow:
        kept = (await CatalogueRepository(uow.session).publications("drain-inspection", PageRequest())).items
    by_previous = {each.previous: each.version for each in kept}
    chain: list[int | None] = [None]
    while chain[-1] in by_previous:
        chain.append(by_previous[chain[-1]])
    assert set(chain) == {None, 1, 2, 3, 4, 5}
    assert await in_use(database) == chain[-1]


async def test_a_retired_agent_is_not_used_and_not_changed(database: Database) -> None:
    await make(database)
    await publish(database)
    async with database.unit_of_work() as uow:
        await publishing.retire(uow, AUTHORITY, MAKER, "drain-inspection", note="并入新智能体")
        await uow.commit()
    assert await seen(database, MAKER) == []
    assert await seen(database, MAKER, retired=True) == ["drain-inspection"]
    with pytest.raises(NotFound):
        await in_use(database)
    with pytest.raises(Conflict, match="停用"):
        await change(database, purpose="第二版")
    assert await refusal(database) == "agent_retired"


async def install(database: Database, *agents: Agent) -> int:
    async with database.unit_of_work() as uow:
        added = await install_builtin(uow, agents)
        await uow.commit()
    return added


async def test_what_comes_with_the_platform_is_for_everybody_and_brought_up_to_date(database: Database) -> None:
    first, second, third = (definition(purpose=f"第{n}版") for n in (1, 2, 3))
    assert await install(database, first) == 1
    assert await install(database, first) == 0
    street = person(Role.HANDLER, "unit-s", "500101001")
    assert await seen(database, street) == ["drain-inspection"]
    assert await install(database, second) == 1
    assert await in_use(database) == 2
    # A person has chosen the version in use: a later one does not take its place by itself.
    async with database.unit_of_work() as uow:
        await publishing.roll_back(uow, AUTHORITY, person(Role.OPERATOR, None, CITY), "drain-inspection", 1)
        await uow.commit()
    assert await install(database, third) == 1
    assert await in_use(database) == 1
    # Nor does an older release take it back, or a pack take somebody's agent.
    assert await install(database, second) == 0
    await make(database, "bridge-check")
    assert await install(database, definition("bridge-check", purpose="别人的")) == 0
    async with database.unit_of_work() as uow:
        assert (await service.require_agent(uow, SYSTEM, "drain-inspection")).builtin
