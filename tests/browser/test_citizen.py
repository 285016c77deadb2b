"""A citizen with a phone and a bad network: the report arrives once, and its page tells the truth to the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.conftest import CHROMIUM, Screen
from tests.support import town
from tests.support.cut import Cut, cut_before
from tests.support.platform import Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

HERE = {"longitude": 106.5712, "latitude": 29.5553}
CONTENT = "较场口公交站旁路面塌了一个坑，有人崴脚"
LIGHT = 120_000
"""Bytes that a first visit may load, packed."""


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
def citizen(browser: Browser, line: Cut) -> Iterator[Screen]:
    phone = Screen(browser, line.address, phone=True, geolocation=HERE, permissions=["geolocation"])
    phone.open("/citizen")
    yield phone
    phone.close()


def reports(platform: Platform, words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.client("dispatcher").read("/api/reports", q=words)["items"]
    return found


def until_it_opens_by_itself(phone: Screen) -> None:
    """Return once the phone can open the page without a network."""
    for _ in range(100):
        if phone.page.evaluate("navigator.serviceWorker.controller !== null"):
            return
        phone.page.wait_for_timeout(100)
    raise AssertionError("the service worker never took over")


def handle(platform: Platform, incident_id: str, result: str) -> None:
    """All that the city does, from accepting to closing."""
    handler, verifier, officer = (platform.client(name) for name in ("handler", "verifier", "officer"))
    handler.act(incident_id, "accept")
    handler.act(incident_id, "handle", result=result)
    verifier.act(incident_id, "verify", result="现场已复核")
    officer.act(incident_id, "close")


def test_a_report_cut_off_in_the_middle_arrives_once_and_is_followed_to_the_end(
    platform: Platform, line: Cut, citizen: Screen, tmp_path: Path
) -> None:
    photo = tmp_path / "hole.png"
    Image.new("RGB", (2400, 1800), "grey").save(photo)
    until_it_opens_by_itself(citizen)
    assert citizen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    citizen.test_id("submit").click()
    expect(citizen.page.get_by_role("alert").first).to_contain_text("请写一句")
    citizen.test_id("photo-input").set_input_files(photo)
    citizen.test_id("content").fill(CONTENT)
    citizen.test_id("locate").click()
    expect(citizen.test_id("place-got")).to_contain_text("106.57120")
    citizen.page.get_by_text("留下联系方式").click()
    citizen.test_id("phone").fill("13800001111")

    # The platform takes the report in, but the phone never hears of it.
    line.cut_after("POST /api/public/reports ")
    citizen.test_id("submit").click()
    expect(citizen.test_id("queued")).to_contain_text("有网络后自动发送")
    for _ in range(100):
        if reports(platform, CONTENT):
            break
        citizen.page.wait_for_timeout(100)
    citizen.context.set_offline(True)
    citizen.page.reload()
    expect(citizen.test_id("queued")).to_contain_text(CONTENT)

    citizen.context.set_offline(False)
    line.mend()
    expect(citizen.test_id("slip")).to_be_visible(timeout=30_000)
    [report] = reports(platform, CONTENT)
    number, code = citizen.test_id("tracking-number").inner_text(), citizen.test_id("tracking-code").inner_text()
    assert number == report["tracking_number"]
    desk = platform.client("dispatcher")
    incident = desk.read(f"/api/incidents/{report['incident_id']}")
    assert len(incident["photos"]) == 1
    assert "13800001111" not in citizen.page.content()
    expect(citizen.test_id("matter-state")).to_have_text("已分派，等待单位签收")
    expect(citizen.test_id("matter-unit")).to_have_text("渝中供水")
    expect(citizen.test_id("matter-due")).to_be_visible()

    other = citizen.context.request.post(
        f"{platform.address}/api/public/reports",
        data={"content": "七号院门口有个大坑没人管", "division_code": town.DISTRICT, "category": "road_damage"},
    )
    assert other.ok, other.text()
    [twin] = reports(platform, "七号院门口有个大坑")
    version = desk.read(f"/api/incidents/{twin['incident_id']}")["version"]
    merged = desk.post(f"/api/incidents/{twin['incident_id']}/merge", json={"into": incident["id"], "version": version})
    assert merged.is_success, merged.text
    handle(platform, incident["id"], "路面已修复")
    citizen.page.get_by_role("button", name="刷新").click()
    expect(citizen.test_id("matter-state")).to_have_text("已办结并答复")
    expect(citizen.test_id("matter-others")).to_contain_text("另有 1 人")
    expect(citizen.test_id("matter-answer")).to_contain_text("路面已修复")
    expect(citizen.test_id("matter-steps")).to_contain_text("核查通过")

    # Without a network the page says how old its news is.
    line.cut()
    citizen.context.set_offline(True)
    citizen.page.reload()
    expect(citizen.page.get_by_text("没有网络，以下是")).to_be_visible()
    expect(citizen.test_id("matter-answer")).to_contain_text("路面已修复")
    citizen.context.set_offline(False)
    line.mend()

    citizen.test_id("unsolved").check()
    citizen.test_id("star-2").check()
    citizen.test_id("rate").click()
    expect(citizen.test_id("rated")).to_contain_text("2 分")
    expect(citizen.test_id("rated")).to_contain_text("已重新办理")
    assert desk.read(f"/api/incidents/{incident['id']}")["reopened"] == 1

    # Number and code lead there from any other phone; a wrong code does not.
    citizen.test_id("mine").click()
    expect(citizen.page.get_by_test_id("record")).to_have_count(1)
    citizen.test_id("find-number").fill(number)
    citizen.test_id("find-code").fill(code.lower())
    citizen.test_id("find").click()
    expect(citizen.test_id("matter-state")).to_be_visible()
    citizen.test_id("mine").click()
    citizen.test_id("find-number").fill(number)
    citizen.test_id("find-code").fill("AAAAAAAA")
    citizen.test_id("find").click()
    expect(citizen.test_id("matter-error")).to_be_visible()


def test_a_refused_report_is_shown_and_can_be_put_right(platform: Platform, line: Cut, citizen: Screen) -> None:
    content = "江边护栏断了一截"
    citizen.context.set_geolocation({"longitude": 121.47, "latitude": 31.23})
    citizen.test_id("content").fill(content)
    citizen.test_id("locate").click()
    expect(citizen.test_id("place-got")).to_be_visible()
    citizen.test_id("submit").click()
    expect(citizen.test_id("refused")).to_contain_text("没有收下")
    citizen.page.get_by_role("button", name="修改后再提交").click()
    expect(citizen.test_id("content")).to_have_value(content)
    citizen.page.get_by_role("button", name="清除").click()
    citizen.test_id("division").select_option(town.DISTRICT)
    citizen.test_id("submit").click()
    expect(citizen.test_id("slip")).to_be_visible()
    [report] = reports(platform, content)
    assert report["division_code"] == town.DISTRICT


def test_the_map_is_drawn_on_the_phone_and_a_tap_sets_the_place(citizen: Screen) -> None:
    citizen.test_id("pick").click()
    expect(citizen.page.locator(".map-land")).not_to_have_count(0)
    citizen.test_id("map").click()
    expect(citizen.test_id("place-got")).to_contain_text("106.5")


def test_words_can_be_spoken(platform: Platform, browser: Browser, line: Cut) -> None:
    """With the tone that Chromium makes up for a microphone."""
    playing = browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    )
    phone = Screen(playing, line.address, phone=True, permissions=["microphone"])
    phone.open("/citizen")
    phone.test_id("voice").click()
    phone.page.wait_for_timeout(1_500)
    phone.test_id("voice").click()
    expect(phone.test_id("voice-kept")).to_be_visible()
    phone.test_id("division").select_option(town.DISTRICT)
    phone.test_id("submit").click()
    expect(phone.test_id("slip")).to_be_visible()
    assert len(reports(platform, "语音诉求")) == 1
    phone.close()
    playing.close()


def test_the_page_is_light_speaks_english_and_is_usable_by_keyboard(citizen: Screen) -> None:
    until_it_opens_by_itself(citizen)
    loaded = citizen.page.evaluate(
        """() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
            .filter(({ name }) => !name.endsWith('.geojson'))
            .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)"""
    )
    assert 0 < loaded < LIGHT
    citizen.test_id("lang-switch").click()
    expect(citizen.test_id("submit")).to_have_text("Send")
    small = citizen.page.evaluate(
        """() => [...document.querySelectorAll('button, select, textarea, input:not([type=file]), summary, header a')]
            .filter((each) => each.getBoundingClientRect().height > 0 && each.getBoundingClientRect().height < 44)
            .map((each) => each.outerHTML)"""
    )
    assert small == []
    nameless = citizen.page.evaluate(
        """() => [...document.querySelectorAll('input, select, textarea')]
            .filter((each) => !each.labels?.length && !each.getAttribute('aria-label')).map((each) => each.outerHTML)"""
    )
    assert nameless == []
    citizen.test_id("content").focus()
    citizen.page.keyboard.type("a light is out")
    for _ in range(12):
        citizen.page.keyboard.press("Tab")
        if citizen.page.evaluate("document.activeElement.dataset.testid") == "submit":
            break
    citizen.page.keyboard.press("Enter")
    expect(citizen.page.get_by_role("alert").first).to_be_visible()
