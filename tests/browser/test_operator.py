"""A hotline operator's calls, from the caller's words to the number and code, by keyboard alone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.model import classifier_path
from chengnao.incident.classification.training import train
from tests.browser.conftest import Desk
from tests.support import town
from tests.support.platform import Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

KNOWN = ("water_leak", "road_damage", "none")
"""What the classifier of this test is taught; that of an installation takes a minute to train."""
MINUTE = 60.0
COUNT_MICE = """
window.mice = 0;
for (const kind of ['mousedown', 'pointerdown', 'touchstart', 'mousemove'])
    window.addEventListener(kind, () => { window.mice += 1; }, true);
"""


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        town.found_in(running.settings)
        rows = [row for row in training_rows() if row.label in KNOWN]
        trained = train(rows, datetime.now(UTC), features="characters")
        trained.classifier.save(classifier_path(running.home))
        yield running


class Keyboard:
    """The operator's hands. `strokes`: the keys beside the caller's own words, name and number."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.strokes = 0
        self.began = time.monotonic()

    def writes(self, words: str) -> None:
        self.desk.page.keyboard.type(words)

    def picks(self, words: str, option: str) -> None:
        """Search in the list that has the cursor, and take what stands first once it is what was meant."""
        self.desk.page.keyboard.type(words)
        active = self.desk.page.locator(".ant-select-item-option-active", has_text=option)
        expect(active).to_be_visible()
        self.press("Enter")
        expect(active).not_to_be_visible()
        self.strokes += len(words)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.desk.page.keyboard.press(key)
            self.strokes += 1

    def told(self, call: str) -> None:
        """Check that number and code are shown and no mouse was used, and print how long the call took."""
        made = self.desk.test_id("intake-made")
        expect(made).to_contain_text("SB-")
        took = time.monotonic() - self.began
        print(f"\n{call}: {self.strokes} keys beside the caller's words, {took:.1f} s")
        assert self.desk.page.evaluate("window.mice") == 0, "a mouse was used"
        assert took < MINUTE


@pytest.fixture
def desk(browser: Browser, platform: Platform) -> Iterator[Desk]:
    """A dispatcher with the form open, the cursor in it, and the mouse out of reach."""
    desk = Desk(browser, platform, "dispatcher")
    desk.page.add_init_script(COUNT_MICE)
    desk.open("/intake")
    expect(desk.test_id("intake-words")).to_be_focused()
    yield desk
    desk.close()


def made_of(desk: Desk, platform: Platform) -> dict[str, Any]:
    """The report whose number is on the screen."""
    number = desk.test_id("intake-made").locator(".num").first.inner_text()
    found = platform.client("dispatcher").read("/api/reports", q=number)["items"]
    assert [each["tracking_number"] for each in found] == [number]
    kept: dict[str, Any] = found[0]
    return kept


def test_the_proposal_is_taken_and_the_caller_told_the_number(desk: Desk, platform: Platform) -> None:
    hands = Keyboard(desk)
    hands.writes("解放碑民权路28号门口水管爆了，水都漫到车行道上了，我姓王，快点派人来")
    expect(desk.test_id("intake-category")).to_contain_text("供水管道漏损")
    expect(desk.test_id("intake-division")).to_contain_text("解放碑街道")
    expect(desk.test_id("intake-address")).to_have_value("民权路28号")
    hands.press("Tab", "Tab", "Tab", "Tab")
    expect(desk.test_id("intake-phone")).to_be_focused()
    hands.writes("13800138000")
    hands.press("Tab")
    hands.writes("王女士")
    hands.press("Control+Enter")
    hands.told("a call that was understood")
    assert hands.strokes <= 6
    expect(desk.test_id("intake-made")).to_contain_text("渝中供水")

    kept = made_of(desk, platform)
    assert (kept["channel"], kept["category"]) == ("hotline", "water_leak")

    hands.press("Escape")
    expect(desk.test_id("intake-words")).to_be_focused()
    expect(desk.test_id("intake-words")).to_have_value("")
    expect(desk.test_id("intake-phone")).to_have_value("")
    expect(desk.page.get_by_test_id("intake-made")).to_have_count(0)


def test_what_was_not_understood_is_chosen_by_typing(desk: Desk, platform: Platform) -> None:
    hands = Keyboard(desk)
    hands.writes("就是门口那个嘛，跟上回一样的，你们来看看就晓得了")
    hands.press("Tab")
    hands.picks("道路破", "道路破损")
    hands.press("Tab")
    hands.picks("渝中", "渝中区")
    hands.press("Control+Enter")
    hands.told("a call chosen by hand")
    kept = made_of(desk, platform)
    assert (kept["category"], kept["division_code"]) == ("road_damage", town.DISTRICT)


def test_without_a_division_the_cursor_goes_where_it_is_missing(desk: Desk) -> None:
    hands = Keyboard(desk)
    hands.writes("就是门口那个嘛，跟上回一样的")
    hands.press("Control+Enter")
    expect(desk.page.locator(".ant-form-item-explain-error")).to_contain_text("区划")
    hands.picks("渝中", "渝中区")
    hands.press("Control+Enter")
    hands.told("a call whose division was asked for")
