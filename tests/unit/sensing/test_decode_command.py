"""`chengnao decode`: one answer a line, whatever the lines hold."""

import json
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

import chengnao.sensing
from chengnao.sensing.cli import decode
from chengnao.sensing.protocols.hj212 import frame_segment

from .test_hj212 import ANNEX

SHARED = Path(__file__).parents[4] / "shared"
FRAMES = SHARED / "frames" / "hj212.jsonl"
STREAMS = {"sticky", "leading_garbage", "bad_then_good"}

app = typer.Typer()
app.command("decode")(decode)
app.command("other")(lambda: None)


def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, ["decode", *arguments], input=stdin)
    lines = [json.loads(line) for line in result.stdout.splitlines()] if "--json" in arguments else []
    return result.exit_code, lines, result.stderr


def test_hex_text_and_broken_lines_each_get_their_own_answer() -> None:
    lines = [
        json.dumps({"id": "a", "hex": ANNEX.hex(" ")}),
        json.dumps({"id": "b", "text": ANNEX.decode()}),
        "",
        "not json",
        "[1]",
        json.dumps({"id": "c", "hex": "abc"}),
        json.dumps({"id": "d"}),
        json.dumps({"id": "e", "text": ""}),
        json.dumps({"text": ANNEX.decode()}),
    ]
    code, answers, _ = run("hj212", "-", "--json", stdin="\n".join(lines))
    assert code == 0
    assert [(answer["id"], answer["ok"]) for answer in answers] == [
        ("a", True), ("b", True), (None, False), (None, False), ("c", False), ("d", False), ("e", False), (9, True)
    ]  # fmt: skip
    assert [answer["error"]["code"] for answer in answers if not answer["ok"]] == ["input_line_invalid"] * 4 + [
        "truncated"
    ]
    assert answers[2]["error"]["line"] == 4


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_text_in_the_encoding_that_fits(encoding: str) -> None:
    raw = frame_segment("CN=3020;MN=1;CP=&&Info=设备维护&&".encode(encoding))
    _, answers, _ = run("hj212", "-", "--json", stdin=json.dumps({"id": 1, "text": raw.decode(encoding)}))
    assert answers[0]["ok"]
    assert answers[0]["fields"]["cp"] == {"Info": "设备维护"}


def test_lines_that_are_no_utf8_do_not_stop_the_rest() -> None:
    good = json.dumps({"id": 1, "hex": ANNEX.hex()}).encode()
    _, answers, _ = run("hj212", "-", "--json", stdin=b'{"id": "\xff"}\n' + good)
    assert [answer["ok"] for answer in answers] == [False, True]


def test_unusable_file_and_unknown_protocol(tmp_path: Path) -> None:
    code, _, stderr = run("hj212", str(tmp_path / "missing.jsonl"))
    assert code == 2
    assert "missing.jsonl" in stderr
    code, _, stderr = run("hj212", str(tmp_path))
    assert code == 2
    code, _, stderr = run("morse", "-")
    assert code == 2
    assert "morse" in stderr
    assert "hj212" in stderr


def test_table_for_people() -> None:
    result = CliRunner().invoke(app, ["decode", "hj212", "-"], input=json.dumps({"id": "a", "hex": ANNEX.hex()}))
    assert "CN=1062" in result.stdout


@pytest.mark.skipif(not FRAMES.exists(), reason="not run: no data")
def test_shared_frames() -> None:
    records = [json.loads(line) for line in FRAMES.read_text().splitlines()]
    _, answers, _ = run("hj212", str(FRAMES), "--json")
    for record, answer in zip(records, answers, strict=True):
        assert answer["id"] == record["id"]
        expect = record["expect"]
        if record["kind"] == "valid":
            assert answer == {"id": record["id"], "ok": True, "fields": expect}
        elif expect["error"] in STREAMS:
            assert answer["ok"]
            assert answer["fields"]["stream"] == expect["error"]
            assert answer["fields"]["frames"] == expect["frames"]
            assert answer["fields"]["CN"] == expect["CN"]
        else:
            assert not answer["ok"]
            assert {"code": expect.pop("error"), **expect}.items() <= answer["error"].items()


def test_texts_are_whole() -> None:
    folder = Path(chengnao.sensing.__file__).parent
    for source in folder.rglob("messages.yaml"):
        for code, texts in yaml.safe_load(source.read_text("utf-8")).items():
            assert texts["zh"].endswith("。"), code
            assert texts["en"].endswith("."), code


def test_a_raw_capture_in_reads_of_any_size(tmp_path: Path) -> None:
    broken = ANNEX.replace(b"1C80", b"1C81")
    raw = b"\x00noise" + ANNEX + b"\r\n" + ANNEX + broken + ANNEX[:20]
    capture = tmp_path / "line.bin"
    capture.write_bytes(raw)
    shown = {
        size: CliRunner().invoke(app, ["decode", "--stream", "hj212", str(capture), "--chunk", size])
        for size in ("1", "7", "64", "65536")
    }
    assert len({result.stdout for result in shown.values()}) == 1
    assert "2 帧 frames, 3 处跳过 skips" in shown["7"].stderr
    pieces = [json.loads(line) for line in shown["7"].stdout.splitlines()]
    found = [(raw[each["offset"] :][: each["bytes"]], each.get("error", {}).get("code")) for each in pieces]
    frame = ANNEX.removesuffix(b"\r\n")
    assert found == [
        (b"noise", "garbage"),
        (frame, None),
        (frame, None),
        (broken.removesuffix(b"\r\n"), "bad_crc"),
        (ANNEX[:20], "truncated"),
    ]
    assert pieces[1]["fields"]["CN"] == "1062"


def test_a_mark_shared_by_two_frames_and_repeated_bytes_have_their_own_places() -> None:
    body = bytes.fromhex("000200000139000000010002")  # a heartbeat
    one = b"\x7e" + body + bytes([reduce(xor, body)])
    raw = one + one + b"\x7e"
    result = CliRunner().invoke(app, ["decode", "--stream", "jt808", "-"], input=raw)
    offsets = [json.loads(line)["offset"] for line in result.stdout.splitlines()]
    assert offsets == [0, len(one)]
