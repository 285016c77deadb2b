"""How many personal details are found in made sentences, and how many order numbers, meters and places are not spared.

    python -m benchmarks.privacy [--count 2000]

Both sides are made, and the forms of `tests/support/personal.py` come from those who wrote the rules: the figures say
which forms are covered, not how people write. Names without a cue beside them are not looked for. Beside it `jionlp`
does the same work with the functions it has (no bank cards, no passports, no names by their cue).
"""

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from importlib import import_module

from rich.console import Console
from rich.table import Table

from chengnao.kernel.privacy.model import Kind, find_personal
from tests.support.personal import Sample, lookalikes, samples

Finder = Callable[[str], list[str]]


def ours(text: str) -> list[str]:
    return [text[each.start : each.end] for each in find_personal(text)]


def jionlp_finder() -> Finder:
    with contextlib.redirect_stdout(io.StringIO()):  # it advertises when it is imported
        jionlp = import_module("jionlp")

    def find(text: str) -> list[str]:
        found = [each["text"] for each in jionlp.extract_phone_number(text, detail=True)]
        found += [each["text"] for each in jionlp.extract_email(text, detail=True)]
        found += jionlp.extract_id_card(text) + jionlp.extract_motor_vehicle_licence_plate(text)
        for extract in (jionlp.extract_wechat_id, jionlp.extract_qq):
            with contextlib.suppress(Exception):
                found += extract(text)
        return [each for each in found if isinstance(each, str)]

    return find


def recall(find: Finder, made: list[Sample]) -> float:
    """The share of sentences where the whole detail lies in what was found."""
    return sum(any(each.detail in found for found in find(each.text)) for each in made) / len(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000)
    count = parser.parse_args().count
    theirs = jionlp_finder()
    table = Table("made sentences", "chengnao", "jionlp", title=f"recall, {count} sentences each")
    for kind in Kind:
        made = samples(kind, count, seed=7)
        table.add_row(kind.value, f"{recall(ours, made):.2%}", f"{recall(theirs, made):.2%}")
    others = lookalikes(count, seed=7)
    table.add_section()
    alarms = [sum(bool(find(text)) for text in others) / count for find in (ours, theirs)]
    table.add_row("false alarms on other numbers", *(f"{each:.2%}" for each in alarms))
    began = time.perf_counter()
    for text in others:
        find_personal(text)
    table.add_row("time for a sentence", f"{(time.perf_counter() - began) / count * 1e6:.0f} µs", "")
    Console().print(table)


if __name__ == "__main__":
    main()
