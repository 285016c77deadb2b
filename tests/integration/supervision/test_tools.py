"""Every reading tool over real engines: what it answers fits what it promises."""

import io
from datetime import date
from typing import Any

import pytest
from PIL import Image, ImageDraw

from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, tools
from chengnao.incident.model import Source
from chengnao.incident.photos import keep_photo
from chengnao.incident.service import Opening, open_incident
from chengnao.kernel.access.model import SYSTEM, Role
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.settings import Settings
from tests.support.loop import WANZHOU, WATER, YUZHONG, make_city, person

pytestmark = pytest.mark.engines

OFFICER = person(Role.DUTY_OFFICER)


async def called(database: Database, settings: Settings, tool: str, **given: Any) -> dict[str, Any]:
    found = tools()[tool]
    async with database.unit_of_work() as uow:
        call = Call(uow, OFFICER, settings, "test", "run", "key")
        plain: dict[str, Any] = (await found.run(call, found.input.model_validate(given))).model_dump()
    return plain


def test_each_tool_is_typed_named_in_chinese_and_has_an_action() -> None:
    ours = {name: tool for name, tool in tools().items() if tool.run.__module__.startswith("chengnao.")}
    for name, tool in ours.items():
        assert tool.name == name
        assert any("\u4e00" <= each <= "\u9fff" for each in tool.zh + tool.description)
        assert "." in tool.action
        assert tool.input.model_json_schema()["type"] == "object"
    writing = {name for name, tool in ours.items() if tool.effect is not Effect.READ}
    assert writing == {"incident.note", "incident.dispatch", "report.draft_answer"}


async def test_days_sums_texts_devices_figures_and_lists(database: Database, settings: Settings) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        opening = Opening(Source.MANUAL, title="人和街水压低", category="water_pressure", division_code=YUZHONG)
        await open_incident(uow, SYSTEM, opening)
        await uow.commit()
    days = await called(database, settings, "calendar.working_days", start=date(2026, 9, 30), days=1)
    assert days["end"] == date(2026, 10, 8), "the national holiday is no working day"
    back = await called(database, settings, "calendar.working_days", start=date(2026, 9, 30), end=date(2026, 10, 8))
    assert (back["working_days"], back["calendar_days"]) == (1, 8)
    with pytest.raises(Invalid):
        await called(database, settings, "calendar.working_days", days=1, end=date(2026, 10, 8))
    assert (await called(database, settings, "calculate", expression="54000/12"))["value"] == "4500"
    assert "13812345678" not in (await called(database, settings, "text.mask", text="电话13812345678"))["text"]
    devices = await called(database, settings, "device.find", words="压力站g1")
    assert [each["id"] for each in devices["devices"]] == ["g1"]
    figures = await called(database, settings, "evaluation.indicators", by="unit")
    assert figures["total"]["figures"]["立案数"] == "1"
    options = await called(database, settings, "evaluation.options", unit_ids=[WATER])
    assert options["options"][0]["figures"]["在办件数"] == 1.0
    duty = await called(database, settings, "supervision.duty_list")
    assert duty["total"] == len(duty["cases"])
    facts = await called(database, settings, "writing.facts", kind="weekly")
    assert any("供水压力异常 1 件" in line for line in facts["lines"])
    drafted = await called(database, settings, "writing.draft", kind="weekly")
    assert "立案数 1 件" in drafted["result"]["paragraphs"][0]
    compared = await called(database, settings, "decision.compare", unit_ids=[WATER, "yuzhong-streets"])
    assert len(compared["result"]["table"]) == 2
    assert (await called(database, settings, "knowledge.search", query="井盖"))["passages"] == []
    assert (await called(database, settings, "knowledge.ask", question="井盖多久修好？"))["found"] is False
    with pytest.raises(NotFound):
        await called(database, settings, "knowledge.passage", passage_id="nothing")


async def test_a_picture_is_measured_read_and_kept_from_others(database: Database, settings: Settings) -> None:
    await make_city(database)
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).text((40, 200), "ROAD CLOSED 12345", fill="black", font_size=48)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    async with database.unit_of_work() as uow:
        opening = Opening(Source.MANUAL, title="路口", category="other", division_code=WANZHOU)
        incident = await open_incident(uow, SYSTEM, opening)
        photo = await keep_photo(uow, settings.home, SYSTEM, incident, packed.getvalue())
        await uow.commit()
    seen = await called(database, settings, "picture.persons", photo_id=photo.id)
    assert (seen["width"], seen["height"]) == (640, 480)
    assert seen["persons"] in (None, 0)
    said = await called(database, settings, "picture.ocr", photo_id=photo.id)
    assert "CLOSED" in said["text"].upper()
    foreign = tools()["picture.persons"]
    async with database.unit_of_work() as uow:
        call = Call(uow, person(Role.DISPATCHER, YUZHONG), settings, "test", "run", "key")
        with pytest.raises(NotFound):
            await foreign.run(call, foreign.input(photo_id=photo.id))
