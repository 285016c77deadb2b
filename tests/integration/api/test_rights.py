"""Every route x every role x own and foreign division."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chengnao.kernel.access.model import MACHINE_ROLES, Role
from tests.support.rights import ALLOWED
from tests.support.routes import ENDLESS, NAMES_NO_RECORD, OF_THE_CITY, OPEN311, PUBLIC, ROUTES, SIGNED_IN_ONLY
from tests.support.world import SECRET, Records, World

pytestmark = pytest.mark.engines


@dataclass(frozen=True)
class Asked:
    """A request about the records of one district."""

    method: str
    path: str
    options: dict[str, Any]


def asked(name: str, records: Records) -> Asked:
    method, path = name.split(" ")
    ids = {
        "job_id": records.ids["training_job"],
        "token_id": records.ids["token"],
        "unit_id": records.unit,
        "device_id": records.ids["device"],
        "device_import_id": records.ids["device_import"],
        "credential_id": records.ids["credential"],
        "command_id": records.ids["command"],
        "edge_id": records.ids["edge"],
        "subscription_id": records.ids["subscription"],
        "sequence": records.ids["delivery"],
        "held_id": records.ids["quarantine"],
        "rule_id": records.ids["threshold"],
        "warning_id": records.ids["warning"],
        "incident_id": records.ids["incident"],
        "photo_id": records.ids["photo"],
        "review_id": records.ids["review"],
        "proposal_id": records.ids["proposal"],
        "draft_id": records.ids["draft"],
        "import_id": records.ids["import"],
        "number": "1",
        "report_id": records.ids["report"],
        "request_id": records.ids["request"],
        "category_rule_id": records.ids["category_rule"],
        "merge_id": records.ids["merge"],
        "content_review_id": records.ids["content_review"],
        "task_id": records.ids["task"],
        "base_id": records.ids["base"],
        "document_id": records.ids["document"],
        "passage_id": records.ids["passage"],
        "agent_id": records.ids["agent"],
        "run_id": records.ids["run"],
        "approval_id": records.ids["approval"],
        "set_id": records.ids["eval_set"],
        "item_id": "i1",
        "eval_run_id": records.ids["eval_run"],
        "server_id": "weather",
        "tool_name": "rain",
        "model_id": "sentences",
        "version": "1",
        "alias": "candidate",
        "deployment": "sentences",
        "action": "scale",
        "route_name": "chat-small",
        "provider_id": records.ids["provider"],
        "key_id": records.ids["key"],
        "budget_id": records.ids["budget"],
        "call_id": records.ids["call"],
        "day": "2026-12-25",
    }
    return Asked(method, path.format(**ids), ROUTES[name].options(records))


async def ask(client: httpx.AsyncClient, request: Asked) -> httpx.Response:
    return await client.request(request.method, request.path, **request.options)


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    served = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    for kind in ("incidents/{incident_id}", "tasks/{task_id}"):
        served.discard(f"POST /api/{kind}/actions/{{action}}")
    listed = {name for name in ROUTES if "/actions/" not in name}
    assert served == listed | PUBLIC | OPEN311 | SIGNED_IN_ONLY


async def test_nobody_gets_anything(app: FastAPI, world: World) -> None:
    async with world.client(app, None) as client:
        for name in sorted([*ROUTES, *SIGNED_IN_ONLY]):
            request = (
                asked(name, world.own) if name in ROUTES else Asked(name.partition(" ")[0], name.partition(" ")[2], {})
            )
            assert (await ask(client, request)).status_code == 401, name


async def test_a_wrong_token_and_a_missing_csrf_token_get_nothing(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.STEWARD) as client:
        client.headers.pop("X-CSRF-Token")
        for name in ROUTES:
            if not name.startswith("GET"):
                answer = await ask(client, asked(name, world.own))
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf_failed"), name
        client.headers["Authorization"] = "Bearer cn_wrong"
        assert (await client.get("/api/incidents")).status_code == 401


@pytest.mark.parametrize("role", list(Role))
async def test_the_matrix(app: FastAPI, world: World, role: Role) -> None:
    wrong = []
    async with world.client(app, role) as client:
        for name, route in ROUTES.items():
            allowed = route.action in ALLOWED[role] and name not in OF_THE_CITY
            if name in ENDLESS and allowed:
                continue
            names_a_record = asked(name, world.own) != asked(name, world.foreign)
            first = allowed
            allowed = allowed and (route.also is None or route.also in ALLOWED[role])
            if names_a_record:
                answer = await ask(client, asked(name, world.foreign))
                if answer.status_code not in ((403, 404) if first else (403,)):
                    wrong.append(f"foreign {name}: {answer.status_code} {answer.text[:200]}")
                if SECRET in answer.text:
                    wrong.append(f"foreign {name} leaks: {answer.text[:200]}")
            elif not name.startswith("GET") and name not in NAMES_NO_RECORD | OF_THE_CITY:
                wrong.append(f"{name}: the request names no record")
            answer = await ask(client, asked(name, world.own))
            if first and role is Role.AGENT_CLIENT and "{run_id}" in name:  # sees the runs it asked for, no others
                good = answer.status_code == 404
            else:
                good = answer.status_code in (200, 201, 202, 204, 409) if allowed else answer.status_code == 403
            if not good:
                wrong.append(f"own {name}: {answer.status_code} {answer.text[:200]}")
            if SECRET in answer.text:
                wrong.append(f"own {name} leaks: {answer.text[:300]}")
    assert wrong == []


@pytest.mark.parametrize("role", sorted(set(Role) - MACHINE_ROLES))
async def test_lists_show_the_own_records_and_only_those(app: FastAPI, world: World, role: Role) -> None:
    async with world.client(app, role) as client:
        for kind, key in (("incidents", "incident"), ("warnings", "warning"), ("devices", "device")):
            listed = {each["id"] for each in (await client.get(f"/api/{kind}?size=200")).json()["items"]}
            assert world.own.ids[key] in listed, kind
            assert world.foreign.ids[key] not in listed, kind
        for path in ("/api/incidents?division=500108", "/api/warnings?division=500108", "/api/devices?division=500108"):
            assert (await client.get(path)).json()["total"] == 0
