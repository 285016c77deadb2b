"""Personal details of a report are nowhere but under seal."""

import json
import logging
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from chengnao.kernel.access.model import Role
from tests.support.world import OWN, PLACES, World

pytestmark = pytest.mark.engines

DETAILS = {
    "phone": "13912345678",
    "identity": "500103199001011239",
    "name": "欧阳建国",
    "mail": "ouyang@example.com",
    "plate": "渝A8D5K7",
    "card": "6222021234567890128",
    "wechat": "oy_jianguo66",
}
CONTENT = (
    "我叫{name}，身份证{identity}，住长江路12号{phone}，邮箱{mail}，微信{wechat}，我的车{plate}被井盖刮坏了，赔款请打卡号{card}。"
    "请给{name}回电{phone}。"
).format(**DETAILS)
ADDRESS = "长江路12号，联系人：欧阳建国 13912345678"
PATHS = (
    "/api/incidents", "/api/incidents?q=长江路", "/api/reports", "/api/situation", "/api/situation/map", "/api/audit",
    "/api/tasks/mine", "/api/drafts",
)  # fmt: skip


def shown(text: str) -> list[str]:
    return [kind for kind, detail in DETAILS.items() if detail in text]


def test_the_words_hold_every_detail() -> None:
    assert shown(CONTENT) == list(DETAILS)


async def everything(client: httpx.AsyncClient, report: dict[str, Any]) -> dict[str, str]:
    """What the role is answered at every address that could tell of the report."""
    paths = (*PATHS, f"/api/incidents/{report['incident_id']}", f"/api/reports/{report['id']}")
    found = {}
    for path in paths:
        answer = await client.get(path)
        assert answer.status_code in (200, 403, 404), path
        found[path] = answer.text
    return found


def database_as_text(url: str) -> dict[str, str]:
    """Every row of every table, as text; what is sealed shows as hexadecimal digits."""
    found = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))).fetchall()
            found[table] = "\n".join(row[0] for row in rows)
    return found


@pytest.fixture
def report_body() -> dict[str, Any]:
    place = PLACES[OWN]
    return {
        "content": CONTENT, "address": ADDRESS, "category": "road_damage", "lon": place.lon, "lat": place.lat,
        "reporter_name": DETAILS["name"], "reporter_phone": DETAILS["phone"],
    }  # fmt: skip


async def test_details_are_in_no_answer_no_event_no_row_and_no_log(
    app: FastAPI, world: World, database_url: str, report_body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as citizen:
        made = (await citizen.post("/api/public/reports", json=report_body)).json()
        public = await citizen.get(f"/api/public/reports/{made['tracking_number']}", params={"code": made["code"]})
    assert public.status_code == 200
    assert shown(public.text) == []

    async with world.client(app, Role.DISPATCHER) as client:
        report = (await client.get("/api/reports", params={"q": made["tracking_number"]})).json()["items"][0]
        same = await client.post("/api/reports", json=report_body, headers={"Idempotency-Key": "the-same-by-telephone"})
        assert same.status_code == 201
    for role in (Role.DUTY_OFFICER, Role.DISPATCHER, Role.HANDLER, Role.VERIFIER, Role.AUDITOR, Role.STEWARD):
        async with world.client(app, role) as client:
            leaks = {path: shown(text) for path, text in (await everything(client, report)).items() if shown(text)}
            assert leaks == {}, role

    rows = database_as_text(database_url)
    assert report["id"] in rows["incident_reports"]
    assert made["tracking_number"] in rows["incident_reports"]
    assert "incident.opened" in rows["outbox"]
    assert {table: shown(text) for table, text in rows.items() if shown(text)} == {}
    for detail in DETAILS.values():
        assert detail.encode().hex() not in rows["report_contacts"]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("chengnao"))
    assert shown(ours) == []
    assert report["content"].count("*") > 40, "but it can still be read"
    assert "被井盖刮坏了" in report["content"]


async def test_who_may_read_them_does_so_with_a_purpose_on_record(
    app: FastAPI, world: World, report_body: dict[str, Any]
) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await client.post("/api/reports", json=report_body)).json()
        path = f"/api/reports/{made['id']}/contact"
        assert (await client.post(path, json={"purpose": ""})).status_code == 422
        contact = (await client.post(path, json={"purpose": "回访核实位置"})).json()
    assert contact == {"name": DETAILS["name"], "phone": DETAILS["phone"], "content": CONTENT}
    async with world.client(app, Role.HANDLER) as client:
        assert (await client.post(path, json={"purpose": "上门联系"})).json()["phone"] == DETAILS["phone"]
    for role in (Role.VERIFIER, Role.AUDITOR, Role.STEWARD, Role.OPERATOR, Role.REPORTER, Role.GATEWAY):
        async with world.client(app, role) as client:
            assert (await client.post(path, json={"purpose": "好奇"})).status_code == 403, role
    async with world.client(app, Role.AUDITOR) as client:
        entries = (await client.get("/api/audit?size=200")).json()["items"]
    read = [each for each in entries if each["action"] == "report.contact" and each["outcome"] == "allowed"]
    assert {each["detail"]["purpose"] for each in read} == {"回访核实位置", "上门联系"}
    assert sum(each["action"] == "report.contact" and each["outcome"] == "refused" for each in entries) == 6
    assert shown(json.dumps(entries, ensure_ascii=False)) == []


async def test_a_handler_of_another_unit_does_not_read_them(
    app: FastAPI, world: World, report_body: dict[str, Any]
) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        made = (await client.post("/api/reports", json=report_body | {"category": "noise"})).json()
    async with world.client(app, Role.HANDLER) as client:
        answer = await client.post(f"/api/reports/{made['id']}/contact", json={"purpose": "好奇"})
    assert answer.status_code in (403, 404)
