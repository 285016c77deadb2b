"""How well reports about one matter are found, beside two usual ways, and how fast.

    python -m benchmarks.merging [--rows 100000]

Pairs of rows are counted: precision, recall and F1 of the pairs that a way puts into one group. Two sets:

- ours: tests/data/merge_test.jsonl, hand-written and synthetic, apart from the phrases that the weights were fitted on.
- NYC: a sample of 311 requests with WEAK labels: a pair is positive where type and street are the same, the places
  about 100 m apart and the times 24 h. Place and time alone is all but that definition, so its figures there say
  nothing of its worth. Nobody checked whether such a pair is one matter, nor that another is not: a precision below 1
  may be an error of the label. What can be seen is how many of the pairs are found, and how many pairs of OTHER types
  nearby are merged. The file's closing times are not used: they tell when a request was closed, often as a duplicate.

The other ways: `place and time` joins what is of one category within 100 m and 24 h (FixMyStreet shows such pins);
`labels` joins what has the same category and the same address within 24 h (the fingerprint of an alert in Keep).
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chengnao.demonstration.matters.city import City
from chengnao.incident.merging.groups import group
from chengnao.incident.merging.model import Matter, default_weights
from chengnao.incident.merging.records import matter_from

ROOT = Path(__file__).parents[1]
OURS = ROOT / "tests" / "data" / "merge_test.jsonl"
NYC = ROOT.parent / "shared" / "data" / "nyc311_sample.jsonl.gz"
METRES, APART = 112.0, timedelta(hours=24)
"""100 m between coordinates that are rounded to 3 decimals, and a day."""

Pairs = set[tuple[int, int]]
Way = Callable[[Sequence[Matter]], Pairs]


@dataclass(frozen=True)
class Labelled:
    name: str
    matters: list[Matter]
    truth: Pairs


def ours() -> Labelled:
    records = [json.loads(line) for line in OURS.read_text("utf-8").splitlines()]
    groups = [record["group"] for record in records]
    truth = {
        (i, j) for i, j in combinations(range(len(records)), 2) if groups[i] is not None and groups[i] == groups[j]
    }
    return Labelled("ours, hand-written", [matter_from(record, row)[0] for row, record in enumerate(records)], truth)


def nyc() -> Labelled | None:
    if not NYC.exists():
        return None
    with gzip.open(NYC, "rt") as lines:
        records = [json.loads(line) for line in lines]
    matters = [matter_from(record, row)[0] for row, record in enumerate(records)]
    return Labelled(
        "NYC, weak labels",
        matters,
        {(i, j) for i, j in _near(matters, METRES) if matters[i].category == matters[j].category}
        & {(i, j) for i, j in combinations(range(len(matters)), 2) if matters[i].address == matters[j].address},
    )


def _near(matters: Sequence[Matter], metres: float) -> Pairs:
    found = set()
    for i, j in combinations(range(len(matters)), 2):
        one, other = matters[i], matters[j]
        if one.place is None or other.place is None or one.at is None or other.at is None:
            continue
        if abs(one.at - other.at) <= APART and one.place.distance_m(other.place) <= metres:
            found.add((i, j))
    return found


def place_and_time(matters: Sequence[Matter]) -> Pairs:
    return {(i, j) for i, j in _near(matters, METRES) if matters[i].category == matters[j].category}


def labels(matters: Sequence[Matter]) -> Pairs:
    found = set()
    for i, j in combinations(range(len(matters)), 2):
        one, other = matters[i], matters[j]
        same = one.category == other.category and one.address == other.address and bool(one.address)
        if same and one.at and other.at and abs(one.at - other.at) <= APART:
            found.add((i, j))
    return found


def chengnao(matters: Sequence[Matter], threshold: float | None = None) -> Pairs:
    return {pair for found in group(matters, threshold=threshold) for pair in combinations(found.members, 2)}


def without_texts(matters: Sequence[Matter]) -> Pairs:
    return chengnao([replace(matter, text="") for matter in matters])


def table_of(labelled: Labelled) -> Table:
    settings = default_weights().settings
    near = _near(labelled.matters, METRES)
    other = {(i, j) for i, j in near if labelled.matters[i].category != labelled.matters[j].category} - labelled.truth
    ways: dict[str, Way] = {
        f"Chengnao, from {settings.offered:g} on": chengnao,
        f"Chengnao, from {settings.automatic:g} on (automatic)": lambda m: chengnao(m, settings.automatic),
        "Chengnao without the texts": without_texts,
        "place and time alone": place_and_time,
        "labels": labels,
    }
    table = Table(title=f"{labelled.name}: {len(labelled.matters):,} rows, {len(labelled.truth):,} pairs of one matter")
    for heading in ("way", "precision", "recall", "F1", f"other types nearby merged (of {len(other)})"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for name, way in ways.items():
        found = way(labelled.matters)
        right = len(found & labelled.truth)
        precision, recall = right / max(len(found), 1), right / max(len(labelled.truth), 1)
        f1 = 2 * right / max(len(found) + len(labelled.truth), 1)
        table.add_row(name, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", str(len(found & other)))
    return table


def made_up(rows: int) -> list[Matter]:
    """Rows of made-up cities that lie in one place and whose months follow each other, 2,000 matters each."""
    matters: list[Matter] = []
    number = 0
    while len(matters) < rows:
        later = timedelta(days=70 * number)
        for told in City(100 + number).reports(2_000):
            each = told.matter
            closed = each.closed_at and each.closed_at + later
            matters.append(replace(each, at=each.at and each.at + later, closed_at=closed))
        number += 1
    return matters[:rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    console = Console(width=140)
    for labelled in (ours(), nyc()):
        console.print(table_of(labelled) if labelled else "NYC: not run: no data")
    matters = made_up(options.rows)
    begin = time.perf_counter()
    groups = group(matters)
    took = time.perf_counter() - begin
    console.print(
        f"{options.rows:,} made-up rows: {len(groups):,} groups in {took:.1f} s, {options.rows / took:,.0f} rows/s"
    )


if __name__ == "__main__":
    main()
