"""The files that the platform writes for people: its settings and its logs."""

import tomllib
from pathlib import Path

from chengnao.app.settings_file import set_values
from chengnao.kernel.logs import RotatingLog, tail


def test_a_setting_is_changed_and_all_else_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "chengnao.toml"
    file.write_text('# ours\nbase_port = 9000\ndemonstration = false # for now\n\n[table]\ndemonstration = "other"\n')
    set_values(tmp_path, {"demonstration": True, "clock_speed": 30.0})
    text = file.read_text()
    assert text.startswith("# ours\n")
    assert tomllib.loads(text) == {
        "base_port": 9000,
        "demonstration": True,
        "clock_speed": 30.0,
        "table": {"demonstration": "other"},
    }


def test_a_first_setting_makes_the_file(tmp_path: Path) -> None:
    set_values(tmp_path, {"demonstration": True})
    assert tomllib.loads((tmp_path / "chengnao.toml").read_text()) == {"demonstration": True}


def test_a_log_keeps_its_newest_lines_within_its_bounds(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "a.log", limit=1_000, keep=2)
    for number in range(1_000):
        log.write(f"line {number}\n".encode())
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["a.log", "a.log.1", "a.log.2"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3_000
    assert tail(tmp_path / "a.log", 1) == "line 999"


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = RotatingLog(tmp_path / "a.log")
        log.write(text)
        log.close()
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"
