"""The living city against the whole platform: readings come in, incidents go all the way, people are let alone.

The clock runs 600 times as fast as real time, so that hours of the city pass within a minute of the test.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chengnao.demonstration.memory import memory_path
from chengnao.demonstration.people import MARK
from tests.support.platform import Client, Platform, running_platform

pytest.importorskip("wntr")
pytestmark = [pytest.mark.engines, pytest.mark.slow]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=True, clock_speed="600") as running:
        yield running


def wait(find: Callable[[], Any], seconds: float = 120) -> Any:
    """What `find` gives as soon as it gives anything."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        found = find()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not seen within {seconds} s")


def items(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.read(path, size=200, **query)["items"]
    return found


def test_every_device_reports_through_its_own_gateway(platform: Platform) -> None:
    officer = platform.client("zhiban")

    def silent() -> bool:
        devices = items(officer, "/api/devices")
        assert len(devices) == 79
        seen = {device["protocol"] for device in devices if device["last_seen"]}
        spoken = {"http", "mqtt", "hj212", "jt808", "sl651", "gb26875", "dlt645", "cjt188", "gb28181"}
        return seen == spoken and sum(not device["last_seen"] for device in devices) <= 1

    wait(silent)


def test_an_incident_goes_its_whole_way_in_the_hands_of_simulated_workers(platform: Platform) -> None:
    officer = platform.client("zhiban")
    closed = wait(lambda: items(officer, "/api/incidents", state="closed"))[0]
    detail = officer.read(f"/api/incidents/{closed['id']}")
    actions = [entry["action"] for entry in detail["timeline"]]
    for action in ("open", "dispatch", "accept", "handle", "verify", "close"):
        assert action in actions
    actors = {entry["actor_name"] for entry in detail["timeline"] if entry["actor_kind"] == "user"}
    assert actors
    assert all(actor.endswith(MARK) for actor in actors)
    photo = officer.get(f"/api/photos/{detail['photos'][0]['id']}")
    assert photo.content.startswith(b"\x89PNG")


def test_a_main_bursts_warns_and_is_mended_when_its_incident_is_handled(platform: Platform) -> None:
    officer = platform.client("zhiban")

    def mended() -> list[str]:
        warnings = [
            each for each in items(officer, "/api/warnings", state="cleared") if each["category"] == "water_pressure"
        ]
        solved = []
        for warning in warnings:
            if warning["incident_id"]:
                state = officer.read(f"/api/incidents/{warning['incident_id']}")["state"]
                solved += [state] if state in {"handled", "verified", "closed"} else []
        return solved

    wait(mended, 180)


def test_wrong_frames_are_in_quarantine(platform: Platform) -> None:
    steward = platform.client("shuju")
    wait(lambda: {"hj212", "mqtt"} <= {each["source"] for each in items(steward, "/api/quarantine")})


def test_what_a_person_has_taken_on_is_left_to_the_person(platform: Platform) -> None:
    officer = platform.client("zhiban")
    made = officer.post(
        "/api/incidents",
        json={
            "title": "由值班长跟办",
            "category": "road_damage",
            "division_code": "500103",
            "lon": 106.55,
            "lat": 29.55,
        },
    ).json()
    noted = officer.act(made["id"], "note", reason="我来跟进")
    time.sleep(20)  # more than three hours in the city: a simulated worker would have accepted long ago
    now = officer.read(f"/api/incidents/{made['id']}")
    simulated = [
        entry for entry in now["timeline"] if entry["seq"] > noted["version"] and entry["actor_name"].endswith(MARK)
    ]
    assert simulated == []


def test_a_killed_city_takes_up_its_work(platform: Platform) -> None:
    officer = platform.client("zhiban")
    wait(lambda: memory_path(platform.home).exists())
    os.kill(platform.processes()["city"]["pid"], signal.SIGKILL)
    before = officer.read("/api/incidents")["total"]
    wait(lambda: officer.read("/api/incidents")["total"] > before)
    wait(lambda: platform.processes()["city"]["state"] == "ready")
