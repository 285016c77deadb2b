"""Who may read what, written out by hand."""

import pytest

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.model import ANYBODY, PLATFORM, Ownership
from chengnao.knowledge.readership import readership_of

CITY, DISTRICT, STREET, OTHER = "500000", "500103", "500103003", "500108"


def person(division: str, unit: str | None = None, *roles: Role, name: str = "p") -> Principal:
    return Principal(name, name, "user", frozenset(roles or {Role.DUTY_OFFICER}), division, unit)


@pytest.mark.parametrize(
    ("access", "owner_division", "reader", "may"),
    [
        (DataClass.PUBLIC, OTHER, person(DISTRICT), True),
        (DataClass.INTERNAL, CITY, person(STREET), True),
        (DataClass.INTERNAL, DISTRICT, person(STREET), True),
        (DataClass.INTERNAL, STREET, person(DISTRICT), True),
        (DataClass.INTERNAL, STREET, person(CITY), True),
        (DataClass.INTERNAL, OTHER, person(DISTRICT), False),
        (DataClass.INTERNAL, "500108001", person(DISTRICT), False),
        (DataClass.SENSITIVE, DISTRICT, person(DISTRICT), False),
        (DataClass.SENSITIVE, DISTRICT, person(CITY), False),
        (DataClass.SENSITIVE, DISTRICT, person(DISTRICT, "own"), True),
        (DataClass.SENSITIVE, DISTRICT, person(OTHER, "shared"), True),
        (DataClass.SENSITIVE, DISTRICT, person(DISTRICT, "another"), False),
        (DataClass.SENSITIVE, DISTRICT, person(DISTRICT, None, Role.AUDITOR), True),
        (DataClass.SENSITIVE, DISTRICT, person(CITY, None, Role.AUDITOR), True),
        (DataClass.SENSITIVE, DISTRICT, person(OTHER, None, Role.AUDITOR), False),
        (DataClass.SENSITIVE, DISTRICT, person(OTHER, name="maker"), True),
    ],
)
def test_who_may_read(access: DataClass, owner_division: str, reader: Principal, may: bool) -> None:
    owner = Ownership(owner_division, "own", access, ("shared",) if access is DataClass.SENSITIVE else (), "maker")
    assert readership_of(reader).may_read(owner.readers) is may


def test_the_public_and_machines_read_what_is_public_and_the_platform_everything() -> None:
    machine = Principal("m", "m", "machine", frozenset({Role.GATEWAY}), CITY, "own")
    client = Principal("c", "c", "machine", frozenset({Role.AGENT_CLIENT}), CITY, "own")
    for access in DataClass:
        readers = Ownership(CITY, "own", access).readers
        assert readership_of(client).may_read(readers) is (access is not DataClass.SENSITIVE)
        assert ANYBODY.may_read(readers) is (access is DataClass.PUBLIC)
        assert readership_of(machine).may_read(readers) is (access is DataClass.PUBLIC)
        assert PLATFORM.may_read(readers)


def test_a_sensitive_text_of_no_unit_is_for_the_desk_of_its_division_and_not_for_handlers() -> None:
    readers = Ownership(DISTRICT, None, DataClass.SENSITIVE).readers
    assert readership_of(person(DISTRICT)).may_read(readers)
    assert not readership_of(person(DISTRICT, "unit", Role.HANDLER)).may_read(readers)
    assert not readership_of(person(CITY)).may_read(readers)
