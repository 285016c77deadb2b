"""The recipe `incident-classifier` for training jobs: the same training as `chengnao train classifier`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chengnao.incident.classification.labels import category_hints
from chengnao.incident.classification.model import CLASSIFIER, Row, classifier_path
from chengnao.kernel.errors import Invalid
from chengnao.models.card import ModelFormat, ModelKind
from chengnao.models.training import recipe as training

FILE = "classifier.skops"
_FIGURES = ("accuracy", "macro_f1", "ece", "coverage", "accuracy_covered", "accuracy_at_90", "threshold")


class ClassifierConfig(BaseModel):
    """`text`, `label`, `group`: names of columns; rows of one group are never learnt from to guess another of it.

    `precision`: how often right the classifier shall be where it does not abstain.
    """

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=100)] = "text"
    label: Annotated[str, Field(min_length=1, max_length=100)] = "label"
    group: Annotated[str, Field(min_length=1, max_length=100)] = "group"
    features: Literal["characters+meaning", "characters"] = "characters+meaning"
    precision: Annotated[float, Field(ge=0.5, le=0.999)] = 0.9
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    baseline: bool = True
    """Measure character tf-idf and a linear SVM beside it."""


def columns(config: ClassifierConfig) -> Sequence[training.Column]:
    return [
        training.Column(config.text, "text", "text"),
        training.Column(config.label, "label", "label"),
        training.Column(config.group, "group", "label", optional=True),
    ]


def check(config: ClassifierConfig, rows: Sequence[training.Row]) -> None:
    """Raises Invalid where all rows carry one label."""
    labels = {row["label"] for row in rows}
    if len(labels) < 2:
        raise Invalid("training_data_one_label", field="label", label=next(iter(labels)), rows=len(rows))


def train(work: training.Work, config: ClassifierConfig) -> training.Outcome:
    """Train, measure on unseen rows, and measure the classifier in use on the same rows."""
    from chengnao.incident.classification.training import train as train_classifier  # noqa: PLC0415

    rows = [Row(row["text"], row["label"], row.get("group", "")) for row in work.rows()]
    trained = train_classifier(
        rows,
        datetime.now(UTC),
        features=config.features,
        hints=category_hints(),
        precision=config.precision,
        seed=config.seed,
        origin="training job",
        baseline=config.baseline,
        progress=work.step,
    )
    trained.classifier.save(work.result / FILE)
    evaluation, baseline = trained.evaluation, trained.baseline
    if evaluation is None:
        too_few = (
            "每种标签只有一行，无法在未见过的行上评测。",
            "Each label has one row, so nothing could be measured.",
        )
        return training.Outcome(evaluation={}, items=0, notes=[too_few], reference=_reference(rows))
    notes = [] if work.rival is None else [_SEEN]
    return training.Outcome(
        evaluation={key: getattr(evaluation, key) for key in _FIGURES},
        items=evaluation.rows,
        baseline={} if baseline is None else {key: getattr(baseline, key) for key in _FIGURES},
        rival=None if work.rival is None else _rival(work.rival, rows),
        reference=_reference(rows),
        detail={
            "folds": evaluation.folds,
            "classes": [asdict(each) for each in evaluation.classes],
            "confusions": [asdict(each) for each in evaluation.confusions],
        },
        notes=notes,
    )


_TOO_FEW = ("每种标签只有一行，无法在未见过的行上评测。", "Each label has one row: nothing could be measured.")
_SEEN = (
    "在用模型在同样的行上比较；其中可能有它训练时见过的行，对它有利。",
    "The classifier in use was tried on the same rows, some of which it may have been trained on, to its advantage.",
)


def _rival(path: Path, rows: Sequence[Row]) -> dict[str, float] | None:
    from chengnao.incident.classification.classifier import Classifier  # noqa: PLC0415
    from chengnao.incident.classification.evaluation import evaluate  # noqa: PLC0415

    classifier = Classifier.load(path)
    truth = [row.label for row in rows]
    chances = classifier.probabilities([row.text for row in rows])
    guesses = [classifier.labels[best] for best in chances.argmax(axis=1)]
    found = evaluate(truth, guesses, chances.max(axis=1), classifier.threshold, 1)
    return {key: getattr(found, key) for key in _FIGURES}


def _reference(rows: Sequence[Row]) -> dict[str, Any]:
    """Shares of labels and lengths of texts in training."""
    lengths = sorted(len(row.text) for row in rows)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.label] = counts.get(row.label, 0) + 1
    return {
        "rows": len(rows),
        "labels": {label: count / len(rows) for label, count in sorted(counts.items())},
        "length": {f"p{part}": lengths[min(len(lengths) - 1, len(lengths) * part // 100)] for part in (10, 50, 90)},
    }


RECIPE = training.Recipe(
    kind="incident-classifier",
    zh="事件分类模型",
    en="incident classifier",
    config=ClassifierConfig,
    columns=columns,
    check=check,
    steps=(
        training.Step("meaning", "读懂文本", "reading texts", 0.5),
        training.Step("settings", "选择参数", "choosing settings", 0.2),
        training.Step("evaluation", "在未见过的行上评测", "trying on unseen rows", 0.2),
        training.Step("baseline", "对照基线", "baseline beside it", 0.1),
    ),
    train=train,
    model_id=CLASSIFIER,
    model_kind=ModelKind.CLASSIFIER,
    format=ModelFormat.SKOPS,
    metric="macro_f1",
    higher_is_better=True,
    installed=classifier_path,
)
