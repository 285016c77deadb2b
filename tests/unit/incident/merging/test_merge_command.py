"""`chengnao merge`: any names of columns, any of them missing, bad lines named and the rest still processed."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from chengnao.incident.merging.cli import merge
from chengnao.incident.merging.records import matter_from
from tests.support.shared import shared

app = typer.Typer()
app.command()(merge)


def run(tmp_path: Path, lines: list[Any], *options: str) -> Result:
    file = tmp_path / "reports.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    file.write_text("\n".join(texts), "utf-8")
    return CliRunner().invoke(app, [str(file), *options])


SAME = [
    {"id": "a", "text": "青竹路路灯不亮", "category": "street_light", "created": "2026-03-01T20:00:00+08:00",
     "lon": 106.55, "lat": 29.56},
    {"unique_key": 7, "content": "青竹路街灯坏了好黑", "complaint_type": "street_light",
     "created_date": "03/01/2026 08:12:00 PM", "longitude": "106.5501", "latitude": "29.5601"},
]  # fmt: skip


def test_columns_under_any_of_their_names(tmp_path: Path) -> None:
    result = run(tmp_path, SAME)
    assert result.exit_code == 0, result.output
    [found] = [json.loads(line) for line in result.stdout.splitlines()]
    assert found["members"] == ["a", "7"]
    assert found["score"] > 0.5
    [pair] = found["pairs"]
    assert (pair["a"], pair["b"]) == ("a", "7")
    assert "相隔 12 分钟" in pair["reasons"]
    assert "12 minutes apart" in pair["reasons_en"]


def test_bad_lines_are_named_and_the_rest_is_processed(tmp_path: Path) -> None:
    broken = SAME[0] | {"id": "c", "created": "昨天", "lon": "east", "lat": 0}
    result = run(tmp_path, ["{", *SAME, "[1]", "", broken, "null"])
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[0])["members"][:2] == ["a", "7"]
    for line in ("第 1 行", "第 4 行", "第 6 行：created", "第 6 行：lon, lat", "第 7 行", "Line 6"):
        assert line in result.stderr


def test_empty_objects_are_rows_that_stand_alone(tmp_path: Path) -> None:
    result = run(tmp_path, [{}, {}, {"id": None, "text": ["路"]}])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "3 行" in result.stderr


@pytest.mark.parametrize("lines", [[], ["{"]])
def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path, lines: list[str]) -> None:
    result = run(tmp_path, lines)
    assert result.exit_code == 2
    assert "没有可用的行" in result.stderr


def test_a_missing_file_is_an_error() -> None:
    result = CliRunner().invoke(app, ["/no/such/file"])
    assert result.exit_code == 2
    assert "/no/such/file" in result.stderr


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01T20:00:00+08:00", "2026-03-01T12:00:00+00:00"),
        ("2026-03-01T20:00:00", "2026-03-01T12:00:00+00:00"),
        ("2026/3/1 20:00", "2026-03-01T12:00:00+00:00"),
        ("2026年3月1日 20:00", "2026-03-01T12:00:00+00:00"),
        ("03/01/2026 08:00:00 PM", "2026-03-01T12:00:00+00:00"),
    ],
)
def test_times(text: str, utc: str) -> None:
    matter, unread = matter_from({"created": text}, 1)
    assert unread == []
    assert matter.at is not None
    assert matter.at == datetime.fromisoformat(utc)


def test_the_public_sample_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "nyc.jsonl"
    file.write_bytes(gzip.decompress(shared("data", "nyc311_sample.jsonl.gz").read_bytes()))
    result = CliRunner().invoke(app, [str(file)])
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1, result.stderr[:500]
    members = [member for line in result.stdout.splitlines() for member in json.loads(line)["members"]]
    assert len(members) == len(set(members)) > 100
