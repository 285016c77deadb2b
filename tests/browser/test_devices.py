"""A steward registers devices by the file, lets an unknown one in, and looks after one on its page."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.platform import Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

SHOTS = os.environ.get("CHENGNAO_SHOTS")


@pytest.fixture(scope="module")
def founded(browser: Browser) -> Iterator[tuple[Platform, town.Town]]:
    with running_platform(demonstration=False) as running:
        yield running, town.found_in(running.settings)


@pytest.fixture
def steward(browser: Browser, founded: tuple[Platform, town.Town]) -> Desk:
    return Desk(browser, founded[0], "steward")


def shot(desk: Desk, name: str) -> None:
    """A picture for people to look at, where they ask for one."""
    if SHOTS:
        desk.page.wait_for_timeout(700)
        desk.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def send(platform: Platform, token: str, rows: list[dict[str, object]]) -> None:
    url = f"http://127.0.0.1:{platform.settings.port('gateway')}/readings"
    assert httpx.post(url, json=rows, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_file_with_wrong_cells(steward: Desk, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(["设备编号", "设备名称", "设备类型", "区划代码", "经度", "纬度", "厂家"])
    sheet.append(["FILE-1", "化龙桥压力站", "供水压力站", "500103", "106.52", "29.55", "某厂"])
    sheet.append(["FILE-2", "大坪压力站", "烤面包机", "500103", "106.52", "东", "某厂"])
    path = tmp_path / "设备台账.xlsx"
    book.save(path)
    steward.open("/devices?tab=imports")
    steward.page.locator("input[type=file]").set_input_files(path)
    expect(steward.test_id("device-import-state")).to_have_text("已完成", timeout=30_000)
    expect(steward.test_id("device-import-counts")).to_have_text("新增 1 · 更新 0 · 未变 0 · 未通过 1")
    for cell in ("C3", "F3"):
        expect(steward.page.get_by_text(cell, exact=False).first).to_be_visible()
    shot(steward, "devices-import")
    steward.open("/devices?q=FILE-1")
    expect(steward.test_id("device-row")).to_contain_text("化龙桥压力站")
    shot(steward, "devices-list")
    assert steward.errors == steward.strangers == []


def test_an_unknown_device_is_registered_and_what_it_brought_let_in(
    steward: Desk, founded: tuple[Platform, town.Town]
) -> None:
    platform, people = founded
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = [
        {"device": "STRANGER-7", "metric": metric, "time": (now - timedelta(minutes=each)).isoformat(), "value": 1.5}
        for each in range(4)
        for metric in ("rain_5min", "rain_1h")
    ]
    send(platform, people.gateway_token, rows)
    steward.open("/devices?tab=discovered")
    expect(steward.test_id("knock-address")).to_have_text("STRANGER-7", timeout=15_000)
    shot(steward, "devices-discovered")
    steward.test_id("knock-register").click()
    expect(steward.test_id("knock-guess")).to_contain_text("雨量站（2/2 个测点吻合）")
    division = steward.page.locator("#division_code")
    division.fill("渝中")
    steward.page.locator(".ant-select-item-option", has_text="渝中区").first.click()
    shot(steward, "devices-register")
    steward.page.locator("#knock-save").click()
    expect(steward.page.locator(".ant-empty-description")).to_be_visible(timeout=20_000)
    steward.open("/devices/STRANGER-7")
    expect(steward.page.locator(".latest-value").first).to_contain_text("1.5", timeout=30_000)
    expect(steward.test_id("device-health")).to_contain_text("100.0 %")
    shot(steward, "device-page")
    assert steward.errors == steward.strangers == []


def test_a_device_in_maintenance_with_a_secret_of_its_own(steward: Desk, founded: tuple[Platform, town.Town]) -> None:
    device = founded[1].http_devices[0]
    steward.open(f"/devices/{device}")
    expect(steward.test_id("device-life")).to_have_text("在用")
    steward.test_id("life-maintenance").click()
    steward.page.locator(".ant-popconfirm .ant-btn-primary").click()
    expect(steward.test_id("device-life")).to_have_text("维护")
    steward.test_id("upkeep-note").fill("更换电池")
    steward.test_id("upkeep-add").click()
    expect(steward.page.get_by_text("更换电池").first).to_be_visible()
    steward.test_id("credential-make").click()
    expect(steward.test_id("device-secret")).to_contain_text("cnd_")
    secret = steward.test_id("device-secret").locator("code").last.inner_text()
    send(founded[0], secret, [{"device": device, "metric": "flow", "time": datetime.now(UTC).isoformat(), "value": 2}])
    expect(steward.test_id("device-findings").or_(steward.page.get_by_text("没有发现异常"))).to_be_visible()
    shot(steward, "device-maintenance")
    assert steward.errors == steward.strangers == []
