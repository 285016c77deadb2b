"""Understanding over HTTP, and keyword rules that decide from the next text on."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from chengnao.incident.classification.model import Row, classifier_path
from chengnao.incident.classification.training import train
from chengnao.kernel.access.model import Role
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.settings import Settings
from tests.support.world import World

pytestmark = pytest.mark.engines

TEXT = "昨天渝中区民权路28号的路灯不亮"


def install(home: Path) -> None:
    rows = [
        Row(f"{number}号{text}", label)
        for number in range(9)
        for text, label in (("路灯不亮", "street_light"), ("狗叫", "dog"))
    ]
    train(rows, SystemClock().now(), features="characters").classifier.save(classifier_path(home))


async def test_without_a_classifier_words_suggest_and_rules_decide(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        found = (await client.post("/api/classify", json={"text": TEXT})).json()
        assert found["abstained"]
        assert found["alternatives"][0]["category"] == "street_light"
        assert found["division_code"] == "500103"
        assert found["roads"] == [{"name": "民权路", "number": "28号", "kind": "road"}]


async def test_the_installed_classifier_answers(app: FastAPI, world: World, settings: Settings) -> None:
    install(settings.home)
    async with world.client(app, Role.DISPATCHER) as client:
        body = {"text": TEXT, "at": "2026-11-25T14:00:00+08:00"}
        found = (await client.post("/api/classify", json=body)).json()
        assert (found["category"], found["name"], found["abstained"]) == ("street_light", "路灯故障", False)
        assert found["times"][0]["start"] == "2026-11-24T00:00:00+08:00"
        assert found["category_reasons"][0]["zh"].startswith("分类模型")
        for text in ("", "x" * 4001):
            assert (await client.post("/api/classify", json={"text": text})).status_code == 422


async def test_a_rule_decides_until_it_is_removed(app: FastAPI, world: World, settings: Settings) -> None:
    install(settings.home)
    async with world.client(app, Role.STEWARD) as client:
        rule = {"category": "noise", "any_words": ["路灯"], "division_code": world.own.division, "note": "试"}
        made = (await client.put("/api/category-rules", json=rule)).json()
        assert made["category_name"] == "噪声扰民"
        changed = (await client.put("/api/category-rules", json=rule | {"id": made["id"], "category": "dog"})).json()
        assert changed["id"] == made["id"]
        listed = (await client.get("/api/category-rules?category=dog")).json()
        assert [each["id"] for each in listed["items"]] == [made["id"]]
    async with world.client(app, Role.DISPATCHER) as client:
        found = (await client.post("/api/classify", json={"text": TEXT})).json()
        assert found["category"] == "dog"
        assert found["category_reasons"][0]["zh"] == "关键词规则：路灯"
        assert (await client.delete(f"/api/category-rules/{made['id']}")).status_code == 204
        found = (await client.post("/api/classify", json={"text": TEXT})).json()
        assert found["category"] == "street_light"
        assert (await client.delete(f"/api/category-rules/{made['id']}")).status_code == 404


async def test_rules_that_are_refused(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.STEWARD) as client:
        own = {"division_code": world.own.division}
        answers = {
            "category_rule_no_words": {"category": "noise", **own},
            "category_unknown": {"category": "no such", "any_words": ["a"], **own},
            "forbidden": {"category": "noise", "any_words": ["a"]},
            "not_found": {"category": "noise", "any_words": ["a"], "id": world.foreign.ids["category_rule"], **own},
        }
        for code, body in answers.items():
            answer = await client.put("/api/category-rules", json=body)
            assert answer.json()["error"]["code"] == code


async def test_changes_are_put_on_record(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.DISPATCHER) as client:
        rule = {"category": "noise", "any_words": ["喇叭"], "division_code": world.own.division}
        made = (await client.put("/api/category-rules", json=rule)).json()
    async with world.client(app, Role.AUDITOR) as client:
        entries = (await client.get("/api/audit?size=200")).json()["items"]
        assert any(
            entry["action"] == "category_rule.write" and entry["detail"].get("rule") == made["id"] for entry in entries
        )
