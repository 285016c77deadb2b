"""A grave incident is looked back on, and what was learnt sends the next one to the right unit."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.platform import PASSWORD, Client, Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

ROADS = "yuzhong-roads"


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    """The town, with a second unit that the map of responsibilities knows nothing of."""
    with running_platform(demonstration=False) as running:
        town.found_in(running.settings)
        operator = running.client("operator")
        unit = {"id": ROADS, "name": "渝中市政养护", "division_code": town.DISTRICT}
        person = {
            "username": "roadman",
            "display_name": "roadman",
            "password": PASSWORD,
            "roles": ["handler"],
            "division_code": town.DISTRICT,
            "unit_id": ROADS,
        }
        operator.put(f"/api/units/{ROADS}", json=unit).raise_for_status()
        operator.post("/api/users", json=person).raise_for_status()
        yield running


def report(client: Client, content: str, lat: float) -> str:
    body = {"content": content, "category": "road_damage", "channel": "hotline", "lon": 106.5722, "lat": lat}
    answer = client.post("/api/reports", json=body)
    assert answer.is_success, answer.text
    incident_id: str = answer.json()["incident_id"]
    return incident_id


def went_wrong(platform: Platform) -> dict[str, Any]:
    """A grave incident that went to the wrong unit first, and is now to be closed."""
    dispatcher = platform.client("dispatcher")
    incident_id = report(dispatcher, "民生路路面塌陷，一辆小车掉进坑里，两人受伤被困", 29.5571)
    water = platform.client("handler")
    water.act(incident_id, "return", reason_code="duty", reason="道路由市政养护负责")
    dispatcher.act(incident_id, "dispatch", unit_id=ROADS, reason="改派市政")
    roadman = platform.client("roadman")
    roadman.act(incident_id, "accept")
    roadman.act(incident_id, "handle", result="已救出人员，回填并恢复路面")
    platform.client("verifier").act(incident_id, "verify", result="路面平整，已开放交通")
    incident: dict[str, Any] = dispatcher.read(f"/api/incidents/{incident_id}")
    return incident


def test_an_approved_proposal_changes_the_next_dispatch(browser: Browser, platform: Platform) -> None:
    incident = went_wrong(platform)
    assert incident["grade"] <= 2, incident["grade"]
    officer = Desk(browser, platform, "officer")
    officer.open(f"/incidents/{incident['id']}")
    officer.test_id("action-close").click()
    expect(officer.test_id("incident-state")).to_have_text("已办结")

    # The review opens by itself, a moment after.
    dispatcher = Desk(browser, platform, "dispatcher")
    dispatcher.open("/reviews")
    dispatcher.page.get_by_role("link", name=incident["title"]).click()
    expect(dispatcher.page.locator(".deviations")).to_contain_text("退单")
    dispatcher.test_id("cause").click()
    dispatcher.page.locator(".ant-select-item-option").first.click()
    dispatcher.test_id("cause-text").fill("责任清单把道路破损派给了供水公司")
    dispatcher.test_id("add-cause").click()
    expect(dispatcher.page.locator(".findings").first).to_contain_text("派给了供水公司")
    dispatcher.test_id("lesson").fill("道路塌陷由市政养护先到场")
    dispatcher.test_id("add-lesson").click()
    expect(dispatcher.page.locator(".findings").nth(1)).to_contain_text("市政养护先到场")

    dispatcher.test_id("propose").click()
    dispatcher.test_id("proposal-unit").click()
    dispatcher.page.keyboard.type("渝中市政")
    dispatcher.page.locator(".ant-select-item-option", has_text="渝中市政养护").click()
    dispatcher.test_id("proposal-reason").fill("道路由市政养护负责，上次退单后才改派")
    dispatcher.test_id("confirm").click()
    dispatcher.page.wait_for_url("**/proposals/*")
    dispatcher.test_id("replay").click()
    expect(dispatcher.test_id("proposal-state")).to_contain_text("待审定")
    expect(dispatcher.page.locator("tbody")).to_contain_text(incident["title"])
    expect(dispatcher.page.locator("tbody")).to_contain_text("可直接派对")
    expect(dispatcher.page.get_by_test_id("approve")).to_have_count(0)

    steward = Desk(browser, platform, "steward")
    steward.open(dispatcher.page.url.removeprefix(platform.address))
    steward.test_id("decision-reason").fill("回放显示少一次退单")
    steward.test_id("approve").click()
    expect(steward.test_id("proposal-state")).to_contain_text("已生效")

    following = report(platform.client("dispatcher"), "新华路路面破了一个坑", 29.5605)
    assert following != incident["id"]
    officer.open(f"/incidents/{following}")
    expect(officer.test_id("incident-state")).to_have_text("待签收")
    expect(officer.test_id("timeline")).to_contain_text("→ 渝中市政养护")
    for desk in (officer, dispatcher, steward):
        desk.close()
