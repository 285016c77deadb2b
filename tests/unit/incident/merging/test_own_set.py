"""The hand-written test set: apart from what the weights were fitted on, and better told than by place and time."""

import json
from pathlib import Path

import yaml

from benchmarks.merging import chengnao, labels, ours, place_and_time
from chengnao.demonstration.matters import city
from chengnao.incident.merging.model import default_weights

RUN = 8
"""So many characters in a row that both have would be a phrase taken over."""


def test_it_shares_no_phrase_with_the_generator() -> None:
    stuff = yaml.safe_load((Path(city.__file__).parent / "matters.yaml").read_text("utf-8"))
    phrases = [phrase for matter in stuff["matters"] for phrase in matter["zh"]]
    runs = {phrase[at : at + RUN] for phrase in phrases for at in range(len(phrase) - RUN + 1)}
    rows = [json.loads(line) for line in (Path(__file__).parents[3] / "data" / "merge_test.jsonl").open("rb")]
    assert len({row["group"] for row in rows}) > 40
    assert all(row["synthetic"] for row in rows)
    assert [row["text"] for row in rows if any(run in row["text"] for run in runs)] == []


def test_it_is_told_better_than_by_place_and_time_or_by_labels() -> None:
    labelled = ours()

    def f1(found: set[tuple[int, int]]) -> float:
        return 2 * len(found & labelled.truth) / (len(found) + len(labelled.truth))

    own = f1(chengnao(labelled.matters))
    assert own > f1(place_and_time(labelled.matters)) + 0.05
    assert own > f1(labels(labelled.matters)) + 0.05
    alone = chengnao(labelled.matters, default_weights().settings.automatic)
    assert len(alone & labelled.truth) >= 0.95 * len(alone)
