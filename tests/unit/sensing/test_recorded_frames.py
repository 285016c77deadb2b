"""What the documentation says of recorded frames is what the decoders do with them."""

import re
from pathlib import Path

import orjson
import pytest

from chengnao.sensing.protocols.wires import wire_names
from tests.support.frames import agrees
from tests.support.shared import shared

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| ([a-z0-9]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_table_of_agreement(language: str) -> None:
    page = (DOCS / language / "protocols.md").read_text("utf-8")
    said = {name: tuple(map(int, numbers)) for name, *numbers in ROW.findall(page)}
    assert said == {name: counted(name) for name in wire_names()}
    assert str(sum(valid + malformed for valid, _, malformed, _ in said.values())) in page


def counted(protocol: str) -> tuple[int, int, int, int]:
    """Valid frames, those agreed with; malformed ones, those agreed with."""
    lines = shared("frames", f"{protocol}.jsonl").read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]
    valid = [agrees(protocol, record) for record in records if record["kind"] == "valid"]
    malformed = [agrees(protocol, record) for record in records if record["kind"] == "malformed"]
    return len(valid), sum(valid), len(malformed), sum(malformed)
