"""Evaluations: trial runs judged by rules, two versions compared, taken up again after a kill, proof for publishing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.evals import service
from chengnao.agents.evals.model import EvalRun, EvalState, Item, Mode, SetFile
from chengnao.agents.evals.repository import EvalRepository
from chengnao.agents.evals.worker import EvalWorker
from chengnao.agents.offered import Offered
from chengnao.agents.runtime.repository import RunRepository
from chengnao.agents.tools import Answer, Call, Evidence, Rule
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Conflict, Forbidden, NotFound
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from tests.support.agents import Bureau, bureau
from tests.support.workshop import OFFERED, definition, person

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
MAKER = person()
NEEDY: dict[str, Any] = {"evals": {"set": "drain-cases", "pass_mark": 0.8}}


async def _loud(call: Call, given: dict[str, Any]) -> Answer:
    return Answer(result={"text": f"{given['text']}！"}, evidence=[Evidence(kind="rule", id="r", title="规则")])


RULES = {**OFFERED.rules, "test.loud": Rule("test.loud", "大声", _loud)}
LOUD = Offered(OFFERED.tools, RULES)


def cases(count: int, set_id: str = "drain-cases", **changes: Any) -> SetFile:
    """Items that are right where the text is given back as it came."""
    items = [{"id": f"c{n:02d}", "input": {"text": f"第{n}处"}, "expected": {"text": f"第{n}处"}} for n in range(count)]
    head = {"id": set_id, "name": {"zh": "排水案例", "en": "Drain cases"}, "scorer": {"kind": "exact"}, "items": items}
    return SetFile.model_validate(head | changes)


async def prepare(database: Database, count: int = 6) -> None:
    """An agent of two versions, the first of which gives the text back and the second does not, and its set."""
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await catalogue.create(uow, AUTHORITY, MAKER, definition(**NEEDY), LOUD)
        await catalogue.save_version(uow, AUTHORITY, MAKER, definition(fallback={"rule": "test.loud"}, **NEEDY), LOUD)
        await service.create_set(uow, AUTHORITY, MAKER, "drain-inspection", cases(count))
        await uow.commit()


async def start(database: Database, *versions: int, mode: Mode = Mode.OFF, **how: Any) -> EvalRun:
    async with database.unit_of_work() as uow:
        run = await service.start_eval(
            uow, AUTHORITY, MAKER, "drain-inspection", "drain-cases", versions, mode=mode, **how
        )
        await uow.commit()
    return run


async def now(database: Database, run: EvalRun) -> EvalRun:
    async with database.unit_of_work() as uow:
        return await service.require_run(uow, MAKER, run.id)


async def done(here: Bureau, run: EvalRun, worker: EvalWorker | None = None) -> EvalRun:
    worker = worker or EvalWorker(here.database, here.settings)
    while not (found := await now(here.database, run)).state.ended:
        assert await worker.step()
    return found


async def test_two_versions_are_run_judged_and_compared(database: Database, settings: Settings) -> None:
    await prepare(database, 12)
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        run = await done(here, await start(database, 1, 2))
    assert (run.state, run.done, run.total) == (EvalState.DONE, 24, 24)
    assert run.summary is not None
    first, second = run.summary["versions"]
    assert (first["score"], first["items"], first["by"]) == (1.0, 12, {"rule": 12})
    assert (first["low"], first["high"]) == (pytest.approx(0.7575, abs=1e-4), 1.0)
    assert second["score"] == 0.0
    compared = run.summary["comparison"]
    assert (compared["only_first"], compared["only_second"], compared["verdict"]) == (12, 0, "worse")
    async with database.unit_of_work() as uow:
        results = await EvalRepository(uow.session).every_result(run.id)
        # Each result leads to its run: a trial, with a trace.
        made = await RunRepository(uow.session).get(Scope(), str(results[1].run_id))
    assert made is not None
    assert made.trial
    assert results[1].reasons == ["text：应为 第0处，实为 第0处！"]
    assert [each.item.id for each in results[:4]] == ["c00", "c00", "c01", "c01"]


async def test_an_evaluation_that_was_cut_off_goes_on_and_runs_nothing_twice(
    database: Database, settings: Settings
) -> None:
    await prepare(database, 10)
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        run = await start(database, 1)
        gone = EvalWorker(database, settings)
        await gone.step()
        # A process takes the evaluation up and is killed: its lease stands, and nobody else works on it.
        async with database.unit_of_work() as uow:
            moment = datetime.now(UTC)
            claimed = await EvalRepository(uow.session).claim(moment, moment + timedelta(seconds=60))
            await uow.commit()
        assert claimed is not None
        half = await now(database, run)
        assert 0 < half.done < half.total
        assert not await EvalWorker(database, settings).step()
        async with database.unit_of_work() as uow:
            await EvalRepository(uow.session).change_run(run.id, leased_until=moment - timedelta(seconds=1))
            await uow.commit()
        run = await done(here, run)
        async with database.unit_of_work() as uow:
            results = await EvalRepository(uow.session).every_result(run.id)
            page = PageRequest(1, 100)
            made = await RunRepository(uow.session).runs(Scope(), page, agent_id=None, state=None, asked_by=None)
    assert run.state is EvalState.DONE
    assert made.total == 10
    assert {each.run_id for each in results} == {each.id for each in made.items}


async def test_publishing_takes_the_finished_evaluation_of_this_very_version(
    database: Database, settings: Settings
) -> None:
    await prepare(database)

    async def publish(number: int) -> str:
        async with database.unit_of_work() as uow:
            version = await catalogue.version_of(uow, "drain-inspection", number)
            proof = await service.proof_for(uow, version)
            try:
                made = await publishing.publish(uow, AUTHORITY, MAKER, "drain-inspection", number, LOUD, proof=proof)
            except ChengnaoError as error:
                return error.code
            await uow.commit()
            assert made.eval_run_id is not None
            return f"{made.score}"

    assert await publish(1) == "agent_eval_missing"
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        await done(here, await start(database, 1, mode=Mode.OFF))
        # With the model switched off says nothing about the agent as it is used.
        assert await publish(1) == "agent_eval_missing"
        await done(here, await start(database, 1, 2, mode=Mode.MODEL))
    assert await publish(1) == "1.0"
    assert await publish(2) == "agent_eval_below"
    # The list of agents shows the score of the version it shows, and nobody else's side the evaluation itself.
    async with database.unit_of_work() as uow:
        repository = EvalRepository(uow.session)
        first, second = [(await repository.scores({"drain-inspection": each}))["drain-inspection"] for each in (1, 2)]
        assert (first.score, first.items, second.score) == (1.0, 6, 0.0)
        assert await repository.scores({"drain-inspection": 3}) == {}
        with pytest.raises(NotFound):
            await service.require_run(uow, person(unit="unit-b"), first.eval_run_id)


async def test_an_input_that_does_not_fit_fails_its_item_alone(database: Database, settings: Settings) -> None:
    await prepare(database, 3)
    wrong = Item.model_validate(
        {"id": "bad", "input": {"no": 1}, "expected": {"text": "x"}, "scorer": {"kind": "exact"}}
    )
    async with database.unit_of_work() as uow:
        await service.put_items(uow, AUTHORITY, MAKER, "drain-inspection", "drain-cases", [wrong])
        await uow.commit()
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        run = await done(here, await start(database, 1))
    assert run.state is EvalState.DONE
    assert run.summary is not None
    assert run.summary["versions"][0]["score"] == 0.75


async def test_a_cancelled_evaluation_keeps_what_it_knows(database: Database, settings: Settings) -> None:
    await prepare(database, 12)
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        run = await start(database, 1)
        worker = EvalWorker(database, settings)
        await worker.step()
        async with database.unit_of_work() as uow:
            await service.cancel_eval(uow, AUTHORITY, MAKER, run.id)
            await uow.commit()
        ended = await done(here, run, worker)
    assert ended.state is EvalState.CANCELLED
    assert 0 < ended.done < ended.total
    async with database.unit_of_work() as uow:
        with pytest.raises(Conflict):
            await service.cancel_eval(uow, AUTHORITY, MAKER, run.id)


async def test_items_hide_personal_details_and_come_from_real_runs(database: Database, settings: Settings) -> None:
    await prepare(database)
    async with bureau(database, settings, OFFERED.tools, RULES) as here:
        real = await here.ask(definition(), MAKER, "联系人张伟，电话 13812345678")
    item = service.from_run(real, None, None)
    async with database.unit_of_work() as uow:
        kept = await service.put_items(uow, AUTHORITY, MAKER, "drain-inspection", "drain-cases", [item])
        await uow.commit()
    assert kept[0].source is not None
    assert (kept[0].source.kind, kept[0].source.id) == ("run", real.id)
    assert "13812345678" not in kept[0].model_dump_json()
    assert "张伟" not in kept[0].model_dump_json()
    assert kept[0].input.keys() == real.input.keys()


async def test_sets_are_for_the_own_side_and_those_of_the_platform_stay_as_they_are(database: Database) -> None:
    await prepare(database)
    other = person(unit="unit-b")
    async with database.unit_of_work() as uow:
        for who, refusal in ((other, NotFound), (person(Role.AUDITOR), Forbidden)):
            with pytest.raises(refusal):
                await service.create_set(uow, AUTHORITY, who, "drain-inspection", cases(1, "x-cases"))
            with pytest.raises(refusal):
                await service.start_eval(uow, AUTHORITY, who, "drain-inspection", "drain-cases", [1])
        with pytest.raises(NotFound):
            await service.sets_of(uow, other, "drain-inspection")
        # A set of somebody else's agent is none for this one.
        await catalogue.create(uow, AUTHORITY, other, definition("bridge-check"), OFFERED)
        with pytest.raises(NotFound):
            await service.start_eval(uow, AUTHORITY, other, "bridge-check", "drain-cases", [1])
        with pytest.raises(Conflict):
            await service.create_set(uow, AUTHORITY, other, "bridge-check", cases(1))


async def test_a_set_without_items_for_figures_is_not_run(database: Database) -> None:
    await prepare(database)
    with pytest.raises(ChengnaoError) as refused:
        await start(database, 1, split="dev")
    assert refused.value.code == "eval_set_empty"
    with pytest.raises(ChengnaoError) as refused:
        await start(database, 1, 2, 3)
    assert refused.value.code == "eval_versions_many"
