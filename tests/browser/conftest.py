"""A real Chromium against the running platform; nothing may be asked of any other host."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.support.platform import PASSWORD, Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=20_000)  # these tests say what is shown; how fast is measured elsewhere


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while it runs, it keeps an event loop running in this thread."""
    if CHROMIUM is None:
        pytest.skip("not run: no Chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--no-first-run"],
        )
        yield launched
        launched.close()


class Screen:
    """One person at one screen, whom the platform does not know."""

    def __init__(self, browser: Browser, address: str, *, phone: bool, **options: Any) -> None:
        options |= {"viewport": PHONE if phone else DESKTOP, "locale": "zh-CN"}
        if phone:
            options |= {"is_mobile": True, "has_touch": True}
        self.context = browser.new_context(**options)
        self.address = address
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("request", self._watch)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.strangers.append(request.url)

    def test_id(self, name: str) -> Any:
        return self.page.get_by_test_id(name).first

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def until_drawn(self) -> None:
        """Return once the map has come to rest."""
        for _ in range(200):
            if self.page.evaluate("window.__mapIdle === true"):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("the map was never drawn")

    def close(self) -> None:
        self.context.close()
        assert self.strangers == []
        assert self.errors == []


class Desk(Screen):
    """One person signed in at one screen; `address` where it is not reached directly."""

    def __init__(
        self, browser: Browser, platform: Platform, username: str, *, phone: bool = False, address: str | None = None
    ) -> None:
        super().__init__(browser, address or platform.address, phone=phone)
        self.open("/")
        self.sign_in(username)

    def sign_in(self, username: str) -> None:
        self.test_id("username").fill(username)
        self.test_id("password").fill(PASSWORD)
        self.test_id("signin").click()
        self.test_id("signin").wait_for(state="detached")
