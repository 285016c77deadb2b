"""What is tuned with LoRA on a machine with a GPU, said once for each trainer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field

from chengnao.models.training.recipe import Column, Row

DATA = "train.jsonl"


class TuningConfig(BaseModel):
    """Supervised tuning of a language model with LoRA.

    `model`: a name or a folder on the machine that trains. `template`: that of the model, where the trainer wants it
    named. `batch` and `accumulation` multiply; `precision` is that of the numbers.
    """

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=300)] = "Qwen/Qwen2.5-7B-Instruct"
    template: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,60}$")] = "qwen"
    prompt: Annotated[str, Field(min_length=1, max_length=100)] = "prompt"
    answer: Annotated[str, Field(min_length=1, max_length=100)] = "answer"
    system: Annotated[str, Field(max_length=4000)] = ""
    rank: Annotated[int, Field(ge=1, le=512)] = 8
    alpha: Annotated[int, Field(ge=1, le=1024)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-4
    epochs: Annotated[float, Field(gt=0, le=100)] = 3.0
    batch: Annotated[int, Field(ge=1, le=1024)] = 1
    accumulation: Annotated[int, Field(ge=1, le=1024)] = 8
    max_tokens: Annotated[int, Field(ge=16, le=131_072)] = 2048
    held_out: Annotated[float, Field(ge=0, lt=0.9)] = 0.1
    """The share of rows to measure on."""
    save_steps: Annotated[int, Field(ge=1, le=100_000)] = 200
    precision: Annotated[str, Field(pattern="^(bfloat16|float16|float32)$")] = "bfloat16"
    output: Annotated[str, Field(min_length=1, max_length=300)] = "saves/chengnao-lora"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42


@dataclass(frozen=True)
class Export:
    """Files by name, and the command to run in their folder."""

    files: Mapping[str, bytes]
    command: str


def columns(config: TuningConfig) -> Sequence[Column]:
    return [Column(config.prompt, "prompt", "text"), Column(config.answer, "answer", "text")]


def messages(config: TuningConfig, rows: Sequence[Row]) -> bytes:
    """Conversations of one question and one answer, one JSON object a line, as both trainers read them."""
    first = [{"role": "system", "content": config.system}] if config.system else []
    return b"".join(
        orjson.dumps(
            {
                "messages": [
                    *first,
                    {"role": "user", "content": row["prompt"]},
                    {"role": "assistant", "content": row["answer"]},
                ]
            }
        )
        + b"\n"
        for row in rows
    )
