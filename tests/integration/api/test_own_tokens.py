"""Tokens of a person's own clients: made, listed and ended by that person alone, and of little use in the API."""

import pytest
from fastapi import FastAPI

from chengnao.kernel.access.model import Role
from chengnao.kernel.access.service import find_client
from chengnao.kernel.database import Database
from tests.support.world import OWN, World

pytestmark = pytest.mark.engines


async def test_a_person_makes_lists_and_ends_the_tokens_of_its_clients(
    app: FastAPI, world: World, database: Database
) -> None:
    async with world.client(app, Role.DISPATCHER) as own, world.client(app, Role.VERIFIER) as other:
        made = (await own.post("/api/session/tokens", json={"name": "桌面助手", "days": 7})).json()
        token, secret = made["token"], made["secret"]
        assert (token["role"], token["division_code"]) == ("agent_client", OWN)
        listed = (await own.get("/api/session/tokens")).json()["items"]
        assert [each["id"] for each in listed] == [token["id"]]
        assert secret not in str(listed)
        assert (await other.get("/api/session/tokens")).json()["items"] == []
        assert (await other.delete(f"/api/session/tokens/{token['id']}")).status_code == 404
        async with database.unit_of_work() as uow:
            person = await find_client(uow, secret)
        assert person is not None
        assert (person.kind, person.roles) == ("user", frozenset({Role.DISPATCHER}))
        # In the API the client is a machine that may use agents, whatever the person may.
        client = {"Authorization": f"Bearer {secret}"}
        async with world.client(app, None) as anybody:
            assert (await anybody.get("/api/agents", headers=client)).status_code == 200
            assert (await anybody.get("/api/incidents", headers=client)).status_code == 403
            assert (await anybody.post("/api/session/tokens", json={"name": "x"}, headers=client)).status_code == 403
        assert (await own.delete(f"/api/session/tokens/{token['id']}")).status_code == 204
        async with database.unit_of_work() as uow:
            assert await find_client(uow, secret) is None
        assert (await own.post("/api/session/tokens", json={"name": "x", "days": 4000})).status_code == 422
