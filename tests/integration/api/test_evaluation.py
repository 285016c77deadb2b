"""Evaluation over HTTP: what is shown, taken away and printed, and by whom."""

import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI
from python_calamine import CalamineWorkbook

from chengnao.incident.model import Source
from chengnao.incident.service import Opening, open_incident
from chengnao.kernel.access.model import SYSTEM, Role
from chengnao.kernel.database import Database
from chengnao.supervision.evaluation.export import CASES, SHEETS
from chengnao.supervision.evaluation.model import indicators
from tests.support.world import OWN, SECRET, World

pytestmark = pytest.mark.engines

NASTY = '=HYPERLINK("http://x","y")\x0b<script>alert(1)</script>'


@pytest.fixture
async def nasty(world: World, database: Database) -> World:
    """An own incident whose title wants to be a formula and a script."""
    async with database.unit_of_work() as uow:
        await open_incident(uow, SYSTEM, Opening(Source.MANUAL, NASTY, "noise", OWN))
        await uow.commit()
    return world


async def get(app: FastAPI, world: World, path: str, role: Role = Role.AUDITOR, **params: str) -> Any:
    async with world.client(app, role) as client:
        answer = await client.get(f"/api{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def test_rows_total_and_definitions(app: FastAPI, world: World) -> None:
    for by in ("unit", "tier", "category", "division", "channel", "day", "week", "month"):
        found = (await get(app, world, "/evaluation", by=by)).json()
        assert found["by"] == by
        assert sum(row["opened"] for row in found["rows"]) == found["total"]["opened"] > 0
        assert {each["key"] for each in found["definitions"]} == set(found["total"]) - {"key", "name"}
    assert found["total"]["source_on_time_rate"] is None
    assert set(found["total"]["time_whole"]) == {"count", "odd", "median", "p90"}


async def test_the_cases_behind_a_figure_are_paged_and_of_the_own_division(app: FastAPI, world: World) -> None:
    total = (await get(app, world, "/evaluation")).json()["total"]
    page = (await get(app, world, "/evaluation/cases", indicator="opened", size="1")).json()
    assert (page["total"], len(page["items"]), page["size"]) == (total["opened"], 1, 1)
    every = await get(app, world, "/evaluation/cases", indicator="accept_rate", part="denominator")
    assert every.json()["total"] == total["accept_due"]
    tasks = (await get(app, world, "/evaluation/cases", indicator="dispatched")).json()
    assert tasks["total"] == total["dispatched"] == len(tasks["items"]) > 0
    assert world.own.unit in {each["task"]["unit_id"] for each in tasks["items"]}
    assert all(world.foreign.division not in each["task"]["unit_id"] for each in tasks["items"])
    reports = await get(app, world, "/evaluation/cases", indicator="reports", by="channel", key="machine")
    assert [each["tracking_number"][:3] for each in reports.json()["items"]] == ["SB-"]
    assert all(SECRET not in answer.text for answer in (every, reports))


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"indicator": "happiness"}, 400, "indicator_unknown"),
        ({"indicator": "opened", "part": "missed"}, 400, "indicator_has_no_part"),
        ({"indicator": "opened", "part": "half"}, 422, "invalid_request"),
        ({"indicator": "opened", "by": "colour"}, 422, "invalid_request"),
        ({"indicator": "opened", "from": "2026-12-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, 400, "invalid_value"),
    ],
)
async def test_nonsense_is_answered_with_what_is_possible(
    app: FastAPI, world: World, params: dict[str, str], status: int, code: str
) -> None:
    async with world.client(app, Role.DUTY_OFFICER) as client:
        answer = await client.get("/api/evaluation/cases", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_the_workbook_holds_every_grouping_the_definitions_and_the_cases(app: FastAPI, nasty: World) -> None:
    answer = await get(app, nasty, "/evaluation/export.xlsx")
    assert "attachment" in answer.headers["content-disposition"]
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    assert book.sheet_names == [*SHEETS.values(), "指标定义", "案卷"]
    total = (await get(app, nasty, "/evaluation")).json()["total"]
    by_unit = book.get_sheet_by_name("按单位").to_python()
    heads, last = by_unit[1], by_unit[-1]
    assert (last[0], last[heads.index("立案数")]) == ("合计", total["opened"])
    assert last[heads.index("满意率")] == ""  # nothing was rated: neither 0 nor 100 %
    defined = [row[-1] for row in book.get_sheet_by_name("指标定义").to_python()[2:]]
    assert defined == [each.key for each in indicators().all]
    cases = book.get_sheet_by_name("案卷").to_python()
    assert len(cases) - 2 == total["opened"]
    assert f"{total['opened']} 件，全部列出" in str(cases[0][0])
    titles = [str(row[1]) for row in cases[2:]]
    assert any(title.startswith("=HYPERLINK") for title in titles), "it is a text, as it was written"
    assert all(SECRET not in str(row) for row in cases)
    assert CASES == 5_000


class Page(HTMLParser):
    """Collects what a page loads, and whether its tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_printed_report_is_whole_by_itself(app: FastAPI, nasty: World) -> None:
    answer = await get(app, nasty, "/print/evaluation", by="category")
    assert answer.headers["content-type"].startswith("text/html")
    page = Page()
    page.feed(answer.text)
    assert page.open == []
    assert page.loads == []
    assert "script" not in page.tags
    assert "svg" in page.tags
    assert not re.search(r"url\(|@import|https?://", answer.text)
    for each in indicators().all:
        assert each.name in answer.text
    assert "渝中区城市治理评价报告" in answer.text
    assert SECRET not in answer.text


async def test_the_auditor_compares_figures_and_log(app: FastAPI, world: World) -> None:
    found = (await get(app, world, "/evaluation/check")).json()
    assert found["incidents"] == (await get(app, world, "/evaluation")).json()["total"]["opened"]
    assert found["entries"] >= found["incidents"] > 0
    assert (found["differing"], found["differences"]) == (0, [])
    async with world.client(app, Role.DUTY_OFFICER) as client:
        assert (await client.get("/api/evaluation/check")).status_code == 403
