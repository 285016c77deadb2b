"""Two people tell of one matter: merged by a click, each still answered, and taken apart again."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.platform import Client, Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

FIRST = "民生路235号门前人行道一直往外冒水"
KEPT = ("state", "unit_id", "assignee_name", "due_at", "close_by", "accept_by", "handle_by", "grade", "tasks")
SECOND = "民生路邮局旁边的自来水管好像裂了，地上全是水"


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        town.found_in(running.settings)
        yield running


def report(client: Client, content: str, lon: float) -> dict[str, Any]:
    body = {"content": content, "category": "water_leak", "channel": "hotline", "lon": lon, "lat": 29.5571}
    answer = client.post("/api/reports", json=body)
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made


def standing(client: Client, *incident_ids: str) -> list[dict[str, Any]]:
    """What an undone merge has to bring back: all but the counters of changes and the log."""
    found = []
    for incident_id in incident_ids:
        incident = client.read(f"/api/incidents/{incident_id}")
        for task in incident["tasks"]:
            del task["incident"]["version"]
        reports = sorted(each["tracking_number"] for each in incident["reports"])
        found.append({name: incident[name] for name in KEPT} | {"reports": reports})
    return found


def test_merge_and_undo(browser: Browser, platform: Platform) -> None:
    client = platform.client("dispatcher")
    first, second = report(client, FIRST, 106.5722), report(client, SECOND, 106.5736)
    assert first["incident_id"] != second["incident_id"], "joined by itself: nothing left to merge by hand"
    platform.client("handler").act(first["incident_id"], "accept")
    before = standing(client, first["incident_id"], second["incident_id"])

    desk = Desk(browser, platform, "dispatcher")
    desk.open(f"/incidents/{second['incident_id']}")
    candidate = desk.test_id("candidates").locator("li").filter(has_text=FIRST)
    expect(candidate.locator(".candidate-score")).to_contain_text("%")
    expect(candidate.locator(".speaks-for").first).to_be_visible()
    candidate.get_by_test_id("merge").click()
    expect(desk.test_id("incident-state")).to_have_text("已并入")
    desk.page.get_by_role("link", name="本事件已并入另一事件").click()
    expect(desk.page.locator(".reports li")).to_have_count(2)
    for made in (first, second):
        expect(desk.page.locator(".reports")).to_contain_text(made["tracking_number"])
    together = standing(client, first["incident_id"])[0]
    assert together["reports"] == sorted(each["tracking_number"] for each in (first, second))

    desk.test_id("merge-undo").click()
    expect(desk.page.locator(".reports li")).to_have_count(1)
    assert standing(client, first["incident_id"], second["incident_id"]) == before
    desk.open(f"/incidents/{second['incident_id']}")
    expect(desk.test_id("incident-state")).to_have_text("待签收")
    expect(desk.test_id("merges")).to_contain_text("已撤销")
    desk.close()
