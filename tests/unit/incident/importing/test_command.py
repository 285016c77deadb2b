import json
from pathlib import Path

from typer.testing import CliRunner, Result

from chengnao.app.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reports", "import", *arguments, "--dry-run"])


def table(folder: Path, text: str) -> str:
    path = folder / "台账.csv"
    path.write_text(text, "gb18030")
    return str(path)


def test_what_would_become_of_each_row_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    file = table(
        tmp_path, "诉求内容,区县,来电时间,备注\n路灯不亮,渝中区,昨天,\n井盖,火星区,2026-01-02,\n井盖,,2026-01-02,\n"
    )
    done = run(file, "--json")
    assert done.exit_code == 1
    *rows, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["state"], row["row"], row.get("code")) for row in rows] == [
        ("rejected", 2, "import_date_invalid"),
        ("rejected", 3, "import_division_missing"),
        ("rejected", 4, "import_division_missing"),
    ]
    assert rows[0]["column"] == "来电时间"
    assert (summary["total"], summary["accepted"], summary["rejected"]) == (3, 0, 3)
    assert summary["sheets"][0]["unknown"] == ["备注"]


def test_a_default_division_lets_rows_in_as_odd_ones(tmp_path: Path) -> None:
    done = run(table(tmp_path, "诉求内容,区县\n井盖,火星区\n"), "--json", "--division", "500103")
    assert done.exit_code == 0
    odd, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert odd["odd"] == ["no_place", "division_unknown", "division_given"]
    assert (summary["accepted"], summary["odd"]) == (1, 1)


def test_people_get_a_table_and_a_sum_in_both_languages(tmp_path: Path) -> None:
    done = run(table(tmp_path, "诉求内容,区县\n[b]井盖,渝中区\n,渝中区\n"))
    assert done.exit_code == 1
    assert "诉求内容→content" in done.stdout
    assert "共 2 行：接收 1，未通过 1" in done.stdout
    assert "2 rows: 1 accepted, 1 rejected" in done.stdout


def test_a_district_of_before_the_reform_is_todays(tmp_path: Path) -> None:
    done = run(table(tmp_path, "诉求内容,区县\n井盖,江北区\n"), "--json")
    assert done.exit_code == 0
