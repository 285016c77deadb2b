"""A newcomer makes an agent from the form, publishes and shares it; it answers over MCP, and is rolled back."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.across import mcp_client
from tests.support.platform import PASSWORD, Platform, running_platform
from tests.support.vendor import Vendor

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

AGENT = "drain-advice"
TOOL = f"agent_{AGENT}"


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    """A scripted model at an address outside."""
    with Vendor() as made:
        made.respond = lambda asked: {"answer": answered(asked.body or {}), "evidence": [], "confidence": 0.8}
        yield made


@pytest.fixture(scope="module")
def platform(browser: Browser, vendor: Vendor) -> Iterator[Platform]:
    with running_platform(demonstration=False, models="true", agents="true") as running:
        town.found_in(running.settings)
        running.run("user", "add", "root", "--role", "operator")
        root = running.client("root")
        root.post("/api/models/providers", json={"name": "scripted", "base_url": vendor.url}).raise_for_status()
        known = {each["name"]: each["version"] for each in root.read("/api/models/routes")}
        target = {"source": "provider:scripted", "model": "scripted"}
        route = {"kind": "chat", "title": "对话", "targets": [target], "version": known.get("chat", 0)}
        root.put("/api/models/routes/chat", json=route).raise_for_status()
        person = {"username": "maker", "display_name": "maker", "password": PASSWORD, "roles": ["developer"]}
        person |= {"division_code": town.DISTRICT, "unit_id": town.UNIT}
        running.client("operator").post("/api/users", json=person).raise_for_status()
        yield running


def answered(body: dict[str, Any]) -> dict[str, str]:
    """The second version is told to be brief, and is."""
    return {"answer": "清掏" if "简短" in str(body.get("messages")) else "先清掏雨水口，再检查井下"}


def ask(platform: Platform, secret: str, words: str) -> dict[str, Any]:
    """What the agent says to a client outside."""

    async def call() -> dict[str, Any]:
        address = f"http://127.0.0.1:{platform.settings.port('agents')}"
        async with mcp_client(address, secret) as client:
            assert TOOL in {each.name for each in (await client.list_tools()).tools}
            found: dict[str, Any] = (await client.call_tool(TOOL, {"text": words})).structured_content
            return found

    with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this thread
        return thread.submit(asyncio.run, call()).result()


def test_from_the_form_to_an_answer_over_mcp_and_back(browser: Browser, platform: Platform) -> None:
    maker = Desk(browser, platform, "maker")
    maker.open("/agents")
    maker.test_id("new-agent").click()
    for name, text in {
        "agent-id": AGENT,
        "agent-name": "排水答疑",
        "agent-name-en": "Drain advice",
        "agent-purpose": "排水口堵塞怎么办",
        "agent-purpose-en": "What to do about blocked drains",
        "agent-instructions": "根据问题给出处置建议",
    }.items():
        maker.test_id(name).fill(text)
    expect(maker.test_id("agent-sound")).to_be_visible()
    expect(maker.test_id("agent-yaml")).to_contain_text("id: drain-advice")
    maker.test_id("agent-save").click()

    # Saved, it is tried at once.
    maker.test_id("try-text").fill("路边雨水口堵了")
    maker.test_id("try-run").click()
    expect(maker.test_id("run-result")).to_contain_text("先清掏雨水口", timeout=60_000)
    expect(maker.test_id("run-result")).to_contain_text("由 AI 生成")

    maker.open(f"/agents/{AGENT}?tab=versions")
    maker.test_id("publish-1").click()
    maker.test_id("confirm").click()
    expect(maker.test_id("published-version")).to_have_text("在用 v1")
    maker.test_id("share-all").check()
    maker.test_id("share-save").click()
    maker.page.get_by_text("已保存").first.wait_for()

    # Somebody of another unit finds it, and lets a program of the own use it.
    officer = Desk(browser, platform, "officer")
    officer.open("/agents")
    expect(officer.page.get_by_role("link", name="排水答疑")).to_be_visible()
    officer.test_id("user-menu").click()
    officer.page.get_by_text("我的接入令牌").click()
    officer.test_id("client-name").fill("办公助手")
    officer.test_id("client-make").click()
    secret = officer.test_id("client-secret").inner_text().strip()
    assert ask(platform, secret, "雨水口堵了")["result"] == {"answer": "先清掏雨水口，再检查井下"}

    # A second version answers from the moment it is published, and the first again after the roll-back.
    maker.open(f"/agents/{AGENT}")
    maker.test_id("agent-instructions").fill("根据问题给出简短的处置建议")
    expect(maker.test_id("agent-yaml")).to_contain_text("简短")
    maker.test_id("agent-save").click()
    maker.page.get_by_text("已保存为 v2").wait_for()
    maker.open(f"/agents/{AGENT}?tab=versions")
    maker.test_id("publish-2").click()
    maker.test_id("confirm").click()
    expect(maker.test_id("published-version")).to_have_text("在用 v2")
    assert ask(platform, secret, "雨水口堵了")["result"] == {"answer": "清掏"}
    maker.test_id("rollback-1").click()
    maker.test_id("confirm").click()
    expect(maker.test_id("published-version")).to_have_text("在用 v1")
    assert ask(platform, secret, "雨水口堵了")["result"] == {"answer": "先清掏雨水口，再检查井下"}

    maker.close()
    officer.close()
