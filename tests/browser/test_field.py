"""People in the street with a bad network: what they do arrives once, in order, or they are told why not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.cut import Cut, cut_before
from tests.support.platform import Client, Platform, running_platform
from tests.support.world import PNG

READY = """async () => {
    const kept = await (await caches.open('answers')).keys();
    return navigator.serviceWorker.controller !== null
        && ['/api/session', '/api/tasks/mine', '/api/return-reasons'].every(
            (path) => kept.some(({ url }) => url.includes(path)));
}"""
"""Whether the service worker has taken over and keeps what a handler needs."""

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        town.found_in(running.settings)
        yield running


@pytest.fixture
def line(platform: Platform) -> Iterator[Cut]:
    with cut_before(platform.address) as cut:
        yield cut


@pytest.fixture
def dispatcher(platform: Platform) -> Client:
    return platform.client("dispatcher")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "site.png"
    path.write_bytes(PNG)
    return path


def report(client: Client, content: str) -> str:
    """An incident that waits for the handler's unit."""
    body = {"content": content, "category": "road_damage", "division_code": town.DISTRICT, "channel": "hotline"}
    answer = client.post("/api/reports", json=body)
    assert answer.is_success, answer.text
    incident_id: str = answer.json()["incident_id"]
    return incident_id


def steps(client: Client, incident_id: str) -> list[str]:
    """What has been done since the dispatch."""
    timeline: list[dict[str, Any]] = client.read(f"/api/incidents/{incident_id}")["timeline"]
    return [entry["action"] for entry in timeline if entry["action"] not in ("open", "dispatch")]


def in_the_street(browser: Browser, platform: Platform, line: Cut) -> Desk:
    """The handler's phone, ready to go out: the pages and the tasks are on it."""
    handler = Desk(browser, platform, "handler", phone=True, address=line.address)
    handler.open("/tasks")
    until(handler, lambda: handler.page.evaluate(READY))
    return handler


def card(handler: Desk, title: str) -> Any:
    return handler.page.get_by_test_id("task-card").filter(has_text=title)


def finish(handler: Desk, title: str, photo: Path, result: str) -> None:
    card(handler, title).get_by_test_id("action-handle").click()
    handler.test_id("photo-input").set_input_files(photo)
    expect(handler.page.locator(".shots img")).to_have_count(1)
    handler.test_id("result-input").fill(result)
    handler.test_id("confirm").click()


def test_work_done_without_a_network_arrives_once_and_in_order(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client, photo: Path
) -> None:
    title = "和平路路面有坑，一米多宽"
    incident_id = report(dispatcher, title)
    handler = in_the_street(browser, platform, line)
    expect(card(handler, title)).to_contain_text("待签收")

    line.cut()
    handler.context.set_offline(True)
    expect(handler.test_id("offline-bar")).to_be_visible()
    card(handler, title).get_by_test_id("action-accept").click()
    expect(card(handler, title)).to_contain_text("办理中")
    finish(handler, title, photo, "坑已填平压实")
    expect(card(handler, title).get_by_test_id("task-waits")).to_have_count(2)

    # The phone goes off and on again, still without a network.
    handler.page.reload()
    expect(handler.test_id("offline-bar")).to_contain_text("的数据")
    expect(card(handler, title).get_by_test_id("task-waits")).to_have_count(2)
    expect(handler.test_id("waiting")).to_be_visible()
    assert steps(dispatcher, incident_id) == []

    handler.context.set_offline(False)
    line.mend()
    expect(handler.page.get_by_test_id("waiting")).to_have_count(0, timeout=60_000)
    expect(handler.page.get_by_test_id("offline-bar")).to_have_count(0)
    incident = dispatcher.read(f"/api/incidents/{incident_id}")
    assert incident["state"] == "handled"
    assert steps(dispatcher, incident_id) == ["accept", "handle"]
    assert len(incident["photos"]) == 1
    assert incident["timeline"][-1]["data"]["photo_ids"] == [incident["photos"][0]["id"]]
    handler.close()


def test_a_step_whose_answer_was_lost_is_done_once(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client, photo: Path
) -> None:
    title = "民生路人行道地砖翘起"
    incident_id = report(dispatcher, title)
    handler = in_the_street(browser, platform, line)
    line.cut_after(r"POST /api/incidents/[^/]+/actions/accept ")
    card(handler, title).get_by_test_id("action-accept").click()
    finish(handler, title, photo, "已更换地砖")
    until(handler, lambda: steps(dispatcher, incident_id) == ["accept"])
    expect(card(handler, title).get_by_test_id("task-waits")).to_have_count(2)

    handler.page.close()
    line.mend()
    handler.page = handler.context.new_page()
    handler.open("/tasks")
    until(handler, lambda: steps(dispatcher, incident_id) == ["accept", "handle"])
    assert len(dispatcher.read(f"/api/incidents/{incident_id}")["photos"]) == 1
    handler.close()


def test_a_step_that_the_platform_refuses_waits_for_a_decision(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client, photo: Path
) -> None:
    title = "临江路护栏被撞断"
    incident_id = report(dispatcher, title)
    handler = in_the_street(browser, platform, line)
    line.cut()
    handler.context.set_offline(True)
    card(handler, title).get_by_test_id("action-accept").click()
    finish(handler, title, photo, "已临时围挡")
    expect(card(handler, title).get_by_test_id("task-waits")).to_have_count(2)
    dispatcher.act(incident_id, "recategorise", category="other", reason="归其他")

    handler.context.set_offline(False)
    line.mend()
    stopped = handler.test_id("stopped")
    expect(stopped).to_contain_text("签收")
    expect(stopped).to_contain_text("改类")
    expect(stopped).to_contain_text("归其他")
    expect(stopped).to_contain_text("其后还有 1 项在等待")
    before = steps(dispatcher, incident_id)
    assert "accept" not in before
    handler.test_id("stopped-again").click()
    expect(handler.page.get_by_test_id("waiting")).to_have_count(0)
    assert steps(dispatcher, incident_id) == [*before, "accept", "handle"]
    handler.close()


def test_after_the_session_has_ended_the_queue_goes_on_with_the_next_one(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client
) -> None:
    title = "较场口井盖松动"
    incident_id = report(dispatcher, title)
    handler = in_the_street(browser, platform, line)
    line.cut()
    handler.context.set_offline(True)
    card(handler, title).get_by_test_id("action-accept").click()
    expect(handler.test_id("waiting")).to_be_visible()
    handler.context.clear_cookies()
    handler.context.set_offline(False)
    line.mend()
    handler.test_id("username").wait_for()

    # What one person did is not sent in the name of another who signs in on the same phone.
    handler.sign_in("verifier")
    handler.page.wait_for_timeout(1_000)
    assert steps(dispatcher, incident_id) == []
    handler.context.clear_cookies()
    handler.page.reload()
    handler.sign_in("handler")
    until(handler, lambda: steps(dispatcher, incident_id) == ["accept"])
    handler.close()


def test_more_time_is_asked_for_and_a_case_returned_with_a_reason(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client
) -> None:
    title = "凯旋路台阶松动"
    incident_id = report(dispatcher, title)
    handler = in_the_street(browser, platform, line)
    card(handler, title).get_by_test_id("action-accept").click()
    card(handler, title).get_by_test_id("task-more").click()
    handler.test_id("action-extension").click()
    handler.page.get_by_text("1 天", exact=True).click()
    handler.test_id("reason-input").fill("石材要订做")
    handler.test_id("confirm").click()
    until(handler, lambda: len(dispatcher.read(f"/api/incidents/{incident_id}")["requests"]) == 1)
    request = dispatcher.read(f"/api/incidents/{incident_id}")["requests"][0]
    assert (request["kind"], request["reason"]) == ("extension", "石材要订做")

    card(handler, title).get_by_test_id("action-return").click()
    handler.page.get_by_text("非本单位职责", exact=True).click()
    handler.test_id("reason-input").fill("属市政维护")
    handler.test_id("confirm").click()
    until(handler, lambda: dispatcher.read(f"/api/incidents/{incident_id}")["state"] == "returned")
    entry = dispatcher.read(f"/api/incidents/{incident_id}")["timeline"][-1]
    assert entry["data"]["reason_code"] == "duty"
    handler.close()


def test_a_unit_that_assists_takes_its_own_steps(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client, photo: Path
) -> None:
    title = "储奇门地下管沟冒水，路面下沉"
    unit = {"id": "yuzhong-roads", "name": "渝中市政", "division_code": town.DISTRICT}
    put = platform.client("operator").put("/api/units/yuzhong-roads", json=unit)
    assert put.is_success, put.text
    body = {"content": title, "category": "street_light", "division_code": town.DISTRICT, "channel": "hotline"}
    incident_id = dispatcher.post("/api/reports", json=body).json()["incident_id"]
    dispatcher.act(incident_id, "dispatch", unit_id="yuzhong-roads", assist_unit_ids=[town.UNIT])
    handler = in_the_street(browser, platform, line)
    expect(card(handler, title)).to_contain_text("协办")
    line.cut()
    handler.context.set_offline(True)
    card(handler, title).get_by_test_id("action-accept").click()
    finish(handler, title, photo, "水阀已关")
    expect(card(handler, title).get_by_test_id("task-waits")).to_have_count(2)
    handler.context.set_offline(False)
    line.mend()
    expect(handler.page.get_by_test_id("waiting")).to_have_count(0, timeout=60_000)
    incident = dispatcher.read(f"/api/incidents/{incident_id}")
    [assisting] = [task for task in incident["tasks"] if task["role"] == "assist"]
    assert (assisting["state"], assisting["result"]) == ("handled", "水阀已关")
    assert incident["state"] == "dispatched"
    assert len(incident["photos"]) == 1
    handler.close()


def test_a_patrol_reports_without_a_network(
    browser: Browser, platform: Platform, line: Cut, dispatcher: Client, photo: Path
) -> None:
    content = "七星岗街边配电箱门敞开"
    handler = in_the_street(browser, platform, line)
    handler.context.grant_permissions(["geolocation"])
    handler.context.set_geolocation({"longitude": 106.5712, "latitude": 29.5553})
    handler.test_id("nav-patrol").click()
    line.cut()
    handler.context.set_offline(True)
    handler.test_id("photo-input").set_input_files(photo)
    handler.test_id("content-input").fill(content)
    # A draft outlives the page.
    handler.page.reload()
    expect(handler.test_id("content-input")).to_have_value(content)
    expect(handler.page.locator(".shots img")).to_have_count(1)
    handler.test_id("locate").click()
    expect(handler.test_id("lon-input")).not_to_have_value("")
    handler.test_id("confirm").click()
    expect(handler.test_id("outbox")).to_contain_text("1 项")

    handler.context.set_offline(False)
    line.mend()
    expect(handler.test_id("patrol-sent")).to_contain_text(content)
    found = dispatcher.read("/api/reports", q=content)
    assert found["total"] == 1
    assert found["items"][0]["channel"] == "patrol"
    assert len(dispatcher.read(f"/api/incidents/{found['items'][0]['incident_id']}")["photos"]) == 1
    handler.close()


def until(desk: Desk, holds: Any) -> None:
    """Wait, while the page lives on, until it holds."""
    for _ in range(300):
        if holds():
            return
        desk.page.wait_for_timeout(100)
    raise AssertionError(f"still not so:\n{desk.page.locator('body').inner_text()}")
