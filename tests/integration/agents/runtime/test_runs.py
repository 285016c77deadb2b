"""Runs from start to end: with a scripted model behind a real socket, and without any."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chengnao.agents.runtime.model import By, RunState
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings, load_settings
from tests.support.agents import Bureau, answers, bureau, calls, definition
from tests.support.loop import DISPATCHER
from tests.support.vendor import Vendor

pytestmark = pytest.mark.engines


@pytest.fixture
def vendor(settings: Settings) -> Iterator[Vendor]:
    """Stands where the gateway is."""
    with Vendor(settings.port("models")) as made:
        yield made


@pytest.fixture
async def office(database: Database, settings: Settings) -> AsyncIterator[Bureau]:
    async with bureau(database, settings) as made:
        yield made


async def test_with_models_off_the_rule_answers(database: Database, settings: Settings) -> None:
    off = load_settings(settings.home, models=False)
    async with bureau(database, off) as office:
        run = await office.ask(definition(), DISPATCHER)
    assert (run.state, run.by) == (RunState.DONE, By.RULE)
    assert run.result == {"advice": "按规则处理：水压很低"}
    assert run.reason is not None
    assert run.reason["code"] == "models_off"
    assert run.evidence[0]["id"] == "advice.rule"


async def test_a_model_calls_tools_and_answers_with_evidence(office: Bureau, vendor: Vendor) -> None:
    vendor.say(calls("papers.search", words="水压"), calls("desk.note", words="已查"), answers("两小时内到场", "e1"))
    run = await office.ask(definition(), DISPATCHER)
    assert (run.state, run.by, run.result) == (RunState.DONE, By.MODEL, {"advice": "两小时内到场"}), run
    assert [each["id"] for each in run.evidence] == ["doc-1"]
    assert await office.effects() == ["已查"]
    assert run.tokens == 45
