"""Classification beside character tf-idf and a linear SVM in the same run.

    python -m benchmarks.classification [--data FOLDER] [--folds 5] [--seeds 0 1]

Three sets: SIB-200 in Chinese and agencies of NYC 311 by cross-validation on the rows at hand, and the hand-written
test set of reports after training on the generator's texts, which were written apart from it. For the difference of
accuracy there is an interval by paired bootstrap. A set that is not here is "not run: no data". A second table tells
what else is understood of the hand-written set: grade, place, time, nothing to handle, several matters.
"""

import argparse
import gzip
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.classifier import Classifier, scores, softmax
from chengnao.incident.classification.cli import packaged_divisions
from chengnao.incident.classification.evaluation import Floats, accuracy_at, calibration_error, macro_f1
from chengnao.incident.classification.features import Features
from chengnao.incident.classification.labels import category_hints
from chengnao.incident.classification.model import NO_MATTER, Row, Understanding
from chengnao.incident.classification.training import train
from chengnao.incident.classification.understanding import understand_all
from chengnao.kernel.clock import CST

ROOT = Path(__file__).parents[1]
PUBLISHED = {
    "SIB-200 zho_Hans": "tf-idf + SVM 80.4 %",
    "NYC 311 agency": "tf-idf + SVM 97.8 %, macro-F1 .87",
    "own reports": "none: made here",
}
OURS = "城脑"
RECEIVED = datetime(2026, 11, 25, 14, 0, tzinfo=CST)
"""When the texts of the hand-written set were received."""
BASELINE = "tf-idf + SVM"


@dataclass(frozen=True)
class Guesses:
    """What one method says of rows that it had not seen."""

    labels: NDArray[np.str_]
    confidence: Floats


def ours(learn: Sequence[Row], ask: Sequence[str], features: Features, hints: Sequence[Row] = ()) -> Guesses:
    found = train(learn, datetime.now(UTC), features=features, hints=hints).classifier.classify(ask)
    return Guesses(np.array([each.best for each in found]), np.array([each.confidence for each in found]))


def baseline(learn: Sequence[Row], ask: Sequence[str]) -> Guesses:
    """Uncalibrated, as it comes: the margins through a softmax."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    head = LinearSVC(random_state=0).fit(
        vectorizer.fit_transform([row.text for row in learn]), [r.label for r in learn]
    )
    chances = softmax(scores(head, vectorizer.transform(ask)))
    return Guesses(head.classes_[chances.argmax(axis=1)], chances.max(axis=1))


def cross_validated(rows: Sequence[Row], folds: int, seed: int) -> dict[str, Guesses]:
    labels = np.array([row.label for row in rows])
    texts = [row.text for row in rows]
    found = {name: (np.empty(len(rows), dtype=labels.dtype), np.zeros(len(rows))) for name in (BASELINE, OURS)}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(texts, labels))
    for learn, ask in splits:
        known, asked = [rows[i] for i in learn], [texts[i] for i in ask]
        for name, guesses in (
            (BASELINE, baseline(known, asked)),
            (OURS, ours(known, asked, "characters+meaning")),
        ):
            found[name][0][ask], found[name][1][ask] = guesses.labels, guesses.confidence
    return {name: Guesses(*pair) for name, pair in found.items()}


def sib200(folder: Path) -> list[Row] | None:
    rows = lines(folder / "sib200_zho_hans.jsonl.gz")
    return None if rows is None else [Row(str(row["text"]), str(row["label"])) for row in rows]


def nyc311(folder: Path) -> list[Row] | None:
    """Agency from descriptor and location type; agencies with fewer rows than folds stay in."""
    rows = lines(folder / "nyc311_sample.jsonl.gz")
    if rows is None:
        return None
    told = [" | ".join(str(row[key]) for key in ("descriptor", "location_type") if row.get(key)) for row in rows]
    return [Row(text, str(row["agency"])) for text, row in zip(told, rows, strict=True)]


def lines(path: Path) -> list[dict[str, Any]] | None:
    if not path.is_file():
        return None
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in raw.splitlines()]


def interval(ours_right: NDArray[np.bool_], other_right: NDArray[np.bool_], draws: int = 2_000) -> tuple[float, float]:
    """95 % of the difference of accuracy over samples of the same rows drawn with replacement."""
    chance = np.random.default_rng(0)
    difference = ours_right.astype(float) - other_right
    means = [difference[chance.integers(0, len(difference), len(difference))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def show(table: Table, name: str, truth: Sequence[str], found: dict[str, Guesses], note: str = "") -> None:
    right = {method: guesses.labels == np.array(truth) for method, guesses in found.items()}
    for method, guesses in found.items():
        difference = ""
        if method != BASELINE:
            low, high = interval(right[method], right[BASELINE])
            gain = right[method].mean() - right[BASELINE].mean()
            difference = f"{gain:+.1%} [{low:+.1%}, {high:+.1%}]"
        table.add_row(
            f"{name}{note}",
            f"{len(truth):,}",
            method,
            f"{right[method].mean():.1%}",
            f"{macro_f1(truth, guesses.labels.tolist()):.3f}",
            f"{calibration_error(guesses.confidence, right[method]):.3f}",
            f"{accuracy_at(0.9, guesses.confidence, right[method]):.1%}",
            difference,
            PUBLISHED[name],
        )


def understood(rows: Sequence[dict[str, Any]], classifier: Classifier) -> Table:
    """Grade, place, time and number of matters beside what the hand-written set expects."""
    found = understand_all([(row["text"], RECEIVED) for row in rows], packaged_divisions(), classifier)
    pairs = list(zip(rows, found, strict=True))
    several = [len(row["labels"]) > 1 for row in rows]
    empty = [row["label"] == NO_MATTER for row in rows]
    said_empty = [each.category == NO_MATTER for each in found]
    offered = [bool(each.matters) for each in found]
    covered = [(row, each) for row, each in pairs if each.category is not None]
    table = Table("what", "right", "of", title="Understanding of the hand-written set")
    shares = {
        "category, where it does not abstain": [each.category in row["labels"] for row, each in covered],
        "grade": [each.grade == row["grade"] for row, each in pairs],
        "grade, where the category is right": [
            e.grade == row["grade"] for row, e in covered if e.category in row["labels"]
        ],
        "grade 1 found, of those that are": [each.grade == 1 for row, each in pairs if row["grade"] == 1],
        "grade 1 rightly said, of those said": [row["grade"] == 1 for row, each in pairs if each.grade == 1],
        "division, first candidate": [
            each.divisions[:1] != () and each.divisions[0].code == row["division"]
            for row, each in pairs
            if row["division"]
        ],
        "no division, where none is named": [each.divisions == () for row, each in pairs if not row["division"]],
        "time, beginning on that day or hour": [starts(each, row["time"]) for row, each in pairs if row["time"]],
        "nothing to handle: found": [said for said, is_empty in zip(said_empty, empty, strict=True) if is_empty],
        "nothing to handle: rightly said": [is_empty for said, is_empty in zip(said_empty, empty, strict=True) if said],
        "several matters: offered": [each for each, many in zip(offered, several, strict=True) if many],
        "several matters: rightly offered": [many for each, many in zip(offered, several, strict=True) if each],
    }
    for name, right in shares.items():
        table.add_row(name, f"{sum(right)}", f"{len(right)}")
    return table


def starts(found: Understanding, expected: str) -> bool:
    """Whether a time begins in the expected hour, or on the expected day where no hour is given."""
    begins = [each.start.astimezone(CST).isoformat() for each in found.times if each.start]
    return any(text.startswith(expected[: 13 if "T" in expected else 10]) for text in begins)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    table = Table(title="Classification of unseen rows")
    headings = ("set", "rows", "method", "accuracy", "macro-F1", "ECE", "at 90 %", "difference [95 %]", "published")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in headings[3:7] else "left")
    for name, read in (("SIB-200 zho_Hans", sib200), ("NYC 311 agency", nyc311)):
        rows = read(options.data)
        if rows is None:
            table.add_row(name, "not run: no data")
            continue
        for seed in options.seeds:
            truth = [row.label for row in rows]
            show(table, name, truth, cross_validated(rows, options.folds, seed), f" (seed {seed})")
    tests = lines(ROOT / "tests" / "data" / "reports_test.jsonl")
    if tests is None:
        table.add_row("own reports", "not run: no data")
    else:
        single = [row for row in tests if row["labels"] == [row["label"]]]
        texts, truth = [str(row["text"]) for row in single], [str(row["label"]) for row in single]
        learn = training_rows()
        found = {
            BASELINE: baseline(learn, texts),
            "tf-idf + SVM, with names and words": baseline([*learn, *category_hints()], texts),
            f"{OURS}, characters alone": ours(learn, texts, "characters", category_hints()),
            OURS: ours(learn, texts, "characters+meaning", category_hints()),
        }
        show(table, "own reports", truth, found, f" ({len(set(truth) - {NO_MATTER})} categories and none)")
    Console(width=200).print(table)
    if tests is not None:
        trained = train(training_rows(), datetime.now(UTC), hints=category_hints()).classifier
        Console(width=200).print(understood(tests, trained))


if __name__ == "__main__":
    main()
