"""`chengnao agent check`: every fault with its place, both languages, and the name that was meant."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chengnao.agents.runtime import cli
from tests.support import agents

GOOD = agents.definition(evals={"set": "test-set", "pass_mark": 0.5}).model_dump(mode="json", by_alias=True)


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "tools", lambda: agents.TOOLS)
    monkeypatch.setattr(cli, "rules", lambda: agents.RULES)


def check(folder: Path, text: str) -> tuple[int, list[dict[str, Any]]]:
    file = folder / "agent.yaml"
    file.write_text(text, "utf-8")
    done = CliRunner().invoke(cli.app, ["check", str(file), "--json"])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def as_yaml(**changes: Any) -> str:
    return yaml.safe_dump(GOOD | changes, allow_unicode=True, sort_keys=False)


def test_a_sound_definition_passes_without_a_word(tmp_path: Path) -> None:
    assert check(tmp_path, as_yaml()) == (0, [])


@pytest.mark.parametrize(
    ("changes", "path", "meant"),
    [
        ({"tools": ["papers.serch"]}, "tools.0", "papers.search"),
        ({"context": [{"tool": "paper.search", "with": {"words": "水"}}]}, "context.0.tool", "papers.search"),
        ({"fallback": {"rule": "advise.rule"}}, "fallback.rule", "advice.rule"),
        ({"autonomy": "suggest"}, "tools.1", "desk.note"),
        ({"limits": {"tokens": 5}}, "limits.tokens", "100"),
        ({"fallback": {"human": "mayor"}}, "fallback.human", "duty_officer"),
    ],
)
def test_each_fault_has_its_place_and_names_what_was_meant(
    tmp_path: Path, changes: dict[str, Any], path: str, meant: str
) -> None:
    text = as_yaml(**changes)
    code, lines = check(tmp_path, text)
    wrong = [each for each in lines if each["level"] == "error"]
    assert code == 2
    assert [each["path"] for each in wrong] == [path]
    assert meant in wrong[0]["message"] + wrong[0]["message_en"]
    assert wrong[0]["line"] > text[: text.index(path.split(".", maxsplit=1)[0] + ":")].count("\n")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tools": ["desk.note"]}, "evidence"),
        ({"fallback": {"human": "duty_officer"}}, "fallback.human"),
        ({"model": {"route": "chta", "data": "internal"}}, "model.route"),
        ({"limits": {"tokens": 300}}, "limits.tokens"),
        ({"limits": {"steps": 1}}, "limits.steps"),
        ({"evals": None}, "evals"),
    ],
)
def test_what_will_disappoint_is_a_warning(tmp_path: Path, changes: dict[str, Any], path: str) -> None:
    code, lines = check(tmp_path, as_yaml(**changes))
    assert (code, [(each["level"], each["path"]) for each in lines]) == (0, [("warning", path)])


@pytest.mark.parametrize("text", ["", "id: [", "- a\n- b", "id: x\nid: y", "\x00", "a: &b 1"])
def test_what_is_no_definition_is_told_and_no_trace_back_shown(tmp_path: Path, text: str) -> None:
    code, lines = check(tmp_path, text)
    assert code == 2
    assert lines
    assert all(each["message"] and each["message_en"] for each in lines)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["check", str(tmp_path / "none.yaml")])
    assert done.exit_code == 1
    assert "none.yaml" in str(done.exception)
