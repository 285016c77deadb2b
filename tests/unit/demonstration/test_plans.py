"""What simulated workers plan: the whole way to the end, mostly in time, and never against a person."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.demonstration.people import DESK, MARK, handler_of, unit_ids, verifier_of
from chengnao.demonstration.plans import load_words, make_plan, touched_by_person
from chengnao.incident.catalogue import categories
from chengnao.incident.model import TRANSITIONS, Action, State
from chengnao.incident.rulebook import Rulebook
from chengnao.kernel.calendar import WorkingCalendar

RULES = Rulebook(WorkingCalendar())
OPENED = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def entry(seq: int, action: str, before: str | None, after: str, at: datetime, actor: str = "system") -> dict[str, Any]:
    kind = "system" if actor == "system" else "user"
    return {
        "seq": seq, "action": action, "from_state": before, "to_state": after, "at": at.isoformat(),
        "actor_kind": kind, "actor_name": actor, "reason": "",
    }  # fmt: skip


def incident(name: str, *, category: str = "road_damage", unit: str | None = "500103-urban") -> dict[str, Any]:
    """An incident as the API gives it just after it was dispatched."""
    grade = categories()[category].grade
    return {
        "id": name, "version": 2, "state": "dispatched", "category": category, "grade": grade, "unit_id": unit,
        "division_code": "500103003", "lon": 106.57, "lat": 29.55, "opened_at": OPENED.isoformat(),
        "due_at": RULES.due(category, grade, "accept", OPENED).isoformat(),
        "tasks": [{"unit_id": unit}], "warnings": [],
        "timeline": [
            entry(1, "open", None, "new", OPENED),
            entry(2, "dispatch", "new", "dispatched", OPENED),
        ],
    }  # fmt: skip


def play(detail: dict[str, Any]) -> tuple[list[str], bool, timedelta]:
    """Follow the plans to the end; returns the actions, whether one was late, and how long it took."""
    actions, late = [], False
    for _ in range(20):
        plan = make_plan(detail)
        if plan is None:
            break
        row = TRANSITIONS[State(detail["state"]), Action(plan.action)]
        assert plan.username in {DESK, verifier_of("500103"), *(handler_of(unit) for unit in unit_ids())}
        late |= plan.at > datetime.fromisoformat(detail["due_at"])
        actions.append(plan.action)
        detail["version"] += 1
        detail["timeline"].append(entry(detail["version"], plan.action, row.source, row.target, plan.at, f"张工{MARK}"))
        detail["state"] = str(row.target)
        if plan.action == "return":
            detail["unit_id"] = None
        elif plan.action == "dispatch":
            detail["unit_id"] = plan.body["unit_id"]
            detail["tasks"].append({"unit_id": detail["unit_id"]})
        due = RULES.state_due(detail["category"], detail["grade"], row.target, plan.at)
        detail["due_at"] = due.isoformat() if due else None
        last = plan.at
    return actions, late, last - OPENED


def test_every_incident_comes_to_its_end_and_most_in_time() -> None:
    ends, lates, times, counts = [], [], [], Counter[str]()
    for number in range(400):
        detail = incident(f"i{number}", category=("road_damage", "water_pressure", "river_flood")[number % 3])
        actions, late, took = play(detail)
        ends.append(detail["state"])
        lates.append(late)
        times.append(took)
        counts.update(actions)
    assert set(ends) == {"closed"}
    assert 0.05 < sum(lates) / len(lates) < 0.3  # of an incident's three deadlines at least one
    assert timedelta(hours=4) < sum(times, timedelta()) / len(times) < timedelta(hours=10)
    assert 5 < counts["return"] < 40
    assert 8 < counts["rework"] < 50


def test_the_same_incident_gets_the_same_plan_again() -> None:
    detail = incident("same")
    first = make_plan(detail)
    detail["version"] += 1
    detail["timeline"].append(entry(3, "urge", "dispatched", "dispatched", OPENED + timedelta(minutes=5)))
    second = make_plan(detail)
    assert first is not None
    assert second is not None
    assert (second.action, second.at, second.version) == (first.action, first.at, 3)


@pytest.mark.parametrize("action", ["accept", "note", "dispatch"])
def test_no_plan_once_a_person_has_acted(action: str) -> None:
    detail = incident("person")
    assert make_plan(detail) is not None
    detail["timeline"].append(entry(3, action, "dispatched", "dispatched", OPENED, "渝中供水处置员"))
    assert touched_by_person(detail)
    assert make_plan(detail) is None


def test_an_incident_that_a_person_opened_is_still_worked_on() -> None:
    detail = incident("opened")
    detail["timeline"][0] = entry(1, "open", None, "new", OPENED, "市级值班长")
    assert make_plan(detail) is not None


def test_units_of_others_are_left_alone() -> None:
    assert make_plan(incident("foreign", unit="somebody-else")) is None


def test_texts_are_for_known_categories() -> None:
    words = load_words()
    assert words.results.keys() <= categories().keys() | {"default"}
    assert all(words.results.values())
