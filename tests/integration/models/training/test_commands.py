"""`chengnao train ...` on jobs of a platform, and recipe files for machines with a GPU."""

from asyncio import to_thread
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chengnao.app.cli import app
from chengnao.kernel.database import Database
from chengnao.models.training.model import JobState
from tests.integration.models.training.jobs import ended, job_now, running, started

pytestmark = pytest.mark.engines


@pytest.fixture
def command(database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("CHENGNAO_HOME", str(home))
    monkeypatch.setenv("CHENGNAO_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


async def test_a_job_is_listed_shown_cancelled_and_resumed(
    command: CliRunner, database: Database, home: Path, tmp_path: Path
) -> None:
    job = await started(database, home, steps=10)
    assert "已取消" in (await to_thread(command.invoke, app, ["train", "cancel", job.id])).output
    assert (await job_now(database, job)).state is JobState.CANCELLED
    assert "排队中" in (await to_thread(command.invoke, app, ["train", "resume", job.id])).output
    async with running(database, home):
        await ended(database, job)
    listed = await to_thread(command.invoke, app, ["train", "list"])
    assert job.id in listed.output
    shown = (await to_thread(command.invoke, app, ["train", "show", job.id])).output
    assert "score" in shown
    assert "step 10 of 10" in shown
    assert job.data.sha256 in shown


def test_recipe_files_hold_no_personal_details(command: CliRunner, tmp_path: Path) -> None:
    file, out = tmp_path / "qa.csv", tmp_path / "out"
    file.write_text("prompt,answer\n路灯坏了，电话13812345678,请拨打12345\n,缺\n", "utf-8")
    done = command.invoke(app, ["train", "export", "llamafactory", str(file), str(out)])
    assert done.exit_code == 1
    assert "3: prompt" in done.output
    assert "llamafactory-cli train train.yaml" in done.output
    assert {path.name for path in out.iterdir()} == {"train.yaml", "train.jsonl", "dataset_info.json"}
    assert "13812345678" not in (out / "train.jsonl").read_text("utf-8")
