"""The recipes `lora-classifier` and `lora-chat`: a small transformer tuned with LoRA, on a CPU where there is no GPU.

The base is a folder of weights (config.json, *.safetensors, tokenizer.json) that an operator has put into the data
folder, or where none is named a tiny model that is made anew, which is enough to see everything work.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chengnao.kernel.errors import Invalid
from chengnao.models.card import ModelFormat, ModelKind
from chengnao.models.training.recipe import Column, Outcome, Recipe, Row, Step, Work

PACKAGES = ("torch", "transformers", "peft", "safetensors")
_LEAST_ROWS = 10
_PART = "[A-Za-z0-9][A-Za-z0-9._-]{0,80}"
_STEPS = (
    Step("prepare", "准备", "prepare", 0.05),
    Step("train", "训练", "train", 0.85),
    Step("evaluate", "评测", "evaluate", 0.1),
)

BaseModelFolder = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART}){{0,3}}$")]
ColumnName = Annotated[str, Field(min_length=1, max_length=100)]


class LoraConfig(BaseModel):
    """`base_model`: a folder below `<home>/models`, such as `qwen2.5-0.5b`; none: a tiny model made anew.

    `width` and `layers` are of that tiny model alone. A checkpoint is kept every `checkpoint_steps` steps. One row in
    five is held out to measure on.
    """

    model_config = ConfigDict(extra="forbid")

    base_model: BaseModelFolder | None = None
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Annotated[int, Field(ge=1, le=512)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-4
    epochs: Annotated[int, Field(ge=1, le=200)] = 3
    batch: Annotated[int, Field(ge=1, le=256)] = 16
    max_tokens: Annotated[int, Field(ge=16, le=4096)] = 128
    checkpoint_steps: Annotated[int, Field(ge=1, le=10_000)] = 50
    width: Annotated[int, Field(ge=16, le=512, multiple_of=4)] = 64
    layers: Annotated[int, Field(ge=1, le=12)] = 2
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class LoraClassifierConfig(LoraConfig):
    """A label for each text."""

    text: ColumnName = "text"
    label: ColumnName = "label"


class LoraChatConfig(LoraConfig):
    """An answer to each question."""

    prompt: ColumnName = "prompt"
    answer: ColumnName = "answer"


def _classifier_columns(config: LoraClassifierConfig) -> Sequence[Column]:
    return [Column(config.text, "text", "text"), Column(config.label, "label", "label")]


def _chat_columns(config: LoraChatConfig) -> Sequence[Column]:
    return [Column(config.prompt, "prompt", "text"), Column(config.answer, "answer", "text")]


def _check_classes(config: LoraClassifierConfig, rows: Sequence[Row]) -> None:
    counts = Counter(row["label"] for row in rows)
    if len(counts) < 2:
        raise Invalid("training_data_one_label", field="label", label=next(iter(counts)), rows=len(rows))
    _check_rows(config, rows)


def _check_rows(config: LoraConfig, rows: Sequence[Row]) -> None:
    if len(rows) < _LEAST_ROWS:
        raise Invalid("training_data_few", field="data", rows=len(rows), least=_LEAST_ROWS)


def _train_classifier(work: Work, config: LoraClassifierConfig) -> Outcome:
    from chengnao.models.training.recipes.lora_tasks import tune_classifier  # noqa: PLC0415

    return tune_classifier(work, config)


def _train_chat(work: Work, config: LoraChatConfig) -> Outcome:
    from chengnao.models.training.recipes.lora_tasks import tune_chat  # noqa: PLC0415

    return tune_chat(work, config)


CLASSIFIER = Recipe(
    kind="lora-classifier",
    zh="文本分类微调（LoRA）",
    en="text classification, LoRA",
    config=LoraClassifierConfig,
    columns=_classifier_columns,
    check=_check_classes,
    steps=_STEPS,
    train=_train_classifier,
    model_id="lora-classifier",
    model_kind=ModelKind.CLASSIFIER,
    format=ModelFormat.SAFETENSORS,
    metric="macro_f1",
    higher_is_better=True,
    needs=PACKAGES,
)
CHAT = Recipe(
    kind="lora-chat",
    zh="问答微调（LoRA）",
    en="questions and answers, LoRA",
    config=LoraChatConfig,
    columns=_chat_columns,
    check=_check_rows,
    steps=_STEPS,
    train=_train_chat,
    model_id="lora-chat",
    model_kind=ModelKind.CHAT,
    format=ModelFormat.SAFETENSORS,
    metric="loss",
    higher_is_better=False,
    needs=PACKAGES,
)
