"""Leave for one call: exact arguments, one use, in time, and never by who asked."""

import asyncio
from datetime import timedelta

import pytest

from chengnao.agents.model import Effect
from chengnao.agents.runtime import service
from chengnao.agents.runtime.model import Approval, ApprovalState, By, Run, RunState
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Forbidden, NotFound
from chengnao.kernel.paging import PageRequest
from tests.support.agents import Bureau, answers, calls, definition, draft
from tests.support.loop import DISPATCHER, DUTY_OFFICER, VERIFIER, WANZHOU, YUZHONG, person
from tests.support.vendor import Vendor

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
CAREFUL = definition(autonomy="act_with_approval")


async def open_ones(database: Database) -> list[Approval]:
    async with database.unit_of_work() as uow:
        page = await ApprovalRepository(uow.session).approvals(
            Scope(), ApprovalState.OPEN, service.real_now(), PageRequest()
        )
    return page.items


async def asked_for(office: Bureau, run: Run) -> Approval:
    for _ in range(200):
        for each in await open_ones(office.database):
            if each.run_id == run.id:
                return each
        await asyncio.sleep(0.05)
    raise AssertionError("nobody was asked")


async def decide(database: Database, actor: Principal, approval: Approval, *, grant: bool) -> Approval:
    async with database.unit_of_work() as uow:
        decided = await service.decide(uow, AUTHORITY, actor, approval.id, grant=grant, reason="已核对")
        await uow.commit()
    return decided


def script(vendor: Vendor) -> None:
    vendor.say(calls("papers.search", words="水压"), calls("desk.note", words="写一条"), answers("两小时内到场", "e1"))


async def test_a_write_waits_for_a_person_and_is_done_once(office: Bureau, vendor: Vendor) -> None:
    script(vendor)
    run = await office.start(CAREFUL, DISPATCHER)
    approval = await asked_for(office, run)
    assert (approval.tool, approval.effect, approval.arguments) == ("desk.note", Effect.WRITE, {"words": "写一条"})
    async with office.database.unit_of_work() as uow:
        assert (await service.run_of(uow, Scope(), run.id)).state is RunState.WAITING
    assert await office.effects() == []
    await decide(office.database, DUTY_OFFICER, approval, grant=True)
    ended = await office.ended(run)
    assert (ended.by, await office.effects()) == (By.MODEL, ["写一条"])
    async with office.database.unit_of_work() as uow:
        (used,) = await ApprovalRepository(uow.session).of_run(run.id)
        kinds = [step.kind.value for step in await RunRepository(uow.session).steps(run.id)]
    assert used.state is ApprovalState.USED
    assert kinds == ["model", "tool", "model", "approval", "tool", "model"]
    with pytest.raises(Conflict):
        await decide(office.database, DUTY_OFFICER, used, grant=False)


async def test_a_refusal_is_told_to_the_model_and_nothing_is_written(office: Bureau, vendor: Vendor) -> None:
    script(vendor)
    run = await office.start(CAREFUL, DISPATCHER)
    await decide(office.database, DUTY_OFFICER, await asked_for(office, run), grant=False)
    assert (await office.ended(run)).by is By.MODEL
    told = vendor.asked[-1].body
    assert told is not None
    assert "审批结果为 refused" in told["messages"][-1]["content"]
    assert await office.effects() == []


async def test_an_approval_that_expires_lets_the_run_go_on_without(
    office: Bureau, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "APPROVAL_LASTS", timedelta(seconds=0.5))
    script(vendor)
    run = await office.ask(CAREFUL, DISPATCHER)
    assert (run.by, await office.effects()) == (By.MODEL, [])
    async with office.database.unit_of_work() as uow:
        (approval,) = await ApprovalRepository(uow.session).of_run(run.id)
    assert approval.state is ApprovalState.EXPIRED
    with pytest.raises(Conflict):
        await decide(office.database, DUTY_OFFICER, approval, grant=True)


async def test_what_reaches_outside_waits_however_free_the_agent_is(office: Bureau, vendor: Vendor) -> None:
    vendor.say(calls("citizen.answer", words="您好"), answers("已答复", "e1"))
    run = await office.start(definition(tools=["citizen.answer"], autonomy="act"), DISPATCHER)
    approval = await asked_for(office, run)
    assert approval.effect is Effect.OUTWARD
    await decide(office.database, DUTY_OFFICER, approval, grant=True)
    assert (await office.ended(run)).by is By.MODEL
    assert await office.effects() == ["您好"]


async def test_who_may_decide(office: Bureau, vendor: Vendor) -> None:
    script(vendor)
    asker = person(Role.DUTY_OFFICER, YUZHONG)
    run = await office.start(CAREFUL, asker)
    approval = await asked_for(office, run)
    with pytest.raises(Forbidden):
        await decide(office.database, asker, approval, grant=True)
    for stranger in (VERIFIER, person(Role.AUDITOR), person(Role.HANDLER, YUZHONG)):
        with pytest.raises(Forbidden):
            await decide(office.database, stranger, approval, grant=True)
    with pytest.raises(NotFound):
        await decide(office.database, person(Role.DUTY_OFFICER, WANZHOU), approval, grant=True)
    for fine in (DUTY_OFFICER, person(Role.STEWARD, YUZHONG)):
        async with office.database.unit_of_work() as uow:
            await service.decide(uow, AUTHORITY, fine, approval.id, grant=True, reason="")
    await office.ended(run, 0.1)
    async with office.database.unit_of_work() as uow:
        await service.cancel(uow, asker, run)
        await uow.commit()
    assert (await office.ended(run)).state is RunState.CANCELLED
    async with office.database.unit_of_work() as uow:
        (left,) = await ApprovalRepository(uow.session).of_run(run.id)
    assert left.state is ApprovalState.EXPIRED


async def test_other_arguments_a_second_use_and_a_race_of_two_are_refused(database: Database) -> None:
    async with database.unit_of_work() as uow:
        run = await service.start_run(uow, DISPATCHER, draft(CAREFUL), {"text": "水"})
        await service.open_approval(uow, run, "c1", "desk.note", Effect.WRITE, {"words": "甲"}, "digest of 甲")
        again = await service.open_approval(uow, run, "c1", "desk.note", Effect.WRITE, {"words": "乙"}, "digest of 乙")
        await uow.commit()
    assert again.digest == "digest of 甲"
    async with database.unit_of_work() as uow:
        with pytest.raises(Conflict):
            await service.use_approval(uow, run.id, "c1", "digest of 甲")
    await decide(database, DUTY_OFFICER, again, grant=True)

    async def use(digest: str) -> bool:
        async with database.unit_of_work() as uow:
            try:
                await service.use_approval(uow, run.id, "c1", digest)
            except Conflict:
                return False
            await asyncio.sleep(0.05)
            await uow.commit()
            return True

    assert not await use("digest of 乙")
    assert sum(await asyncio.gather(*(use("digest of 甲") for _ in range(8)))) == 1
    assert not await use("digest of 甲")


async def test_two_who_decide_at_once_decide_once(database: Database) -> None:
    async with database.unit_of_work() as uow:
        run = await service.start_run(uow, DISPATCHER, draft(CAREFUL), {"text": "水"})
        approval = await service.open_approval(uow, run, "c1", "desk.note", Effect.WRITE, {"words": "甲"}, "d")
        await uow.commit()
    deciders = [person(Role.DUTY_OFFICER, name=f"n{n}") for n in range(6)]
    done = await asyncio.gather(
        *(decide(database, who, approval, grant=n % 2 == 0) for n, who in enumerate(deciders)), return_exceptions=True
    )
    assert sum(isinstance(each, Approval) for each in done) == 1
