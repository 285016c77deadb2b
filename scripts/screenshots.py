"""Take the README's screenshots of a running demonstration city.

chengnao up --demo          # and give it ten minutes
python scripts/screenshots.py [ADDRESS]
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
CALL = "解放碑民权路28号门口井盖不见了，昨晚有人差点掉下去，旁边的路灯也坏了一个星期没人管"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def main(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        page = sign_in(browser, address, "zhiban", DESKTOP)
        until_drawn(page)
        shoot(page, "situation")
        incident = richest_incident(page, address)
        page.goto(f"{address}/incidents/{incident}")
        until_drawn(page)
        shoot(page, "incident")
        page.goto(f"{address}/intake")
        page.get_by_test_id("intake-words").fill(CALL)
        page.locator(".proposals h3").nth(2).wait_for()
        shoot(page, "intake")
        page.goto(f"{address}/supervision")
        shoot(page, "supervision")
        page.goto(f"{address}/proposals/{replayed_proposal(page, address)}")
        shoot(page, "proposal")
        page.goto(f"{address}/evaluation")
        shoot(page, "evaluation")
        page.goto(f"{address}/devices")
        page.get_by_test_id("device-row").nth(12).click()
        until_drawn(page)
        shoot(page, "devices")
        give_a_task(page, address)
        page = sign_in(browser, address, "chuzhi", PHONE)
        page.goto(f"{address}/tasks")
        page.get_by_test_id("task-card").first.wait_for()
        shoot(page, "tasks")
        page.goto(f"{address}/citizen")
        page.get_by_test_id("content").fill("小区门口的路灯坏了三盏，晚上黑漆漆的，老人出门不安全。")
        shoot(page, "citizen")
        browser.close()


def sign_in(browser: Browser, address: str, username: str, options: dict[str, Any]) -> Page:
    page = browser.new_context(locale="zh-CN", reduced_motion="reduce", **options).new_page()
    page.goto(address)
    page.get_by_test_id("username").fill(username)
    page.get_by_test_id("password").fill("chengnao-demo")
    page.get_by_test_id("signin").click()
    page.get_by_test_id("signin").wait_for(state="detached")
    return page


def richest_incident(page: Page, address: str) -> str:
    """One that a warning opened and that has come furthest."""
    items = page.request.get(f"{address}/api/incidents?size=200").json()["items"]
    order = ["closed", "verified", "handled", "accepted", "dispatched"]
    warned = [each for each in items if each["source"] == "warning" and each["state"] in order]
    best: dict[str, str] = min(warned, key=lambda each: order.index(each["state"]))
    return best["id"]


def give_a_task(page: Page, address: str) -> None:
    """A report of a leak in 渝中区, which goes to the water company there."""
    token = page.request.get(f"{address}/api/session").json()["csrf_token"]
    page.request.post(
        f"{address}/api/reports",
        headers={"X-CSRF-Token": token},
        data={
            "content": "民生路人行道冒水，水压很大，已漫到车行道（演示）",
            "category": "water_leak",
            "lon": 106.5722,
            "lat": 29.5571,
            "address": "民生路 235 号",
        },
    )


def replayed_proposal(page: Page, address: str) -> str:
    """A shorter time for handling, tried on the past incidents."""
    headers = {"X-CSRF-Token": page.request.get(f"{address}/api/session").json()["csrf_token"]}
    change = {"kind": "limit", "category": "*", "grade": 3, "step": "handle", "amount": "4 h"}
    body = {"kind": "limit", "change": change, "reason": "较大事件两级联动后，多数四小时内可以办完（演示）"}
    made: str = page.request.post(f"{address}/api/proposals", headers=headers, data=body).json()["id"]
    page.request.post(f"{address}/api/proposals/{made}/replay", headers=headers, data={})
    return made


def until_drawn(page: Page) -> None:
    for _ in range(100):
        if page.evaluate("window.__mapIdle === true"):
            return
        page.wait_for_timeout(100)


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(2_500)
    taken = Image.open(BytesIO(page.screenshot()))
    # 256 colours are enough for a screen, and a third of the size.
    taken.convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)
    print(IMAGES / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8600")
