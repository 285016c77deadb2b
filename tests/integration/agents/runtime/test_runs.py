"""Runs from start to end: with a scripted model behind a real socket, and without any."""

import asyncio
import json

import pytest
from sqlalchemy import text

from chengnao.agents.runtime import executor
from chengnao.agents.runtime.model import By, RunState
from chengnao.agents.runtime.repository import RunRepository
from chengnao.agents.runtime.service import cancel, start_run
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.settings import Settings, load_settings
from tests.support.agents import Bureau, answers, bureau, calls, definition, draft
from tests.support.loop import DISPATCHER, VERIFIER
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines


async def test_with_models_off_the_rule_answers(database: Database, settings: Settings) -> None:
    off = load_settings(settings.home, models=False)
    async with bureau(database, off) as office:
        run = await office.ask(definition(), DISPATCHER)
    assert (run.state, run.by) == (RunState.DONE, By.RULE)
    assert run.result == {"advice": "按规则处理：水压很低"}
    assert run.reason is not None
    assert run.reason["code"] == "models_off"
    assert run.evidence[0]["id"] == "advice.rule"


async def test_a_model_calls_tools_and_answers_with_evidence(office: Bureau, vendor: Vendor) -> None:
    vendor.say(calls("papers.search", words="水压"), calls("desk.note", words="已查"), answers("两小时内到场", "e1"))
    run = await office.ask(definition(), DISPATCHER)
    assert (run.state, run.by, run.result) == (RunState.DONE, By.MODEL, {"advice": "两小时内到场"}), run
    assert [each["id"] for each in run.evidence] == ["doc-1"]
    assert await office.effects() == ["已查"]
    assert run.tokens == 45


async def test_a_model_that_is_down_slow_or_has_no_money_left_gives_way_to_the_rule(
    office: Bureau, vendor: Vendor
) -> None:
    budget = {"error": {"code": "budget_spent", "params": {"retry_after": 60}}}
    for said, code in (
        (Said(status=500), "model_answer_unreadable"),
        (Said(raw=b"<html>", status=200), "model_answer_unreadable"),
        (Said(status=200, cut_after=20), "models_down"),
        (Said(delay=5.0), "agent_limit"),
        (Said(raw=json.dumps(budget).encode(), status=429), "budget_spent"),
    ):
        vendor.say(said)
        run = await office.ask(definition(limits={"seconds": 1.0}), DISPATCHER)
        assert (run.state, run.by) == (RunState.DONE, By.RULE)
        assert run.reason is not None
        assert run.reason["code"] in (code, "model_too_slow"), (said, run.reason)
    vendor.stop()
    run = await office.ask(definition(), DISPATCHER)
    assert (run.by, run.reason and run.reason["code"]) == (By.RULE, "models_down")
    vendor.start()


@pytest.mark.parametrize(
    ("nonsense", "fault"),
    [
        ("", "empty"),
        ("好的，我来处理。", "not_json"),
        ('{"next": "answer", "answer": {"advice": "两小时', "half_json"),
        ("答" * 100_000, "too_long"),
        (json.dumps({"next": "papers.burn", "arguments": {}}), "unknown_tool"),
        (json.dumps({"next": "answer", "answer": {"advise": "x"}, "evidence": ["e1"]}), "does_not_fit"),
        (json.dumps(answers("Please send somebody within two hours to the place.", "e1")), "other_language"),
        (json.dumps(answers("两小时内到场", "e9")), "evidence_made_up"),
        (json.dumps(answers("两小时内到场")), "no_evidence"),
        ("[" * 5_000, "not_json"),
    ],
)
async def test_nonsense_is_named_to_the_model_once_and_then_the_rule_answers(
    office: Bureau, vendor: Vendor, nonsense: str, fault: str
) -> None:
    agent = definition(context=[{"tool": "papers.search", "with": {"words": "水压"}}])
    vendor.say(nonsense, answers("两小时内到场", "e1"))
    run = await office.ask(agent, DISPATCHER)
    assert (run.by, run.result) == (By.MODEL, {"advice": "两小时内到场"}), run.reason
    told = vendor.asked[-1].body
    assert told is not None
    assert "retry_feedback" in told["messages"][-1]["content"]
    assert len(json.dumps(told)) < 20_000
    vendor.say(nonsense, nonsense)
    run = await office.ask(agent, DISPATCHER)
    assert (run.by, run.result) == (By.RULE, {"advice": "按规则处理：水压很低"})
    assert run.reason is not None
    assert (run.reason["code"], run.reason["params"]["fault"]) == ("agent_model_nonsense", fault)
    assert len(vendor.asked) == 4


async def test_a_code_fence_and_talk_around_the_json_do_no_harm(office: Bureau, vendor: Vendor) -> None:
    agent = definition(context=[{"tool": "papers.search", "with": {"words": "水压"}}])
    vendor.say("```json\n" + json.dumps(answers("两小时内到场", "e1")) + "\n```\n以上是结果。")
    assert (await office.ask(agent, DISPATCHER)).by is By.MODEL


async def test_wrong_arguments_are_told_once(office: Bureau, vendor: Vendor) -> None:
    vendor.say(calls("desk.note", words=""), calls("desk.note", words="改好了"), calls("papers.search", words="水压"))
    vendor.say(answers("两小时内到场", "e1"))
    run = await office.ask(definition(), DISPATCHER)
    assert (run.by, await office.effects()) == (By.MODEL, ["改好了"])
    vendor.say(calls("desk.note", words=""), calls("desk.note", word="又错"))
    run = await office.ask(definition(), DISPATCHER)
    assert (run.by, await office.effects()) == (By.RULE, ["改好了"])


async def test_what_a_tool_raises_is_told_to_the_model_and_leaves_nothing(office: Bureau, vendor: Vendor) -> None:
    for tool in ("desk.fails", "desk.breaks"):
        vendor.say(calls(tool, words="写"), calls("papers.search", words="水压"), answers("两小时内到场", "e1"))
        run = await office.ask(definition(tools=[tool, "papers.search"]), DISPATCHER)
        assert (run.by, await office.effects()) == (By.MODEL, [])
        told = vendor.asked[-2].body
        assert told is not None
        assert "未执行" in told["messages"][-1]["content"]


async def test_the_same_call_is_made_once_however_often_the_model_wants_it(office: Bureau, vendor: Vendor) -> None:
    note = calls("desk.note", words="写一条")
    vendor.say(note, note, calls("papers.search", words="水压"), note, answers("两小时内到场", "e2"))
    run = await office.ask(definition(), DISPATCHER)
    assert (run.by, await office.effects()) == (By.MODEL, ["写一条"])
    assert [each["id"] for each in run.evidence] == ["doc-1"]


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"tokens": 2_000}, "tokens"),
        ({"steps": 2}, "steps"),
        ({"money": 0.005}, "money"),
        ({"seconds": 0.7}, "seconds"),
    ],
)
async def test_each_limit_ends_the_models_part(
    office: Bureau, vendor: Vendor, limits: dict[str, float], limit: str
) -> None:
    delay = 0.4 if limit == "seconds" else 0.0
    vendor.otherwise = Said(
        json.dumps(calls("papers.search", words="水压")),
        usage=(400, 50),
        delay=delay,
        headers={"X-Chengnao-Money": "2000"},
    )
    run = await office.ask(definition(limits=limits), DISPATCHER)
    assert (run.state, run.by) == (RunState.DONE, By.RULE)
    assert run.reason is not None
    assert run.reason["params"].get("limit") == limit or run.reason["code"] == "model_too_slow", run.reason
    assert len(vendor.asked) <= 6


async def test_a_person_takes_over_where_the_definition_says_so(office: Bureau) -> None:
    run = await office.ask(definition(fallback={"human": "duty_officer"}), DISPATCHER)
    assert (run.state, run.by, run.role, run.result) == (RunState.DONE, By.HUMAN, "duty_officer", None)


async def test_a_rule_that_is_wrong_or_missing_is_a_failed_run(office: Bureau) -> None:
    for rule, code in (("advice.wrong", "agent_rule_wrong"), ("advice.none", "agent_rule_unknown")):
        run = await office.ask(definition(fallback={"rule": rule}), DISPATCHER)
        assert (run.state, run.error and run.error["code"]) == (RunState.FAILED, code)


async def test_nothing_to_cite_means_no_answer_of_a_model(office: Bureau, vendor: Vendor) -> None:
    run = await office.ask(definition(tools=[]), DISPATCHER)
    assert (run.by, run.reason and run.reason["code"], vendor.asked) == (By.RULE, "agent_nothing_to_cite", [])
    vendor.say({"answer": {"advice": "立即处置"}, "evidence": [], "confidence": 0.9})
    run = await office.ask(definition(tools=[], evidence="optional"), DISPATCHER)
    assert (run.by, run.confidence, run.ai_label) == (By.MODEL, 0.9, "由 AI 生成，供参考")


async def test_a_key_starts_one_run(office: Bureau) -> None:
    first = await office.start(definition(), DISPATCHER, key="report-1")
    assert (await office.start(definition(), DISPATCHER, key="report-1")).id == first.id
    assert (await office.start(definition(), VERIFIER, key="report-1")).id != first.id


async def test_input_that_does_not_fit_starts_nothing(office: Bureau) -> None:
    async with office.database.unit_of_work() as uow:
        for wrong in ({}, {"text": 5}, {"text": "长" * 300_000}):
            with pytest.raises(Invalid):
                await start_run(uow, DISPATCHER, draft(definition()), wrong)


async def test_a_run_is_cancelled_queued_and_running(office: Bureau, vendor: Vendor) -> None:
    vendor.otherwise = Said(delay=20.0)
    run = await office.start(definition(), DISPATCHER)
    while not vendor.asked:
        await asyncio.sleep(0.05)
    async with office.database.unit_of_work() as uow:
        await cancel(uow, DISPATCHER, run)
        await uow.commit()
    ended = await office.ended(run, 5.0)
    assert (ended.state, await office.effects()) == (RunState.CANCELLED, [])
    async with office.database.unit_of_work() as uow:
        with pytest.raises(Conflict):
            await cancel(uow, DISPATCHER, ended)
        queued = await start_run(uow, DISPATCHER, draft(definition()), {"text": "水"})
        assert (await cancel(uow, DISPATCHER, queued)).state is RunState.CANCELLED


async def test_many_at_once_all_end(office: Bureau, vendor: Vendor) -> None:
    vendor.respond = lambda asked: (
        calls("papers.search", words="水压")
        if len((asked.body or {})["messages"]) == 2
        else answers("两小时内到场", "e1")
    )
    runs = [await office.start(definition(), DISPATCHER) for _ in range(40)]
    ended = [await office.ended(run) for run in runs]
    assert {each.by for each in ended} == {By.MODEL}


async def test_a_run_that_ends_its_process_again_and_again_is_given_up(office: Bureau) -> None:
    async with office.database.unit_of_work() as uow:
        run = await start_run(uow, DISPATCHER, draft(definition()), {"text": "水"})
        await uow.session.execute(text("UPDATE agent_runs SET tries = 50"))
        await uow.commit()
    ended = await office.ended(run)
    assert (ended.state, ended.error and ended.error["code"]) == (RunState.FAILED, "agent_run_crashing")


async def test_a_run_that_was_taken_and_never_begun_is_begun(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_RECONCILE_SECONDS", 0.3)
    async with database.unit_of_work() as uow:
        run = await start_run(uow, DISPATCHER, draft(definition()), {"text": "水"})
        await RunRepository(uow.session).take(1, uow.clock.now())
        await uow.commit()
    async with bureau(database, load_settings(settings.home, models=False)) as office:
        assert (await office.ended(run)).by is By.RULE


async def test_a_run_whose_workflow_ended_without_it_is_ended(
    office: Bureau, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.otherwise = Said(json.dumps(answers("两小时内到场", "e1")))
    run = await office.ask(definition(), DISPATCHER)
    async with office.database.unit_of_work() as uow:
        await uow.session.execute(text("UPDATE agent_runs SET state = 'running', ended_at = NULL"))
        await uow.commit()
    ended = await office.ended(run)
    assert (ended.state, ended.error and ended.error["code"]) == (RunState.FAILED, "agent_run_lost")
