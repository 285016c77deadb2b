"""Whatever the OpenAPI document allows, and much that it does not: no answer is a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.support.platform import Client, Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(900)]

LEFT_OUT = ("/api/stream", "/api/session")
"""The stream has no end, and signing out would end the test's own session."""
ALL_ROLES = ("duty_officer", "dispatcher", "handler", "verifier", "steward", "operator", "auditor", "developer")


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        roles = [part for role in ALL_ROLES for part in ("--role", role)]
        running.run("user", "add", "everyone", *roles)
        yield running


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[Client]:
    """One who may do everything everywhere, so that the requests get past both walls."""
    signed_in = platform.client("everyone")
    yield signed_in
    signed_in.close()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_is_answered_with_500(platform: Platform, client: Client, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_url(f"{platform.address}/api/openapi.json")
    headers = {"X-CSRF-Token": client.me["csrf_token"]}
    failed: dict[str, str] = {}
    asked = 0

    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in LEFT_OUT:
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            asked += 1
            answer = case.call(headers=headers, cookies=dict(client.cookies))
            if answer.status_code >= 500:
                failed.setdefault(case.operation.label, f"{answer.status_code} {case.as_curl_command()}")

        try:
            ask()
        except Unsatisfiable:
            continue  # this operation has nothing that could be wrong
    print(f"{asked} requests")
    assert failed == {}
    assert asked > 500
