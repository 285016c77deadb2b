"""`chengnao classify` and `chengnao train classifier`: understanding on files, without starting anything."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from chengnao.incident.classification.labels import category_hints, label_name
from chengnao.incident.classification.model import NO_MATTER, Row, Understanding, classifier_path
from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.lines import lines_of
from chengnao.kernel.messages import message
from chengnao.kernel.organisation.model import Division, read_divisions
from chengnao.kernel.settings import default_home

if TYPE_CHECKING:
    # Loaded by the commands themselves: scikit-learn would slow down every other command.
    from chengnao.incident.classification.classifier import Classifier
    from chengnao.incident.classification.features import Features, Progress
    from chengnao.incident.classification.training import Trained

Starter = Callable[[], Sequence[Row]]
Text = tuple[int, Any, str, datetime]

_AT_ONCE = 200
_STEPS = {
    "meaning": "读懂文本 / reading texts",
    "settings": "选择参数 / choosing settings",
    "evaluation": "在未见过的行上评测 / trying on unseen rows",
    "baseline": "对照基线 / baseline beside it",
}
_err = Console(stderr=True)


class FeatureChoice(StrEnum):
    MEANING = "characters+meaning"
    CHARACTERS = "characters"


def classify_command(starter: Starter) -> Callable[..., None]:
    """The command `classify`; `starter` gives the rows that the first classifier is trained on."""

    def classify(
        file: Annotated[str, typer.Argument(help='JSON lines with "text"; - reads standard input')],
        model: Annotated[
            Path | None,
            typer.Option(help="分类模型文件 / classifier file", show_default=False),
        ] = None,
    ) -> None:
        """分类诉求 / Classify reports: category, grade with reasons, place, times, parties, several matters.

        每行一个 JSON 对象，必须有 text；可有 id，可有 at 或 received_at（收到的时间，缺省为现在）。
        坏行在标准错误中说明行号，其余照常处理，退出码为 1。第一次使用而没有分类模型时，用演示数据训练一个（约一分钟）。

        One JSON object a line with text; perhaps id, and at or received_at (when it was received; now by default). Bad
        lines are named on standard error, the others still processed, and the exit code is 1.
        """
        try:
            bad = _Bad()
            texts = _texts(file, bad)
            first = next(texts, None)
            if first is not None:
                classifier = _classifier(model, starter)
                _classify_all(first, texts, classifier)
        except ChengnaoError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error
        if bad.count:
            raise typer.Exit(1)

    return classify


train_app = typer.Typer(no_args_is_help=True, help="训练模型 / Train models")


@train_app.callback()
def _train() -> None:
    """训练模型 / Train models on the city's own data."""


@train_app.command("classifier")
def train_classifier(
    file: Annotated[str, typer.Argument(help="JSON lines; - reads standard input")],
    text: Annotated[str, typer.Option(help="文本字段 / key of the text")] = "text",
    label: Annotated[str, typer.Option(help="标签字段 / key of the label")] = "label",
    out: Annotated[
        Path | None,
        typer.Option(
            help="写到哪里；缺省为数据目录 / where to; by default the data folder",
            show_default=False,
        ),
    ] = None,
    features: Annotated[FeatureChoice, typer.Option(help="用什么特征 / what to look at")] = FeatureChoice.MEANING,
    precision: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, help="自动分类应达到的准确率 / how often right where it classifies"),
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="随机种子 / seed")] = 0,
) -> None:
    """用自己的办结件训练分类模型 / Train a classifier on the city's own closed cases, and show how good it is.

    评测只用训练时没有见过的行（交叉验证），并与字符 tf-idf 加线性 SVM 在同样的折上比较。

    The evaluation uses unseen rows alone, beside character tf-idf and a linear SVM in the same folds.
    """
    from chengnao.incident.classification.training import train  # noqa: PLC0415

    try:
        bad = _Bad()
        rows = _rows(file, text, label, bad)
        chosen: Features = "characters" if features is FeatureChoice.CHARACTERS else "characters+meaning"
        with _shown_progress() as progress:
            trained = train(
                rows,
                datetime.now(UTC),
                features=chosen,
                hints=category_hints(),
                precision=precision,
                seed=seed,
                origin=Path(file).name,
                baseline=True,
                progress=progress,
            )
        path = out or classifier_path(default_home())
        trained.classifier.save(path)
        _show(trained)
        typer.echo(str(path))
    except ChengnaoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if bad.count:
        raise typer.Exit(1)


class _Bad:
    """Counts and names the lines that cannot be used."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, line: int, reason_zh: str, reason_en: str) -> None:
        self.count += 1
        params = {"line": line, "reason_zh": reason_zh, "reason_en": reason_en}
        code = "classify_line_invalid"
        typer.echo(f"{message(code, 'zh', **params)} / {message(code, 'en', **params)}", err=True)


def _records(file: str, bad: _Bad) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines_of(file, "读取 / reading"), start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except ValueError as error:
            bad.tell(number, f"不是 JSON：{error}", f"no JSON: {error}")
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            bad.tell(number, "不是 JSON 对象", f"a JSON {type(record).__name__}, not an object")


def _texts(file: str, bad: _Bad) -> Iterator[Text]:
    now = datetime.now(UTC)
    for number, record in _records(file, bad):
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            bad.tell(number, "缺少 text，或不是有内容的字符串", "text is missing, empty or no string")
            continue
        try:
            at = _time(record.get("at") or record.get("received_at"), now)
        except ValueError:
            bad.tell(number, "at 不是带时区的 ISO 时间", "at is no ISO time with a zone")
            continue
        yield number, record.get("id", number), text, at


def _time(value: Any, now: datetime) -> datetime:
    if value is None:
        return now
    found = datetime.fromisoformat(str(value))
    if found.tzinfo is None:
        raise ValueError("naive")
    return found


def _rows(file: str, text: str, label: str, bad: _Bad) -> list[Row]:
    rows = []
    for number, record in _records(file, bad):
        said, given = record.get(text), record.get(label)
        if not isinstance(said, str) or not said.strip():
            bad.tell(number, f"缺少 {text}，或不是有内容的字符串", f"{text} is missing, empty or no string")
        elif isinstance(given, bool) or not isinstance(given, str | int) or not str(given).strip():
            bad.tell(number, f"缺少 {label}，或不是字符串或整数", f"{label} is missing, no text, no whole number")
        else:
            rows.append(Row(said, str(given).strip()))
    if not rows:
        raise Invalid("training_labels_few", field=label, labels=0, rows=0)
    return rows


def _classifier(model: Path | None, starter: Starter) -> "Classifier":
    from chengnao.incident.classification.classifier import Classifier  # noqa: PLC0415
    from chengnao.incident.classification.installed import ensure_classifier  # noqa: PLC0415

    if model is not None:
        return Classifier.load(model)
    home = default_home()
    if not classifier_path(home).exists():
        typer.echo(f"{message('classifier_first', 'zh')} / {message('classifier_first', 'en')}", err=True)
        with _shown_progress() as progress:
            ensure_classifier(home, starter, datetime.now(UTC), progress)
    return Classifier.load(classifier_path(home))


def _classify_all(first: Text, rest: Iterator[Text], classifier: "Classifier") -> None:
    from chengnao.incident.classification.understanding import understand_all  # noqa: PLC0415

    divisions = packaged_divisions()
    part = [first, *islice(rest, _AT_ONCE - 1)]
    while part:
        found = understand_all([(text, at) for _, _, text, at in part], divisions, classifier)
        for (_, identity, _, _), understanding in zip(part, found, strict=True):
            sys.stdout.buffer.write(orjson.dumps({"id": identity} | shown(understanding)) + b"\n")
        sys.stdout.buffer.flush()
        part = list(islice(rest, _AT_ONCE))


def packaged_divisions() -> list[Division]:
    """Chongqing's divisions as the package carries them."""
    source = files("chengnao.kernel.organisation") / "data" / "divisions.csv"
    read = read_divisions(source.read_text("utf-8").splitlines(), source.name)
    return [each for each in read if isinstance(each, Division)]


def shown(found: Understanding) -> dict[str, Any]:
    """What the command prints of one text."""
    return {
        "category": found.category,
        "category_name": found.category and label_name(found.category),
        "best": found.alternatives[0].label if found.alternatives else None,
        "confidence": round(found.confidence, 4),
        "abstained": found.abstained,
        "no_matter": found.category == NO_MATTER,
        "alternatives": [
            {"category": each.label, "name": label_name(each.label), "confidence": round(each.confidence, 4)}
            for each in found.alternatives
        ],
        "grade": found.grade,
        "grade_reasons": [reason.zh for reason in found.grade_reasons],
        "grade_reasons_en": [reason.en for reason in found.grade_reasons],
        "place": {
            "division": found.division_code,
            "candidates": [
                {"code": each.code, "name": each.full_name, "score": each.score} for each in found.divisions
            ],
            "roads": [{"name": each.name, "number": each.number, "kind": each.kind} for each in found.roads],
        },
        "times": [
            {"words": each.words, "start": each.start, "end": each.end, "recurring": each.recurring}
            for each in found.times
        ],
        "parties": [{"name": each.name, "kind": each.kind} for each in found.parties],
        "matters": [
            {"text": each.text, "category": each.category, "name": label_name(each.category or "")}
            for each in found.matters
        ],
    }


@contextmanager
def _shown_progress() -> Iterator["Progress"]:
    with Bar(console=_err, transient=True) as bar:
        tasks = {step: bar.add_task(name, total=1.0, visible=False) for step, name in _STEPS.items()}
        yield lambda step, done: bar.update(tasks[step], completed=done, visible=True)


def _show(trained: "Trained") -> None:
    console = Console()
    metadata = trained.classifier.metadata
    console.print(f"{metadata.rows:,} 行 rows · {len(trained.classifier.labels)} 种标签 labels · {metadata.features}")
    if trained.evaluation is None or trained.baseline is None:
        console.print(f"{message('training_too_few', 'zh')}\n{message('training_too_few', 'en')}")
        return
    found = trained.evaluation
    title = f"{found.folds} 折未见过的行 / unseen rows, {found.folds} folds"
    table = Table("指标 figure", "城脑 chengnao", "tf-idf + SVM", title=title)
    for name, key, form in _FIGURES:
        table.add_row(name, *(form.format(getattr(each, key)) for each in (found, trained.baseline)))
    console.print(table)
    classes = Table("标签 label", "行 rows", "查准 precision", "查全 recall", "F1")
    for each in found.classes:
        classes.add_row(each.label, str(each.rows), f"{each.precision:.2f}", f"{each.recall:.2f}", f"{each.f1:.2f}")
    console.print(classes)
    if found.confusions:
        wrong = Table("应为 is", "误作 taken for", "行 rows")
        for pair in found.confusions:
            wrong.add_row(pair.label, pair.taken_for, str(pair.rows))
        console.print(wrong)


_FIGURES: Sequence[tuple[str, str, str]] = (
    ("准确率 accuracy", "accuracy", "{:.1%}"),
    ("宏平均 F1 macro-F1", "macro_f1", "{:.3f}"),
    ("校准误差 ECE", "ece", "{:.3f}"),
    ("阈值 threshold", "threshold", "{:.3f}"),
    ("阈值处覆盖率 coverage", "coverage", "{:.1%}"),
    ("其中准确率 accuracy there", "accuracy_covered", "{:.1%}"),
    ("覆盖 90 % 时准确率 accuracy at 90 %", "accuracy_at_90", "{:.1%}"),
)
