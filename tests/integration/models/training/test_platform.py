"""A job on a whole platform, whose models process is killed in the middle of it."""

import os
import signal
import time
from base64 import b64encode
from typing import Any

import pytest

from tests.integration.models.training.jobs import ROWS
from tests.support.platform import Client, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(600)]


def until(client: Client, job_id: str, *states: str, percent: float = 0.0) -> Any:
    end = time.monotonic() + 240.0
    while time.monotonic() < end:
        found = client.read(f"/api/models/training/{job_id}")
        if found["state"] in states and found["progress"]["percent"] >= percent:
            return found
        time.sleep(0.3)
    raise AssertionError(found)


def test_a_job_outlives_the_process_that_runs_it() -> None:
    with running_platform(demonstration=False, models="true") as platform:
        platform.run("user", "add", "trainer", "--role", "operator")
        client = platform.client("trainer")
        data = {"source": "upload", "name": "rows.jsonl", "content": b64encode(ROWS).decode()}
        asked = {"kind": "test-counter", "data": data, "config": {"steps": 150, "seconds": 0.1}}
        made = client.post("/api/models/training", json=asked)
        assert made.status_code == 201, made.text
        job_id = made.json()["id"]
        until(client, job_id, "running", percent=10)
        os.kill(platform.processes()["models"]["pid"], signal.SIGKILL)
        done = until(client, job_id, "done")
        assert done["attempts"] == 2
        assert done["curves"]["loss"]["steps"] == list(range(1, 151))
        version = done["result"]["version"]
        models = {each["id"]: each for each in client.read("/api/models", size=100)["items"]}
        assert models["test-counter"]["aliases"]["candidate"] == version
