"""The made reports, and the test set that was written apart from them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from chengnao.demonstration.reports.generator import bank_texts, generate, phrases, training_rows
from chengnao.incident.catalogue import categories
from chengnao.incident.classification.cli import packaged_divisions
from chengnao.incident.classification.model import NO_MATTER

TESTS = Path(__file__).parents[2] / "data" / "reports_test.jsonl"
N = 8
SHARED_AT_MOST = 0.6


def written() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TESTS.read_text("utf-8").splitlines()]


def test_the_training_set_is_large_and_wide() -> None:
    rows = training_rows()
    labels = Counter(row.label for row in rows)
    assert len({row.text for row in rows}) >= 1_200
    assert len(labels) >= 45
    assert set(labels) - {NO_MATTER} == set(categories())
    assert all(row.group for row in rows)


def test_the_same_seed_makes_the_same_texts() -> None:
    assert generate(100, seed=3) == generate(100, seed=3)
    assert generate(100, seed=3) != generate(100, seed=4)


def test_it_is_marked_synthetic_and_says_everything_that_happens() -> None:
    made = generate()
    assert all(each.synthetic for each in made)
    several = [each for each in made if len(each.labels) > 1]
    assert len(several) >= 30
    assert all(len(set(each.labels)) == len(each.labels) for each in several)
    assert any(each.labels == (NO_MATTER,) for each in made)
    everything = "".join(each.text for each in made)
    for word in ("啥子", "莫得", "堡坎", "梯坎", "路边边", "噻", "嘛", "崽儿", "屋头"):
        assert word in everything, word


def test_places_told_are_in_the_text() -> None:
    for made in generate():
        if made.road:
            assert made.road in made.text.replace("再", "在") or made.road in made.text


def test_telephone_numbers_are_of_nobody() -> None:
    digits = [part for made in generate() for part in "".join(c if c.isdigit() else " " for c in made.text).split()]
    assert all(part.startswith("100") for part in digits if len(part) == 11)


def test_the_test_set_is_large_wide_and_well_formed() -> None:
    rows = written()
    assert len(rows) >= 300
    assert len({row["text"] for row in rows}) == len(rows)
    assert len({row["label"] for row in rows} - {NO_MATTER}) >= 40
    assert sum(len(row["labels"]) > 1 for row in rows) >= 25
    assert sum(row["label"] == NO_MATTER for row in rows) >= 25
    codes = {division.code for division in packaged_divisions()}
    for row in rows:
        assert row["synthetic"] is True
        assert row["label"] == row["labels"][0]
        assert set(row["labels"]) <= set(categories()) | {NO_MATTER}
        assert 1 <= row["grade"] <= 4
        assert row["division"] is None or row["division"] in codes


def test_the_test_set_shares_no_long_runs_with_the_phrase_banks() -> None:
    banks = set().union(*(grams(text) for text in bank_texts()))
    banks |= set().union(*(grams(made.text) for made in generate()))
    copied = []
    for row in written():
        own = grams(row["text"])
        if own and len(own & banks) / len(own) > SHARED_AT_MOST:
            copied.append(row["text"])
    assert copied == []
    assert {row["text"] for row in written()}.isdisjoint({row.text for row in training_rows()})


def grams(text: str) -> set[str]:
    return {text[start : start + N] for start in range(len(text) - N + 1)}


def test_every_phrase_can_be_said() -> None:
    assert len(phrases()) == len(categories()) + 1
    assert all("(" not in text and "|" not in text for text in bank_texts())
