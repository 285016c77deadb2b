"""How long the texts of runs are kept, and how; what leaves the platform as traces."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chengnao.agents.runtime.model import By, RunState
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.service import decide, finished
from chengnao.agents.runtime.views import RunOut
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings, load_settings
from tests.support.agents import Bureau, answers, bureau, calls, definition
from tests.support.loop import DISPATCHER, DUTY_OFFICER, VERIFIER, person
from tests.support.vendor import Vendor

pytestmark = pytest.mark.engines

WORDS = "独一无二的内容"


def script(vendor: Vendor) -> None:
    vendor.say(calls("papers.search", words="水压"), answers("两小时内到场", "e1"))


async def everything(database: Database) -> str:
    """All that the database holds of runs, also what the workflows keep, as one text."""
    found: list[Any] = []
    async with database.unit_of_work() as uow:
        tables = (
            "approvals",
            "agent_runs",
            "agent_steps",
            "agent_acts",
            "agents.workflow_status",
            "agents.operation_outputs",
        )
        for table in tables:
            found += (await uow.session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))).all()
    return "\n".join(found)


async def test_sensitive_texts_are_sealed_and_shown_to_few(office: Bureau, vendor: Vendor) -> None:
    agent = definition(model={"route": "chat", "data": "sensitive"})
    script(vendor)
    run = await office.ask(agent, DISPATCHER, WORDS)
    assert (run.by, run.input) == (By.MODEL, {"text": WORDS})
    body = vendor.asked[0]
    assert body.headers["x-data-class"] == "sensitive"
    kept = await everything(office.database)
    assert WORDS not in kept
    assert "两小时内到场" not in kept
    unsealed = await finished(office.database, run.id, 0.0)
    assert (unsealed.input, unsealed.result, unsealed.purged) == ({}, None, True)
    for who, sees in ((DISPATCHER, True), (person(Role.AUDITOR), True), (VERIFIER, False)):
        shown = RunOut.of(run, who)
        assert (shown.withheld, shown.result is not None) == (not sees, sees)


async def test_what_leave_is_asked_for_is_sealed_and_shown_to_who_decides(office: Bureau, vendor: Vendor) -> None:
    agent = definition(model={"route": "chat", "data": "sensitive"}, autonomy="act_with_approval", tools=["desk.note"])
    vendor.say(calls("desk.note", words=WORDS), answers("已记录", "e1"))
    run = await office.start(agent, DISPATCHER, WORDS)
    while (await office.ended(run, 0.1)).state is not RunState.WAITING:
        pass
    assert WORDS not in await everything(office.database)
    async with office.database.unit_of_work() as uow:
        (unseen,) = await ApprovalRepository(uow.session).of_run(run.id)
        (seen,) = await ApprovalRepository(uow.session, Vault.of(office.settings.home)).of_run(run.id)
        await decide(uow, Authority.load(), DUTY_OFFICER, seen.id, grant=True, reason="")
        await uow.commit()
    assert (unseen.arguments, seen.arguments) == (None, {"words": WORDS})
    assert ((await office.ended(run)).by, await office.effects()) == (By.MODEL, [WORDS])


async def test_the_workflows_own_tables_hold_no_texts(office: Bureau, vendor: Vendor) -> None:
    script(vendor)
    await office.ask(definition(), DISPATCHER, WORDS)
    async with office.database.unit_of_work() as uow:
        for table in ("agents.workflow_status", "agents.operation_outputs"):
            rows = (await uow.session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))).all()
            assert rows
            assert WORDS not in "".join(rows)
            assert "两小时" not in "".join(rows)


async def test_texts_go_when_their_time_is_up_and_the_counts_stay(office: Bureau, vendor: Vendor) -> None:
    script(vendor)
    run = await office.ask(definition(), DISPATCHER, WORDS)
    assert run.ended_at is not None
    async with office.database.unit_of_work() as uow:
        repository = RunRepository(uow.session)
        assert await repository.purge(run.ended_at + timedelta(days=179)) == 0
        assert await repository.purge(run.ended_at + timedelta(days=181)) == 1
        await uow.commit()
    kept = await everything(office.database)
    assert WORDS not in kept
    assert "两小时内到场" not in kept
    async with office.database.unit_of_work() as uow:
        left = await RunRepository(uow.session, Vault.of(office.settings.home)).get(Scope(), run.id)
        steps = await RunRepository(uow.session).steps(run.id)
    assert left is not None
    assert (left.state, left.tokens, left.purged, left.result) == (RunState.DONE, 30, True, None)
    assert [step.prompt_tokens for step in steps] == [10, 0, 10]


async def test_the_asker_is_gone_before_the_call(office: Bureau, vendor: Vendor) -> None:
    gone = User("gone", "wang", "王", frozenset({Role.DISPATCHER}), "500000", None, active=False)
    async with office.database.unit_of_work() as uow:
        await AccessRepository(uow.session).add_user(gone, "no password")
        await uow.commit()
    vendor.say(calls("desk.note", words="写"), calls("papers.search", words="水压"), answers("两小时内到场", "e1"))
    run = await office.ask(definition(), gone.principal)
    assert (run.state, await office.effects()) == (RunState.FAILED, [])
    assert run.error is not None
    assert run.error["code"] == "agent_principal_gone"


async def test_traces_go_to_the_collector_of_the_settings_without_any_text(
    database: Database, settings: Settings, vendor: Vendor
) -> None:
    with Vendor() as collector:
        told = load_settings(settings.home, otlp_url=collector.url.removesuffix("/v1"))
        async with bureau(database, told) as office:
            script(vendor)
            run = await office.ask(definition(), DISPATCHER, WORDS)
            for _ in range(100):
                if collector.asked:
                    break
                await asyncio.sleep(0.05)
    (sent,) = collector.asked
    assert sent.path == "/v1/traces"
    assert WORDS not in sent.raw.decode()
    assert "两小时" not in sent.raw.decode()
    assert sent.body is not None
    (scope,) = sent.body["resourceSpans"][0]["scopeSpans"]
    names = [span["name"] for span in scope["spans"]]
    assert names == ["invoke_agent test-advice", "chat chat", "execute_tool papers.search", "chat chat"]
    assert {span["traceId"] for span in scope["spans"]} == {run.trace_id}
    usage = {each["key"]: each["value"] for each in scope["spans"][1]["attributes"]}
    assert usage["gen_ai.usage.input_tokens"] == {"intValue": "10"}
    json.dumps(sent.body)
