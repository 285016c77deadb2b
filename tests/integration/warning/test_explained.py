"""A warning explained with its readings, by the tools and by the rule, over the real store."""

from datetime import timedelta

import pytest

from chengnao.agents.tools import Call, rules, tools
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.database import Database
from chengnao.kernel.errors import NotFound
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.warning.model import DeviceWarning, Direction, WarningState
from chengnao.warning.repository import WarningRepository
from chengnao.warning.service import add_rule
from tests.support.loop import START, WANZHOU, WATER, YUZHONG, low_pressure, make_city, person, pressures

pytestmark = pytest.mark.engines

OFFICER = person(Role.DUTY_OFFICER)


def warned(device: str, value: float, minutes: float, division: str = YUZHONG, lon: float = 106.57) -> DeviceWarning:
    at = START + timedelta(minutes=minutes)
    return DeviceWarning(
        id=f"w-{device}",
        rule_id="low-pressure",
        device_id=device,
        device_name=f"压力站{device}",
        title=f"压力站{device} 压力 {value} m，低于黄色阈值 20 m",
        metric="pressure",
        unit="m",
        direction=Direction.BELOW,
        category="water_pressure",
        level=Level.YELLOW,
        peak_level=Level.YELLOW,
        opens_incident_at=Level.YELLOW,
        state=WarningState.OPEN,
        value=value,
        threshold=20.0,
        opened_at=at,
        updated_at=at,
        cleared_at=None,
        division_code=division,
        unit_id=WATER,
        lon=lon,
        lat=29.56,
    )


@pytest.fixture
async def warnings(database: Database, settings: Settings, store: str) -> Database:
    await make_city(database)
    async with database.unit_of_work() as uow:
        await add_rule(uow, low_pressure())
        await WarningRepository(uow.session).put_warnings(
            [warned("told-1", 18.0, 40), warned("told-2", 19.0, 45, lon=106.56)]
        )
        await uow.commit()
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    await readings.ensure_schema()
    await readings.insert(pressures([("told-1", minute * 60, 30.0 - minute * 0.3) for minute in range(0, 60, 5)]))
    await readings.close()
    return database


async def explained(database: Database, settings: Settings, who: Principal) -> dict[str, object]:
    async with database.unit_of_work() as uow:
        call = Call(uow, who, settings, "warning-explanation", "", "")
        answer = await rules()["warning-explanation"].run(call, {"warning_id": "w-told-1"})
    return answer.result


async def test_the_rule_tells_trend_neighbours_and_source(warnings: Database, settings: Settings) -> None:
    told = await explained(warnings, settings, OFFICER)
    assert told["trend"] == "falling"
    assert told["neighbours"] == 1
    said = str(told["explanation"])
    assert "压力站told-1" in said
    assert "20 m" in said
    assert "压力站told-2" in said
    assert "made for the test" in said, "where the threshold comes from"
    assert told["action"]


async def test_the_tools_give_readings_and_lists(warnings: Database, settings: Settings) -> None:
    async with warnings.unit_of_work() as uow:
        call = Call(uow, OFFICER, settings, "test", "run", "key")
        series = tools()["warning.series"]
        around = (await series.run(call, series.input(warning_id="w-told-1"))).model_dump()
        listing = tools()["warning.list"]
        found = (await listing.run(call, listing.input(words="told-1"))).model_dump()
    assert around["available"] is True
    assert around["trend"] == "falling"
    assert around["lowest"] == pytest.approx(13.5)
    assert [each["id"] for each in found["warnings"]] == ["w-told-1"]


async def test_another_district_is_told_nothing(warnings: Database, settings: Settings) -> None:
    with pytest.raises(NotFound):
        await explained(warnings, settings, person(Role.DUTY_OFFICER, WANZHOU))


async def test_without_the_store_it_still_explains(warnings: Database, settings: Settings) -> None:
    away = settings.model_copy(update={"clickhouse_url": "http://127.0.0.1:9/"})
    told = await explained(warnings, away, OFFICER)
    assert told["trend"] == "unknown"
    assert "压力站told-1" in str(told["explanation"])
