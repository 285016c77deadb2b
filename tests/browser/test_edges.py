"""An operator registers an edge gateway, watches its lines, and changes its settings from afar."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk
from tests.support import town
from tests.support.cut import Cut
from tests.support.platform import Platform, running_platform
from tests.support.ports import free_block

pytestmark = [pytest.mark.engines, pytest.mark.browser, pytest.mark.timeout(300)]

SETTINGS = """
token = "{token}"
[primary]
url = "{primary}"
[standby]
url = "{standby}"
[listen]
host = "127.0.0.1"
http = {port}
[switching]
probe_seconds = 0.3
probe_timeout = 1.0
return_seconds = 2.0
"""


@pytest.fixture(scope="module")
def platform(browser: Browser) -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        town.found_in(running.settings)
        yield running


@contextmanager
def edge(folder: Path, token: str, primary: str, standby: str) -> Iterator[None]:
    """An edge gateway as `chengnao edge` starts it."""
    text = SETTINGS.format(token=token, primary=primary, standby=standby, port=free_block())
    (folder / "edge.toml").write_text(text)
    with (folder / "edge.log").open("wb") as log:
        command = [sys.executable, "-m", "chengnao.sensing.edge", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_an_edge_from_its_registration_to_its_history(browser: Browser, platform: Platform, tmp_path: Path) -> None:
    target = ("127.0.0.1", platform.settings.port("gateway"))
    primary, standby = Cut(target), Cut(target)
    operator = Desk(browser, platform, "operator")
    operator.open("/edges")
    operator.test_id("new-edge").click()
    operator.test_id("edge-name").fill("化龙桥泵站")
    operator.test_id("edge-place").fill("渝中区化龙桥泵站机房")
    operator.test_id("confirm").click()
    token = operator.test_id("edge-token").inner_text().strip()
    operator.open("/edges")
    expect(operator.test_id("edge-state")).to_have_text("未上线")

    with edge(tmp_path, token, primary.address, standby.address):
        expect(operator.test_id("edge-state")).to_have_text("正常", timeout=30_000)
        expect(operator.test_id("line-primary")).to_contain_text("使用中")
        primary.cut()
        expect(operator.test_id("edge-state")).to_have_text("走备线", timeout=30_000)
        expect(operator.test_id("line-primary")).to_contain_text("断")
        shoot(operator, "edges")
        operator.page.get_by_role("link", name="化龙桥泵站").click()
        expect(operator.page.get_by_text("主线 → 备线").first).to_be_visible()
        operator.test_id("want-megabytes").fill("256")
        operator.test_id("want-save").click()
        expect(operator.page.get_by_text("已生效")).to_be_visible(timeout=30_000)
        expect(operator.page.get_by_text("/ 256 MiB")).to_be_visible(timeout=30_000)
        primary.mend()
        expect(operator.test_id("edge-state")).to_have_text("正常", timeout=30_000)
        shoot(operator, "edge")
    operator.test_id("lang-switch").click()
    expect(operator.page.get_by_text("primary → standby").first).to_be_visible()
    operator.close()
    primary.close()
    standby.close()


def shoot(desk: Desk, name: str) -> None:
    """Keep a picture for whoever wants to look at the page."""
    folder = os.environ.get("CHENGNAO_SHOTS")
    if folder:
        desk.page.screenshot(path=f"{folder}/{name}.png")
