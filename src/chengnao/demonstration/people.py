"""The units, accounts and simulated workers of the demonstration, as plain values from `data/people.yaml`."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.kernel.settings import Secrets

CITY = "500000"
PASSWORD = "chengnao-demo"  # noqa: S105 -- stands in the README; the accounts exist in the demonstration alone
MARK = "（演示）"
"""Ends the name of every simulated person, so that people can be told from them."""

DESK = "demo-desk"
"""The simulated officer who sees the whole city, dispatches and closes."""


@dataclass(frozen=True)
class DemoUnit:
    id: str
    name: str
    division_code: str
    parent_id: str | None
    categories: tuple[str, ...]


@dataclass(frozen=True)
class DemoAccount:
    username: str
    display_name: str
    roles: tuple[str, ...]
    division_code: str
    unit_id: str


@cache
def _data() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(
        (files("chengnao.demonstration") / "data" / "people.yaml").read_text("utf-8")
    )
    return found


def districts() -> tuple[str, ...]:
    """The districts that have units of their own here."""
    return tuple(_data()["districts"])


def units(names: Mapping[str, str]) -> list[DemoUnit]:
    """All units, parents first; `names` gives the divisions' names by code."""
    data = _data()
    made = [
        DemoUnit(
            entry["id"],
            entry["name"],
            CITY,
            None if entry["id"] == "city-centre" else "city-centre",
            tuple(entry["categories"]),
        )
        for entry in data["city_units"]
    ]
    for code in data["districts"]:
        for entry in data["district_units"]:
            parent = "city-centre" if entry["id"] == "centre" else f"{code}-centre"
            name = entry["name"].format(district=names[code])
            made.append(DemoUnit(f"{code}-{entry['id']}", name, code, parent, tuple(entry["categories"])))
    street = data["street_unit"]
    for code in data["streets"]:
        name = street["name"].format(street=names[code])
        made.append(DemoUnit(f"{code}-street", name, code, f"{code[:6]}-centre", tuple(street["categories"])))
    return made


@cache
def unit_ids() -> frozenset[str]:
    """The units that have a simulated worker."""
    return frozenset(unit.id for unit in units(defaultdict(str)))


def accounts() -> list[DemoAccount]:
    """The accounts for people."""
    return [
        DemoAccount(
            entry["username"], entry["display_name"], tuple(entry["roles"]), entry["division_code"], entry["unit_id"]
        )
        for entry in _data()["accounts"]
    ]


def handler_of(unit_id: str) -> str:
    """The username of the simulated worker of a unit."""
    return f"demo-{unit_id}"


def verifier_of(division_code: str) -> str:
    """The username of the simulated verifier who looks after a division."""
    district = division_code[:6]
    return f"demo-verify-{district if district in districts() else CITY}"


def workers(names: Mapping[str, str]) -> list[DemoAccount]:
    """The simulated workers: a handler for each unit, verifiers for districts and city, the officer at the desk."""
    surnames = iter(_data()["surnames"])
    made = [DemoAccount(DESK, f"{next(surnames)}主任{MARK}", ("dispatcher", "duty_officer"), CITY, "city-centre")]
    made += [
        DemoAccount(
            f"demo-verify-{code}",
            f"{next(surnames)}核查{MARK}",
            ("verifier",),
            code,
            "city-centre" if code == CITY else f"{code}-centre",
        )
        for code in (CITY, *districts())
    ]
    for unit in units(names):
        title = "师傅" if unit.id.endswith(("water", "urban")) else "工"
        made.append(
            DemoAccount(
                handler_of(unit.id), f"{next(surnames)}{title}{MARK}", ("handler",), unit.division_code, unit.id
            )
        )
    return made


def workers_password(secrets: Secrets) -> str:
    """The simulated workers' password: made from the data folder's own secrets, so that nobody else can sign in."""
    return hashlib.sha256(f"simulated workers {secrets.mqtt_password}".encode()).hexdigest()
