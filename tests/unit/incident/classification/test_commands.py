"""`chengnao classify` and `chengnao train classifier`: every good line answered, every bad one named."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from chengnao.incident.classification.cli import classify_command, train_app

from .test_classifier import rows, trained

app = typer.Typer()
app.command("classify")(classify_command(rows))
app.add_typer(train_app, name="train")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.skops"
    trained().classifier.save(path)
    return path


def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_each_line_gets_its_answer_in_order(model: Path) -> None:
    lines = [
        json.dumps({"id": "a", "text": "昨天渝中区民权路28号的路灯不亮", "at": "2026-11-25T14:00:00+08:00"}),
        "",
        json.dumps({"text": "楼下垃圾没人收"}),
    ]
    code, out, err = run("classify", "-", "--model", str(model), stdin="\n".join(lines))
    assert (code, err) == (0, "")
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["id"], first["category"], first["abstained"]) == ("a", "light", False)
    assert first["place"]["division"] == "500103"
    assert first["place"]["roads"] == [{"name": "民权路", "number": "28号", "kind": "road"}]
    assert first["times"][0]["start"] == "2026-11-24T00:00:00+08:00"
    assert {"grade", "grade_reasons", "confidence", "matters", "parties", "category_name"} <= set(first)
    assert (second["id"], second["category"]) == (3, "rubbish")


def test_bad_lines_are_named_and_the_others_processed(model: Path) -> None:
    lines: list[bytes] = [
        b"not json",
        b"[1]",
        b'{"id": 1}',
        b'{"text": 5}',
        b'{"text": "  "}',
        b'{"text": "\xff"}',
        json.dumps({"text": "路灯不亮", "at": "yesterday"}).encode(),
        json.dumps({"text": "路灯不亮", "at": "2026-11-25T14:00:00"}).encode(),
        json.dumps({"text": "路灯不亮"}).encode(),
    ]
    code, out, err = run("classify", "-", "--model", str(model), stdin=b"\n".join(lines))
    assert code == 1
    assert [json.loads(line)["id"] for line in out.splitlines()] == [9]
    told = err.splitlines()
    assert len(told) == 8
    assert all(f"第 {number} 行" in line and f"line {number}:" in line for number, line in enumerate(told, start=1))


def test_files_that_cannot_be_used(tmp_path: Path, model: Path) -> None:
    code, _, err = run("classify", str(tmp_path / "missing.jsonl"), "--model", str(model))
    assert code == 2
    assert "missing.jsonl" in err
    foreign = tmp_path / "foreign.skops"
    foreign.write_bytes(b"x")
    code, _, err = run("classify", "-", "--model", str(foreign), stdin='{"text": "a"}')
    assert code == 2
    assert "foreign.skops" in err


def test_nothing_to_do_is_no_error(model: Path) -> None:
    assert run("classify", "-", "--model", str(model), stdin="\n\n") == (0, "", "")


def test_the_first_classifier_is_trained_from_the_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHENGNAO_HOME", str(tmp_path))
    code, out, err = run("classify", "-", stdin='{"text": "路灯不亮"}')
    assert code == 0
    assert json.loads(out)["best"] == json.loads(out)["alternatives"][0]["category"] == "light"
    assert "虚构" in err
    assert (tmp_path / "models" / "classifier.skops").exists()


def test_training_on_any_labels_and_using_it(tmp_path: Path) -> None:
    data = tmp_path / "closed.jsonl"
    lines = [json.dumps({"words": row.text, "unit": row.label}) for row in rows()]
    data.write_text("\n".join([*lines, '{"words": "x"}', "broken"]))
    model = tmp_path / "own.skops"
    arguments = ["--text", "words", "--label", "unit", "--out", str(model), "--features", "characters"]
    code, out, err = run("train", "classifier", str(data), *arguments)
    assert code == 1
    assert "line 37:" in err
    assert "line 38:" in err
    for shown in ("macro-F1", "ECE", "coverage", "accuracy at 90 %", "tf-idf + SVM", "rubbish", str(model.name)):
        assert shown in out.replace("\n", "")
    code, out, _ = run("classify", "-", "--model", str(model), stdin='{"text": "垃圾没人收"}')
    assert json.loads(out)["category"] == "rubbish"


def test_training_without_a_choice_of_labels(tmp_path: Path) -> None:
    data = tmp_path / "one.jsonl"
    data.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": "x"}')
    code, _, err = run("train", "classifier", str(data), "--out", str(tmp_path / "m"), "--features", "characters")
    assert code == 2
    assert "--label" in err
    data.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 2}')
    code, out, _ = run("train", "classifier", str(data), "--out", str(tmp_path / "m"), "--features", "characters")
    assert code == 0
    assert "未见过的行" in out
