"""From a YAML text to an agent that others use, through the real processes, and back to an earlier version."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.offered import Offered
from chengnao.agents.runtime.model import By, RunState
from chengnao.agents.runtime.service import start_run
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.settings import Settings
from tests.support.across import mcp_client
from tests.support.agents import RULES, TOOLS, Bureau, answers, bureau, definition
from tests.support.platform import Client, Platform, running_platform
from tests.support.vendor import Said, Vendor
from tests.support.workshop import DISTRICT, person

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
OFFER = Offered(TOOLS, RULES)


@pytest.fixture
def vendor(settings: Settings) -> Iterator[Vendor]:
    with Vendor(settings.port("models")) as made:
        yield made


@pytest.fixture
async def office(database: Database, settings: Settings) -> AsyncIterator[Bureau]:
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await uow.commit()
    async with bureau(database, settings) as made:
        yield made


async def test_runs_under_way_keep_their_version_when_it_is_rolled_back(office: Bureau, vendor: Vendor) -> None:
    maker = person(unit=None)
    first = definition(tools=[], evidence="optional", instructions="第一版：照实回答。")
    second = definition(tools=[], evidence="optional", instructions="第二版：照实回答。")

    async def put_in_use(number: int, agent: Any, how: Any) -> None:
        async with office.database.unit_of_work() as uow:
            await how(uow, AUTHORITY, maker, agent, OFFER)
            await publishing.publish(uow, AUTHORITY, maker, "test-advice", number, OFFER)
            await uow.commit()

    async def started(who: Principal) -> Any:
        async with office.database.unit_of_work() as uow:
            run = await start_run(uow, who, await catalogue.usable(uow, who, "test-advice"), {"text": "水压很低"})
            await uow.commit()
        return run

    await put_in_use(1, first, catalogue.create)
    await put_in_use(2, second, catalogue.save_version)
    vendor.say(Said(text=json.dumps(answers("第二版的回答")), delay=3.0))
    under_way = await started(maker)
    while not vendor.asked:
        await asyncio.sleep(0.05)
    async with office.database.unit_of_work() as uow:
        await publishing.roll_back(uow, AUTHORITY, maker, "test-advice", 1, note="答非所问")
        await uow.commit()
    vendor.say(answers("第一版的回答"))
    later = await started(maker)
    ended, after = await office.ended(under_way), await office.ended(later)
    assert (ended.state, ended.by, ended.version) == (RunState.DONE, By.MODEL, 2)
    assert (after.state, after.by, after.version) == (RunState.DONE, By.MODEL, 1)
    asked = [str(each.body) for each in vendor.asked]
    assert "第二版" in asked[0]
    assert "第一版" in asked[-1]


YAML = """\
id: count-words
name: {zh: 字句核对, en: Word check}
purpose: 按规则核对一段文字
kind: scenario
capability: audit
instructions: 核对文字。
input: {type: object, properties: {text: {type: string}}, required: [text]}
output: {type: object, properties: {text: {type: string}}}
evidence: optional
evals: {set: count-words-cases, pass_mark: 0.5}
fallback: {human: handler}
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False, agents="true") as made:
        made.run("user", "add", "maker", "--role", "developer", "--division", DISTRICT)
        made.run("user", "add", "boss", "--role", "operator")
        made.run("user", "add", "worker", "--role", "verifier", "--division", DISTRICT)
        yield made


def ended(client: Client, path: str, seconds: float = 90.0) -> Any:
    """What stands at the path once its state is one that lasts."""
    ends = time.monotonic() + seconds
    while (found := client.read(path))["state"] in ("queued", "running"):
        assert time.monotonic() < ends, found
        time.sleep(0.3)
    return found


async def test_from_a_text_to_an_agent_that_answers_over_mcp_and_back(platform: Platform) -> None:
    maker, boss, worker = (platform.client(name) for name in ("maker", "boss", "worker"))
    # The general agents are there for everybody, and each answers or says who will while no model is there.
    general = maker.read("/api/agents", kind="general", size=50)["items"]
    assert len(general) >= 11
    assert all(each["usable"] and each["published_version"] and not each["own"] for each in general)
    # A text with a mistake is told with its line; a good one becomes a draft.
    wrong = maker.post("/api/agents/check", json={"yaml": YAML.replace("scenario", "sceanrio")}).json()
    assert [(each["path"], each["line"]) for each in wrong["errors"]] == [("kind", 4)]
    made = maker.post("/api/agents", json={"yaml": YAML})
    assert made.status_code == 201, made.text
    assert (made.json()["published_version"], made.json()["may"]) == (None, ["write", "evaluate", "publish"])
    assert boss.read("/api/agents", q="count-words")["items"][0]["usable"] is False
    # It asks for an evaluation: made of two cases, run in the agents' process, it does not reach the mark.
    cases = {
        "id": "count-words-cases",
        "name": {"zh": "核对案例", "en": "Cases"},
        "items": [
            {"id": f"c{n}", "input": {"text": "一"}, "expected": {"text": "一"}, "scorer": {"kind": "exact"}}
            for n in range(2)
        ],
    }
    assert maker.post("/api/agents/count-words/evals", json=cases).status_code == 201
    refused = maker.post("/api/agents/count-words/publish", json={"version": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "agent_eval_missing")
    run = maker.post("/api/agents/count-words/evals/count-words-cases/run", json={"versions": [1]}).json()
    found = ended(maker, f"/api/evals/runs/{run['id']}")
    assert (found["state"], found["done"]) == ("done", 2)
    assert found["summary"]["versions"][0]["by"] == {"human": 2}
    results = maker.read(f"/api/evals/runs/{run['id']}/results")["items"]
    assert maker.read(f"/api/agents/runs/{results[0]['run_id']}")["trial"] is True
    refused = maker.post("/api/agents/count-words/publish", json={"version": 1})
    assert refused.json()["error"]["code"] == "agent_eval_below"
    # Somebody with the right publishes with a reason; it is shared, and others see it.
    waived = boss.post("/api/agents/count-words/publish", json={"version": 1, "waive": "无模型环境试点"})
    assert waived.status_code == 200, waived.text
    assert worker.read("/api/agents", q="count-words")["items"][0]["usable"] is True
    # Its answers come over MCP, from the process of its own.
    secret = worker.post("/api/session/tokens", json={"name": "桌面助手"}).json()["secret"]
    address = f"http://127.0.0.1:{platform.settings.port('agents')}"
    async with mcp_client(address, secret) as client:
        names = {each.name for each in (await client.list_tools()).tools}
        assert {"agent_count-words", "agent_smart-search", "incident_search", "chengnao_result"} <= names
        answer = (await client.call_tool("agent_count-words", {"text": "你好"})).structured_content
        assert (answer["state"], answer["by"], answer["handed_to"]) == ("done", "human", "handler")
        reviewed = (await client.call_tool("text_review", {"text": "本市最好的服务"})).structured_content
        assert "error" not in reviewed, reviewed
    # A second version, published the same way, is rolled back.
    saved = maker.put("/api/agents/count-words", json={"yaml": YAML.replace("核对文字", "再核对文字"), "seen": 1})
    assert saved.json()["latest_version"] == 2
    assert maker.put("/api/agents/count-words", json={"yaml": YAML, "seen": 1}).status_code == 409
    boss.post("/api/agents/count-words/publish", json={"version": 2, "waive": "同上"}).raise_for_status()
    back = maker.post("/api/agents/count-words/rollback", json={"version": 1, "note": "第二版有误"})
    assert back.json()["published_version"] == 1
    history = maker.read("/api/agents/count-words/publications")["items"]
    assert [(each["step"], each["version"]) for each in history] == [("rollback", 1), ("publish", 2), ("publish", 1)]
    assert history[2]["waived"] == "无模型环境试点"
    # What it did is counted; the agent's YAML comes back as it was meant.
    detail = maker.read("/api/agents/count-words")
    assert (detail["usage"]["runs"], detail["usage"]["by_human"], detail["usage"]["fallback_share"]) == (1, 1, 1.0)
    assert detail["quality"] is None  # the version shown, the second, was never evaluated
    first = maker.read("/api/agents/count-words/versions/1")
    assert maker.post("/api/agents/check", json={"yaml": first["yaml"]}).json()["definition"] == first["definition"]
