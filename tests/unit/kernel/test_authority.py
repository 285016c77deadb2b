"""Every role x every action x own and foreign division, against a table written out by hand."""

import re
from importlib.resources import files

import pytest

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import MACHINE_ROLES, SYSTEM, Principal, Resource, Role
from tests.support.rights import ALLOWED

ACTIONS = sorted(
    set(
        re.findall(r'"([a-z]+\.[a-z]+)"', (files("chengnao.kernel.access") / "policies/schema.cedarschema").read_text())
    )
)
OWN, BELOW, ABOVE, FOREIGN = "500103", "500103001", "500000", "500108"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.load()


def principal(role: Role) -> Principal:
    kind = "machine" if role in MACHINE_ROLES else "user"
    return Principal("p", "某人", kind, frozenset({role}), OWN, "unit-a")  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", list(Role))
def test_the_matrix(authority: Authority, role: Role, action: str) -> None:
    who = principal(role)
    for division in (ABOVE, FOREIGN):
        assert not authority.allows(who, action, Resource(division, "unit-a"))
    expected = action in ALLOWED[role]
    assert authority.allows(who, action, Resource(OWN, "unit-a")) is expected
    assert authority.allows(who, action, Resource(BELOW, "unit-a")) is expected


@pytest.mark.parametrize("action", ["incident.accept", "incident.handle", "incident.return"])
def test_a_handler_acts_only_for_the_own_unit(authority: Authority, action: str) -> None:
    who = principal(Role.HANDLER)
    assert not authority.allows(who, action, Resource(OWN, "unit-b"))
    assert not authority.allows(who, action, Resource(OWN))


@pytest.mark.parametrize("action", ["agent.write", "agent.evaluate", "agent.publish"])
def test_a_developer_of_a_unit_makes_agents_of_that_unit_alone(authority: Authority, action: str) -> None:
    who = principal(Role.DEVELOPER)
    assert authority.allows(who, action, Resource(OWN, "unit-a"))
    assert not authority.allows(who, action, Resource(OWN, "unit-b"))
    assert not authority.allows(who, action, Resource(OWN))
    of_the_division = Principal("d", "开发", "user", frozenset({Role.DEVELOPER}), OWN)
    assert authority.allows(of_the_division, action, Resource(BELOW, "unit-b"))


def test_a_machine_of_a_unit_sends_only_for_its_devices(authority: Authority) -> None:
    who = principal(Role.GATEWAY)
    assert not authority.allows(who, "reading.write", Resource(OWN, "unit-b"))
    anywhere = Principal("m", "网关", "machine", frozenset({Role.GATEWAY}), OWN)
    assert authority.allows(anywhere, "reading.write", Resource(BELOW, "unit-b"))


def test_no_role_no_right_and_unknown_action_no_right(authority: Authority) -> None:
    nobody = Principal("n", "无", "machine", frozenset(), OWN)
    assert not any(authority.allows(nobody, action, Resource(OWN)) for action in ACTIONS)
    everything = Principal("a", "全", "user", frozenset(Role), OWN)
    assert not authority.allows(everything, "incident.destroy", Resource(OWN))


def test_an_error_while_deciding_is_a_refusal(authority: Authority) -> None:
    broken = Principal("x", "x", "user", frozenset(Role), OWN, unit_id=7)  # type: ignore[arg-type]
    assert not authority.allows(broken, "incident.read", Resource(OWN))


def test_the_platform_itself_passes(authority: Authority) -> None:
    assert authority.allows(SYSTEM, "incident.dispatch", Resource(FOREIGN))


@pytest.mark.parametrize(
    "policies",
    [
        'permit (principal is User, action == Action::"no.such", resource);',
        'permit (principal is User, action == Action::"view", resource) when { principal.rank > 3 };',
        "permit (principal",
    ],
)
def test_policies_that_do_not_fit_their_schema_are_refused_at_load(policies: str) -> None:
    schema = (files("chengnao.kernel.access") / "policies/schema.cedarschema").read_text()
    with pytest.raises(ValueError):  # noqa: PT011
        Authority(policies, schema)
