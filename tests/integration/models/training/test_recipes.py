"""The recipes themselves, as jobs: what they are worth on unseen rows, and the way of a result into use and back."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import pi, sin
from pathlib import Path
from typing import Any

import orjson
import pytest

from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.classifier import Classifier
from chengnao.incident.classification.model import classifier_path
from chengnao.kernel.apart import NotRead
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.kernel.settings import Settings
from chengnao.models.registry.service import require_model, require_version
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.model import Job, JobState
from chengnao.models.training.recipes.forecaster import FILE, Forecaster
from chengnao.models.training.recipes.forecaster import hourly as series_of
from chengnao.models.training.results import in_use
from chengnao.models.training.service import promote_job, roll_back_job
from tests.integration.models.training.jobs import (
    AUTHORITY,
    OPERATOR,
    at_percent,
    ended,
    kill,
    processes_of,
    running,
    started,
)

pytestmark = pytest.mark.engines


def lines(rows: list[dict[str, object]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def texts(count: int) -> bytes:
    """Made texts of the categories that have most of them."""
    wanted = {label for label, _ in Counter(row.label for row in training_rows()).most_common(10)}
    rows = [{"text": row.text, "label": row.label} for row in training_rows() if row.label in wanted]
    random.Random(1).shuffle(rows)
    assert len(rows) >= count
    return lines([dict(row) for row in rows[:count]])


async def promote(database: Database, home: Path, job: Job) -> None:
    async with database.unit_of_work() as uow:
        await promote_job(uow, AUTHORITY, home, OPERATOR, job.id)
        await uow.commit()


async def roll_back(database: Database, home: Path, job: Job) -> None:
    async with database.unit_of_work() as uow:
        await roll_back_job(uow, AUTHORITY, home, OPERATOR, job.id)
        await uow.commit()


async def used(database: Database, home: Path, job: Job) -> bool:
    async with database.unit_of_work() as uow:
        return await in_use(uow, home, job)


@pytest.fixture
def own_home(tmp_path: Path, settings: Settings) -> Path:
    """A data folder that no other test has put a classifier into."""
    made = tmp_path / "home"
    (made / "training").mkdir(parents=True)
    return made


async def test_the_classifier_is_trained_promoted_and_rolled_back(database: Database, own_home: Path) -> None:
    path = classifier_path(own_home)
    async with running(database, own_home):
        options: dict[str, Any] = {"features": "characters", "baseline": False}
        first = await ended(database, await started(database, own_home, "incident-classifier", texts(80), **options))
        assert first.state is JobState.DONE, first.error
        assert not path.exists()
        await promote(database, own_home, first)
        before = path.read_bytes()
        second = await ended(database, await started(database, own_home, "incident-classifier", texts(180), **options))
    assert first.result is not None
    assert second.result is not None
    assert second.result["rival"] is not None
    assert 0.5 < second.result["evaluation"]["macro_f1"] <= 1.0
    assert second.result["reference"]["rows"] == 180
    assert sum(second.result["reference"]["labels"].values()) == pytest.approx(1.0)
    assert path.read_bytes() == before
    await promote(database, own_home, second)
    assert await used(database, own_home, second)
    assert not await used(database, own_home, first)
    assert Classifier.load(path).metadata.rows == 180
    async with database.unit_of_work() as uow:
        assert (await require_model(uow, "incident-classifier")).aliases["champion"] == second.result["version"]
    await roll_back(database, own_home, second)
    assert path.read_bytes() == before
    assert await used(database, own_home, first)
    async with database.unit_of_work() as uow:
        assert (await require_model(uow, "incident-classifier")).aliases["champion"] == first.result["version"]
    with pytest.raises(Conflict):
        await roll_back(database, own_home, second)
    with pytest.raises(Conflict):
        await roll_back(database, own_home, first)


async def test_a_file_that_was_changed_after_training_is_never_installed(database: Database, own_home: Path) -> None:
    async with running(database, own_home):
        options: dict[str, Any] = {"features": "characters", "baseline": False}
        done = await ended(database, await started(database, own_home, "incident-classifier", texts(60), **options))
    assert done.result is not None
    (own_home / done.result["folder"] / "classifier.skops").write_bytes(b"something else")
    with pytest.raises(Conflict) as error:
        await promote(database, own_home, done)
    assert error.value.code == "training_result_changed"
    assert not classifier_path(own_home).exists()


async def test_an_operator_of_a_district_does_not_change_the_citys_model(database: Database, own_home: Path) -> None:
    async with running(database, own_home):
        done = await ended(database, await started(database, own_home))
    async with database.unit_of_work() as uow:
        with pytest.raises(Forbidden):
            await promote_job(uow, AUTHORITY, own_home, replace(OPERATOR, division_code="500103"), done.id)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"text": "a", "label": "b"}\n' * 5, "training_data_one_label"),
        (b'{"text": "a", "category": "b"}\n' * 5, "training_data_column"),
        (b"", "training_data_empty"),
    ],
)
async def test_data_that_nothing_can_be_learnt_from_makes_no_job(
    database: Database, own_home: Path, content: bytes, code: str
) -> None:
    with pytest.raises(NotRead) as error:
        await started(database, own_home, "incident-classifier", content)
    assert error.value.code == code
    assert list((own_home / "training").iterdir()) == []


def hourly(days: int) -> bytes:
    chance = random.Random(3)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    rows: list[dict[str, object]] = []
    for hour in range(24 * days):
        at = start + timedelta(hours=hour)
        rest = 0.6 if (at + timedelta(hours=8)).weekday() > 4 else 1.0
        value = rest * (100 + 60 * sin(2 * pi * (hour % 24) / 24)) + chance.gauss(0, 6)
        rows.append({"at": at.isoformat(), "value": value, "series": "入口水量"})
    return lines(rows)


async def test_series_are_forecast_better_than_as_a_day_ago(database: Database, own_home: Path) -> None:
    async with running(database, own_home):
        done = await ended(
            database, await started(database, own_home, "series-forecaster", hourly(60), rounds=60, folds=3), 120
        )
        again = await ended(
            database, await started(database, own_home, "series-forecaster", hourly(50), rounds=30, folds=1), 120
        )
    assert done.state is JobState.DONE, done.error
    assert done.result is not None
    assert done.result["evaluation"]["mase"] < done.result["detail"]["naive_day"]
    assert 0.5 < done.result["evaluation"]["coverage_80"] <= 1.0
    assert len(done.result["detail"]["folds"]) == 3
    assert again.result is not None
    assert again.result["rival"] is not None
    forecaster = Forecaster.load(own_home / done.result["folder"] / FILE)
    rows = [orjson.loads(line) for line in hourly(40).splitlines()]
    series, _ = series_of(rows)
    found = forecaster.forecast(series[0])
    assert len(found.middle) == 24
    assert (found.low <= found.middle).all()
    assert (found.middle <= found.high).all()


def installed() -> None:
    for package in ("torch", "transformers", "peft"):
        pytest.importorskip(package, reason="not run: extra training is not installed")


async def test_lora_goes_on_after_kill_9_and_ends_with_the_same_weights(database: Database, own_home: Path) -> None:
    installed()
    from safetensors.numpy import load_file  # noqa: PLC0415

    options: dict[str, Any] = {"epochs": 6, "checkpoint_steps": 20, "learning_rate": 5e-3, "batch": 8, "max_tokens": 64}
    content = texts(160)
    async with running(database, own_home):
        calm = await ended(database, await started(database, own_home, "lora-classifier", content, **options), 180)
        assert calm.state is JobState.DONE, (calm.error, JobFolder.of(own_home, calm.id).log_tail())
        job = await started(database, own_home, "lora-classifier", content, **options)
        await at_percent(database, job, 30)
        kill(processes_of(own_home, job)[0])
        killed = await ended(database, job, 180)
    assert killed.state is JobState.DONE, killed.error
    assert killed.attempts == 2
    assert calm.result is not None
    assert killed.result is not None
    weights = [
        load_file(own_home / each.result["folder"] / "adapter_model.safetensors")
        for each in (calm, killed)
        if each.result
    ]
    assert weights[0].keys() == weights[1].keys()
    for name in weights[0]:
        assert (weights[0][name] == weights[1][name]).all(), name
    assert killed.result["evaluation"]["accuracy"] == calm.result["evaluation"]["accuracy"]
    steps, losses = JobFolder.of(own_home, job.id).curves()["loss"]
    assert steps == list(range(1, len(steps) + 1))
    assert sum(losses[-10:]) < sum(losses[:10])
    async with database.unit_of_work() as uow:
        version = await require_version(uow, "lora-classifier", killed.result["version"])
    names = {each.name for each in version.card.files}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "base.safetensors"} <= names


async def test_lora_learns_answers_from_a_folder_of_weights(database: Database, own_home: Path) -> None:
    installed()
    rows: list[dict[str, object]] = [
        {"prompt": f"{place}的路灯坏了怎么办", "answer": f"请拨打12345，由{place}市政部门处理。"}
        for place in ("渝中", "江北", "南岸", "沙坪坝", "九龙坡", "大渡口", "北碚", "巴南", "长寿", "涪陵") * 4
    ]
    options: dict[str, Any] = {"epochs": 8, "learning_rate": 5e-3, "batch": 4, "max_tokens": 64}
    async with running(database, own_home):
        first = await ended(database, await started(database, own_home, "lora-chat", lines(rows), **options), 180)
        assert first.state is JobState.DONE, (first.error, JobFolder.of(own_home, first.id).log_tail())
        assert first.result is not None
        assert first.result["evaluation"]["loss"] < first.result["baseline"]["loss"] - 1.0
        _as_base(own_home, first)
        second = await ended(
            database, await started(database, own_home, "lora-chat", lines(rows), base_model="own/base", **options), 180
        )
    assert second.state is JobState.DONE, (second.error, JobFolder.of(own_home, second.id).log_tail())
    assert second.result is not None
    assert second.result["detail"]["base"] == "base"
    assert second.result["rival"] is not None
    assert not (own_home / second.result["folder"] / "base.safetensors").exists()


def _as_base(home: Path, job: Job) -> None:
    """The tiny model that the job made, as a folder of weights like one that an operator would bring."""
    assert job.result is not None
    source, target = home / job.result["folder"], home / "models" / "own" / "base"
    target.mkdir(parents=True)
    for name, as_name in (
        ("base.safetensors", "model.safetensors"),
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer.json"),
        ("tokenizer_config.json", "tokenizer_config.json"),
    ):
        (target / as_name).write_bytes((source / name).read_bytes())


async def test_a_base_that_is_not_there_fails_with_what_to_do(database: Database, own_home: Path) -> None:
    installed()
    async with running(database, own_home):
        job = await started(database, own_home, "lora-classifier", texts(40), base_model="no/such")
        failed = await ended(database, job)
    assert failed.error is not None
    assert failed.error["code"] == "training_base_missing"


async def test_a_recipe_without_its_packages_says_what_to_install(database: Database, own_home: Path) -> None:
    try:
        import torch  # noqa: F401, PLC0415
    except ImportError:
        with pytest.raises(Exception, match="torch") as error:
            await started(database, own_home, "lora-classifier", texts(40))
        assert error.value.code == "training_extra_missing"  # type: ignore[attr-defined]
    else:
        pytest.skip("not run: extra training is installed")
