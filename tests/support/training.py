"""A recipe whose behaviour a test chooses, offered by an entry point like any other, and the paths to it."""

import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from chengnao.kernel.errors import Invalid
from chengnao.models.card import ModelFormat, ModelKind
from chengnao.models.training.recipe import Column, Outcome, Recipe, Row, Step, Work, recipes

_ROOT = Path(__file__).parents[2]
FILE = "weights.safetensors"
OWN: dict[str, str] = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
    "chengnao.recipes"
]
"""The recipes of the project, also where the environment was made before one of them."""


class CounterConfig(BaseModel):
    """Counts to `steps`, each step after so many seconds, and keeps a checkpoint of each tenth."""

    model_config = ConfigDict(extra="forbid")

    steps: int = 20
    seconds: float = 0.0
    misbehave: Literal["", "memory", "disk", "raise", "die", "chatter", "deaf", "nul"] = ""
    at: int = 5
    score: float = 0.5


def train(work: Work, config: CounterConfig) -> Outcome:
    began = _restored(work)
    (work.checkpoints / "attempts").open("a").write(f"{began}\n")
    for step in range(began + 1, config.steps + 1):
        time.sleep(config.seconds)
        print(f"step {step} of {config.steps}", flush=True)
        if step == config.at and config.misbehave:
            _misbehave(work, config)
        work.metric("loss", step, 1.0 / step)
        if step % 10 == 0 or work.stopping:
            (work.checkpoints / "step").write_text(str(step))
        work.step("count", step / config.steps)
    header = json.dumps({"__metadata__": {"steps": str(config.steps), "at": str(time.time_ns())}}).encode()
    (work.result / FILE).write_bytes(len(header).to_bytes(8, "little") + header)
    rival = None if work.rival is None else {"score": 0.6}
    detail = {"text": "a\x00b"} if config.misbehave == "nul" else {}  # JSON can carry it, PostgreSQL cannot
    figures = {"score": config.score}
    return Outcome(figures, len(work.rows()), baseline={"score": 0.1}, rival=rival, detail=detail)


def _restored(work: Work) -> int:
    try:
        return int((work.checkpoints / "step").read_text())
    except FileNotFoundError:
        return 0


def _misbehave(work: Work, config: CounterConfig) -> None:
    match config.misbehave:
        case "memory":
            eaten = [bytearray(16 * 2**20) for _ in range(1000)]
            print(len(eaten))
        case "disk":
            with (work.checkpoints / "large").open("wb") as file:
                for _ in range(1000):
                    file.write(os.urandom(2**20))
        case "raise":
            raise Invalid("training_data_few", field="data", rows=1, least=2)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "chatter":
            print("很长的日志\n" * 700_000, flush=True)
        case "deaf":
            time.sleep(3600)
        case _:
            return


def _columns(config: CounterConfig) -> Sequence[Column]:
    return [Column("text", "text", "text"), Column("label", "label", "label")]


def _check(config: CounterConfig, rows: Sequence[Row]) -> None:
    if len(rows) < 2:
        raise Invalid("training_data_few", field="data", rows=len(rows), least=2)


RECIPE = Recipe(
    kind="test-counter",
    zh="计数",
    en="counter",
    config=CounterConfig,
    columns=_columns,
    check=_check,
    steps=(Step("count", "计数", "count", 1.0),),
    train=train,
    model_id="test-counter",
    model_kind=ModelKind.CLASSIFIER,
    format=ModelFormat.SAFETENSORS,
    metric="score",
    higher_is_better=True,
)


@contextmanager
def offered(folder: Path, **points: str) -> Iterator[None]:
    """While entered, these recipes (name=module:NAME) are offered here and in processes that are started from here."""
    info = folder / "chengnao_test_recipes-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chengnao-test-recipes\nVersion: 1\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[chengnao.recipes]\n{lines}")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(folder), str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setattr(sys, "path", [str(folder), *sys.path])
        recipes.cache_clear()
        yield
    recipes.cache_clear()
