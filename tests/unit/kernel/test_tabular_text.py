from pathlib import Path

import pytest

from chengnao.kernel.tabular.text import encoding_of, json_lines, records

TEXT = "诉求内容,地址\n路灯不亮,民权路\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert path.read_bytes().decode(encoding_of(path)).lstrip("\ufeff") == TEXT


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_few_damaged_bytes_do_not_change_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes((TEXT * 50).encode(encoding) + b"\xff\xfe,x\n")
    assert encoding_of(path) == encoding


def read(text: str, delimiter: str = ",") -> list[tuple[int, list[str], str]]:
    return [(line.number, line.texts, line.broken) for line in records(iter(text.splitlines(keepends=True)), delimiter)]


def test_a_quoted_cell_may_hold_lines_and_delimiters() -> None:
    assert read('a,"b,\n""c""",d\r\n\r\ne,f') == [
        (1, ["a", 'b,\n"c"', "d"], ""),
        (2, [""], ""),
        (3, ["e", "f"], ""),
    ]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    text = '1,"坏,x\n2,好,y\n3,"引,号",z\n' + "".join(f"{n},好,z\n" for n in range(4, 400))
    rows = read(text)
    assert [number for number, _, broken in rows if broken] == [1]
    assert rows[2][1] == ["3", "引,号", "z"]
    assert len(rows) == 399


def test_a_quote_that_is_never_closed_before_the_end_costs_one_row() -> None:
    assert [broken for _, _, broken in read('1,"坏\n2,好\n')] == ["import_quote_broken", ""]


def test_lines_that_are_no_object_are_named() -> None:
    lines = ['{"内容": "a", "n": 1, "x": [1]}\n', "\n", "{坏\n", "[1]\n", '{"内容": "\\ud800"}\n']
    found = list(json_lines(iter(lines)))
    assert [(each.number, each.broken) for each in found] == [
        (1, ""),
        (3, "import_line_not_json"),
        (4, "import_line_not_json"),
        (5, "import_line_not_json"),
    ]
    assert found[0].texts == ["a", "1", "[1]"]
