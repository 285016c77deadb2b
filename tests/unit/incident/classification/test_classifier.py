"""Training, abstaining, saving: on a small made set, by characters alone where meaning adds nothing to the proof."""

import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier

from chengnao.incident.classification.classifier import Classifier
from chengnao.incident.classification.evaluation import accuracy_at, calibration_error, evaluate, threshold_for
from chengnao.incident.classification.installed import ensure_classifier, installed_classifier
from chengnao.incident.classification.model import Row, classifier_path
from chengnao.incident.classification.training import Trained, digest, train

from . import refused

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WORDS = {
    "light": ["路灯不亮", "灯杆歪了", "路灯坏了好几天", "晚上路灯全黑"],
    "rubbish": ["垃圾没人收", "垃圾桶满了", "垃圾堆成山", "楼下垃圾发臭"],
    "noise": ["音响太吵", "半夜唱歌吵得很", "广场舞吵人", "喇叭吵到深夜"],
}
PLACES = ["门口", "桥头", "巷子里", "学校旁边", "三栋", "菜市场", "坡上", "路口"]


def rows(labels: int = 3, each: int = 12) -> list[Row]:
    return [
        Row(f"{place}{text}", label)
        for label, texts in islice(WORDS.items(), labels)
        for place, text in islice(zip(cycle(PLACES), cycle(texts), strict=False), each)
    ]


def trained(given: list[Row] | None = None, **more: object) -> Trained:
    return train(given or rows(), NOW, features="characters", **more)  # type: ignore[arg-type]


def test_it_learns_and_says_how_well() -> None:
    found = trained(baseline=True)
    assert found.evaluation is not None
    assert found.baseline is not None
    assert found.evaluation.accuracy > 0.9
    assert found.evaluation.labels == 3
    answer = found.classifier.classify(["小区的路灯不亮了"])[0]
    assert (answer.category, answer.best, answer.abstained) == ("light", "light", False)
    assert len(answer.alternatives) == 3
    assert answer.alternatives[0].label == "light"


def test_meaning_beside_characters() -> None:
    found = train(rows(), NOW)
    assert found.classifier.centre is not None
    assert found.classifier.classify(["The street lamp is dark at night"])[0].best == "light"
    assert found.classifier.metadata.features == "characters+meaning"


@pytest.mark.parametrize("text", ["", "  ", "？？？？", "。。。", "!!!"])
def test_it_abstains_where_nothing_is_said(text: str) -> None:
    assert trained().classifier.classify([text])[0].abstained


def test_it_abstains_below_the_threshold() -> None:
    classifier = replace(trained().classifier, threshold=1.01)
    answer = classifier.classify(["路灯不亮"])[0]
    assert answer.category is None
    assert answer.best == "light"


def test_it_abstains_on_a_text_like_no_other() -> None:
    assert trained().classifier.classify(["0x7f qwzx"])[0].abstained


def test_the_same_rows_and_seed_give_the_same_classifier() -> None:
    texts = ["路灯不亮", "吵死了", "好臭"]
    one, other = trained(seed=7), trained(seed=7)
    assert one.classifier.classify(texts) == other.classifier.classify(texts)
    assert one.evaluation == other.evaluation
    assert one.classifier.metadata.data_sha256 == digest(rows())


def test_threads_do_not_disturb_each_other() -> None:
    classifier = train(rows(), NOW).classifier
    texts = [f"{place}{word}" for place in PLACES for words in WORDS.values() for word in words[:2]]
    alone = [classifier.classify([text])[0] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: classifier.classify([text])[0], texts)) == alone


@pytest.mark.parametrize("each", [1, 2, 3])
def test_few_rows_for_each_label(each: int) -> None:
    found = trained(rows(each=each))
    assert (found.evaluation is None) == (each == 1)
    assert found.classifier.classify(["路灯不亮"])[0].best == "light"


def test_two_labels() -> None:
    found = trained(rows(labels=2))
    assert [answer.best for answer in found.classifier.classify(["路灯不亮", "垃圾没人收"])] == ["light", "rubbish"]
    assert len(found.classifier.classify(["路灯"])[0].alternatives) == 2


def test_five_hundred_labels() -> None:
    many = [Row(f"{number:03d}号设备{fault}", f"label-{number:03d}") for number in range(500) for fault in ("坏", "停")]
    found = trained(many)
    assert len(found.classifier.labels) == 500
    assert found.evaluation is not None


@pytest.mark.parametrize("given", [[Row("a", "x")], [Row("a", "x"), Row("b", "x")]])
def test_one_label_is_no_choice(given: list[Row]) -> None:
    with refused("training_labels_few"):
        trained(given)


def test_hints_teach_what_no_row_says() -> None:
    hints = [Row("蛙鸣", "noise"), Row("蛙鸣阵阵", "noise"), Row("别的", "unknown label")]
    found = trained(hints=hints)
    assert found.classifier.classify(["蛙鸣"])[0].best == "noise"
    assert found.classifier.labels == ("light", "noise", "rubbish")


def test_groups_are_never_split_between_learning_and_asking() -> None:
    """Copies of one row flatter the figures; as one group they cannot."""
    chance = np.random.default_rng(1)
    noise = [("".join(chance.choice(list("甲乙丙丁戊己庚辛"), 6)), f"l{number % 4}") for number in range(24)]
    copies = [Row(text, label) for text, label in noise for _ in range(5)]
    grouped = [replace(row, group=row.text) for row in copies]
    flattered, honest = trained(copies).evaluation, trained(grouped).evaluation
    assert flattered is not None
    assert honest is not None
    assert flattered.accuracy > 0.9
    assert honest.accuracy < 0.6


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "models" / "classifier.skops"
    found = trained(origin="test").classifier
    found.save(path)
    loaded = Classifier.load(path)
    texts = ["路灯不亮", "垃圾", "吵", "nothing"]
    assert loaded.classify(texts) == found.classify(texts)
    assert loaded.metadata == found.metadata
    assert loaded.metadata.evaluation["accuracy"] > 0.9
    assert [each.name for each in path.parent.iterdir()] == ["classifier.skops"]


def test_foreign_files_are_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "classifier.skops"
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(marker), "w")

    path.write_bytes(pickle.dumps(Evil()))
    with refused("classifier_file_invalid"):
        Classifier.load(path)
    path.write_bytes(skops.io.dumps({"format": "chengnao-classifier-1", "head": Evil()}))
    with refused("classifier_file_foreign"):
        Classifier.load(path)
    assert not marker.exists()


def test_other_things_than_classifiers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "classifier.skops"
    for content in (b"", b"not a zip", skops.io.dumps([1, 2]), skops.io.dumps(SGDClassifier())):
        path.write_bytes(content)
        with refused("classifier_file_invalid"):
            Classifier.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    with refused("classifier_file_invalid"):
        Classifier.load(path)
    with refused("file_unusable"):
        Classifier.load(tmp_path / "missing.skops")


def test_the_installation_trains_once_and_sees_a_new_file(tmp_path: Path) -> None:
    assert installed_classifier(tmp_path) is None
    path = classifier_path(tmp_path)
    trained().classifier.save(path)
    first = installed_classifier(tmp_path)
    assert first is not None
    assert installed_classifier(tmp_path) is first
    ensure_classifier(tmp_path, lambda: pytest.fail("trained again"), NOW)
    trained(rows(labels=2)).classifier.save(path)
    changed = installed_classifier(tmp_path)
    assert changed is not None
    assert changed.labels == ("light", "rubbish")
    path.write_bytes(b"broken")
    assert installed_classifier(tmp_path) is None


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.floats(0.5, 0.99),
)
def test_the_threshold_keeps_its_promise(pairs: list[tuple[float, bool]], precision: float) -> None:
    confidence, right = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    threshold = threshold_for(precision, confidence, right)
    covered = confidence >= threshold
    if covered.any():
        assert right[covered].mean() >= precision - 1e-9


def test_figures_by_hand() -> None:
    confidence = np.array([0.95, 0.85, 0.75, 0.65])
    right = np.array([True, True, False, False])
    assert accuracy_at(0.5, confidence, right) == 1.0
    assert calibration_error(confidence, right) == pytest.approx((0.05 + 0.15 + 0.75 + 0.65) / 4)
    found = evaluate(["a", "a", "b", "b"], ["a", "a", "a", "a"], confidence, 0.8, 2)
    assert (found.accuracy, found.coverage, found.accuracy_covered) == (0.5, 0.5, 1.0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert [(each.label, each.taken_for, each.rows) for each in found.confusions] == [("b", "a", 2)]
