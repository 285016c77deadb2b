"""What a simulated worker does next with an incident, and when: a function of the incident alone.

Drawn from the incident's id and the entry of its state, so that a restart makes the same plan again.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.people import DESK, MARK, handler_of, unit_ids, verifier_of

RETURN_SHARE = 0.05
REWORK_SHARE = 0.06
LATE_SHARE = 0.08
SMALL_SHARE = 0.25
"""Incidents that are handled within the hour, so that a visitor soon sees one come to its end."""

_LATE_LIMIT = timedelta(hours=24)
"""Nobody is late with a limit longer than this: such an incident would stay open for hours of real time."""

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """An action that the account `username` will take at `at`, unless the incident has moved on by then."""

    incident_id: str
    version: int
    username: str
    action: str
    at: datetime
    body: Mapping[str, Any]
    photo: bool = False


@dataclass(frozen=True)
class Words:
    """What simulated workers write."""

    results: Mapping[str, Sequence[str]]
    returns: Sequence[Mapping[str, str]]
    reworks: Sequence[str]
    notes: Sequence[str]


@cache
def load_words() -> Words:
    return Words(**yaml.safe_load((files("chengnao.demonstration") / "data" / "workers.yaml").read_text("utf-8")))


def touched_by_person(detail: Mapping[str, Any]) -> bool:
    """Whether somebody who is not simulated has acted on the incident; opening it does not count."""
    return any(
        entry["actor_kind"] == "user" and entry["action"] != "open" and not entry["actor_name"].endswith(MARK)
        for entry in detail["timeline"]
    )


def make_plan(detail: Mapping[str, Any]) -> Plan | None:
    """The next step, or None where it is not for a simulated worker."""
    if touched_by_person(detail):
        return None
    entered = next(e for e in reversed(detail["timeline"]) if e["from_state"] != e["to_state"])
    rng = seeded(detail["id"], entered["seq"])
    entered_at = datetime.fromisoformat(entered["at"])
    due = detail["due_at"]
    limit = datetime.fromisoformat(due) - entered_at if due else timedelta(days=1)
    match detail["state"]:
        case "new" | "returned":
            at = entered_at + _within(rng, limit, 5 * _MINUTE, 30 * _MINUTE)
            body = {"unit_id": _another_unit(detail) or "city-centre", "reason": "按职责改派"}
            return Plan(detail["id"], detail["version"], DESK, "dispatch", at, body)
        case "dispatched" if detail["unit_id"] in unit_ids():
            return _answer(rng, detail, entered_at, limit)
        case "accepted" if detail["unit_id"] in unit_ids():
            small = rng.random() < SMALL_SHARE
            work = (20 * _MINUTE, 60 * _MINUTE) if small else (2 * _HOUR, 10 * _HOUR)
            at = entered_at + _perhaps_late(rng, limit, *work)
            body = {"result": _result(rng, detail["category"]), "lon": detail["lon"], "lat": detail["lat"]}
            return Plan(detail["id"], detail["version"], handler_of(detail["unit_id"]), "handle", at, body, photo=True)
        case "handled":
            at = entered_at + _perhaps_late(rng, limit, 15 * _MINUTE, 80 * _MINUTE)
            again = rng.random() < REWORK_SHARE and not any(e["action"] == "rework" for e in detail["timeline"])
            words = load_words()
            body = {"reason": rng.choice(words.reworks)} if again else {"result": rng.choice(words.notes)}
            action = "rework" if again else "verify"
            return Plan(detail["id"], detail["version"], verifier_of(detail["division_code"]), action, at, body)
        case "verified":
            at = entered_at + _within(rng, limit, 10 * _MINUTE, 60 * _MINUTE)
            return Plan(detail["id"], detail["version"], DESK, "close", at, {})
    return None


def _answer(rng: random.Random, detail: Mapping[str, Any], entered_at: datetime, limit: timedelta) -> Plan:
    """A unit accepts, or says that it is not its work; nobody returns what has been returned before."""
    at = entered_at + _perhaps_late(rng, limit, 10 * _MINUTE, 45 * _MINUTE)
    handler = handler_of(detail["unit_id"])
    first = not any(entry["action"] == "return" for entry in detail["timeline"])
    if first and _another_unit(detail) and rng.random() < RETURN_SHARE:
        why = rng.choice(load_words().returns)
        body = {"reason": why["reason"], "reason_code": why["code"]}
        return Plan(detail["id"], detail["version"], handler, "return", at, body)
    return Plan(detail["id"], detail["version"], handler, "accept", at, {})


def _another_unit(detail: Mapping[str, Any]) -> str | None:
    """A unit that may take the incident and has not had it yet, the nearest first."""
    district = detail["division_code"][:6]
    tried = {task["unit_id"] for task in detail["tasks"]}
    candidates = (f"{district}-urban", f"{district}-centre", "city-urban", "city-centre")
    return next((unit for unit in candidates if unit in unit_ids() and unit not in tried), None)


def _within(rng: random.Random, limit: timedelta, shortest: timedelta, longest: timedelta) -> timedelta:
    return min(limit * rng.uniform(0.3, 0.85), shortest + (longest - shortest) * rng.random())


def _perhaps_late(rng: random.Random, limit: timedelta, shortest: timedelta, longest: timedelta) -> timedelta:
    if rng.random() < LATE_SHARE and limit <= _LATE_LIMIT:
        return limit * rng.uniform(1.03, 1.25)
    return _within(rng, limit, shortest, longest)


def _result(rng: random.Random, category: str) -> str:
    results = load_words().results
    return rng.choice(results.get(category, results["default"]))
