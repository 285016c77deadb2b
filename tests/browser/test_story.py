"""The whole story in the browser: a reading warns, and the incident is followed until it is counted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.platform import Platform, running_platform
from tests.support.world import PNG

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        yield running


@pytest.fixture(scope="module")
def founded(platform: Platform) -> town.Town:
    return town.found_in(platform.settings)


def warn(platform: Platform, founded: town.Town) -> None:
    """Send one reading over the threshold."""
    row = {
        "device": founded.http_devices[0],
        "metric": "flow",
        "time": datetime.now(UTC).isoformat(),
        "value": town.THRESHOLD + 2.5,
    }
    answer = httpx.post(
        f"http://127.0.0.1:{platform.settings.port('gateway')}/readings",
        json=[row],
        headers={"Authorization": f"Bearer {founded.gateway_token}"},
    )
    assert answer.json()["accepted"] == 1, answer.text


def test_from_a_reading_to_a_counted_incident(
    browser: Browser, platform: Platform, founded: town.Town, tmp_path: Path
) -> None:
    officer = Desk(browser, platform, "officer")
    expect(officer.test_id("situation-map")).to_be_visible()
    officer.until_drawn()
    assert officer.page.get_by_test_id("warning-row").count() == 0

    warn(platform, founded)
    # Nobody reloads: the warning and its incident come by the live stream.
    expect(officer.test_id("warning-row")).to_contain_text(founded.http_devices[0])
    expect(officer.test_id("incident-row")).to_be_visible()
    officer.test_id("incident-row").click()
    officer.test_id("open-incident").click()
    officer.page.wait_for_url("**/incidents/*")
    incident_path = officer.page.url.removeprefix(platform.address).split("?")[0]
    expect(officer.test_id("incident-state")).to_have_text("待签收")
    expect(officer.test_id("timeline")).to_contain_text("分拨")

    handler = Desk(browser, platform, "handler", phone=True)
    handler.open("/tasks")
    expect(handler.test_id("task-card")).to_contain_text("待签收")
    assert handler.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    handler.test_id("action-return").click()
    handler.page.get_by_text("属地不符", exact=True).click()
    handler.test_id("reason-input").fill("属地不符，应由邻近单位处理")
    handler.test_id("confirm").click()
    expect(handler.page.get_by_test_id("task-card")).to_have_count(0)

    dispatcher = Desk(browser, platform, "dispatcher")
    dispatcher.open(incident_path)
    expect(dispatcher.test_id("incident-state")).to_have_text("已退单")
    expect(dispatcher.test_id("timeline")).to_contain_text("属地不符")
    dispatcher.test_id("action-dispatch").click()
    dispatcher.test_id("unit-select").click()
    dispatcher.page.keyboard.type("渝中供水")
    dispatcher.page.locator(".ant-select-item-option", has_text="渝中供水").first.click()
    dispatcher.test_id("confirm").click()
    expect(dispatcher.test_id("incident-state")).to_have_text("待签收")

    photo = tmp_path / "site.png"
    photo.write_bytes(PNG)
    handler.test_id("action-accept").click()
    handler.test_id("action-handle").click()
    handler.test_id("photo-input").set_input_files(photo)
    handler.test_id("result-input").fill("已关阀止水，更换破损管段")
    handler.test_id("confirm").click()
    expect(handler.page.get_by_test_id("action-handle")).to_have_count(0)

    verifier = Desk(browser, platform, "verifier")
    verifier.open(incident_path)
    expect(verifier.test_id("timeline")).to_contain_text("更换破损管段")
    verifier.test_id("action-verify").click()
    verifier.test_id("result-input").fill("到场查看，水已止住")
    verifier.test_id("confirm").click()
    expect(verifier.test_id("incident-state")).to_have_text("待办结")

    # The officer's page has followed all of it by itself.
    expect(officer.test_id("incident-state")).to_have_text("待办结")
    officer.test_id("action-close").click()
    confirm_where_asked(officer)
    expect(officer.test_id("incident-state")).to_have_text("已办结")
    officer.test_id("nav-evaluation").click()
    expect(officer.test_id("kpi-opened")).to_have_text("1")
    expect(officer.test_id("kpi-closed")).to_have_text("1")
    officer.test_id("lang-switch").click()
    expect(officer.page.locator("body")).to_contain_text("Evaluation")
    for desk in (officer, handler, dispatcher, verifier):
        desk.close()


def confirm_where_asked(desk: Desk) -> None:
    """Some steps ask for a remark first."""
    try:
        desk.test_id("confirm").click(timeout=2_000)
    except Exception:
        return


def test_a_wrong_password_and_a_foreign_address_are_explained(
    browser: Browser, platform: Platform, founded: town.Town
) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(platform.address)
    page.get_by_test_id("username").fill("officer")
    page.get_by_test_id("password").fill("wrong")
    page.get_by_test_id("signin").click()
    expect(page.get_by_test_id("signin-error")).to_contain_text("用户名或密码不正确")
    context.close()
    desk = Desk(browser, platform, "officer")
    desk.open("/incidents/no-such-incident")
    expect(desk.page.locator("body")).to_contain_text("没有找到")
    desk.close()
