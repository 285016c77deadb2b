"""Whatever the OpenAPI document allows, and much that it does not: no answer is a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from tests.support.platform import Client, Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(900)]

ALL_ROLES = ("duty_officer", "dispatcher", "handler", "verifier", "steward", "operator", "auditor")


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        roles = [part for role in ALL_ROLES for part in ("--role", role)]
        running.run("user", "add", "everyone", *roles)
        yield running


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[Client]:
    """One who may do everything everywhere, so that the requests get past both walls."""
    with platform.client("everyone") as signed_in:
        yield signed_in


@pytest.fixture(scope="module")
def document(platform: Platform, client: Client) -> schemathesis.schemas.BaseSchema:
    schema = schemathesis.openapi.from_url(f"{platform.address}/api/openapi.json")
    # The stream has no end, and signing out would end the test's own session.
    return schema.exclude(path="/api/stream").exclude(path="/api/session")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_answered_with_500(case: schemathesis.Case[Any], client: Client) -> None:
    headers = {"X-CSRF-Token": client.me["csrf_token"]}
    case.call_and_validate(headers=headers, cookies=dict(client.cookies), checks=[not_a_server_error])
