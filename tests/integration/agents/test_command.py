"""`chengnao agent run` against a platform that runs, and one that does not."""

import json
from pathlib import Path

import pytest

from chengnao.agents.catalogue.definition import write_yaml
from tests.support.agents import definition
from tests.support.platform import running_platform

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


def test_a_draft_is_run_by_the_platform_and_its_steps_are_shown(tmp_path: Path) -> None:
    draft, given = tmp_path / "draft.yaml", tmp_path / "input.json"
    draft.write_text(write_yaml(definition(tools=[], evidence="optional", fallback={"human": "duty_officer"})), "utf-8")
    given.write_text(json.dumps({"text": "水压很低"}), "utf-8")
    with running_platform(demonstration=False, agents="true") as platform:
        done = platform.run("agent", "run", str(draft), "--input", str(given), "--json")
        step, run = [json.loads(line) for line in done.stdout.splitlines()]
        assert (step["kind"], step["error"]) == ("model", "models_off")
        assert (run["state"], run["by"], run["role"]) == ("done", "human", "duty_officer")
        told = platform.run("agent", "run", str(draft), "--input", str(given))
        assert "人工" in told.stdout
        nobody = platform.run("agent", "run", "no-such-agent", "--input", str(given), check=False)
        assert (nobody.returncode, "no-such-agent" in nobody.stderr) == (2, True)
        given.write_text("[1]")
        wrong = platform.run("agent", "run", str(draft), "--input", str(given), check=False)
        assert (wrong.returncode, "--input" in wrong.stderr or "input.json" in wrong.stderr) == (2, True)
        platform.run("down")
        given.write_text(json.dumps({"text": "水压很低"}), "utf-8")
        stopped = platform.run("agent", "run", str(draft), "--input", str(given), check=False)
        assert (stopped.returncode, "chengnao up" in stopped.stderr) == (2, True)
