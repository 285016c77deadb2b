"""`chengnao edge`: set up, wrong settings, no process."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chengnao.sensing.edge.cli import app
from chengnao.sensing.edge.configuration import EdgeInvalid, load_edge_settings

RUN = CliRunner()


def test_init_writes_settings_that_can_be_used(tmp_path: Path) -> None:
    words = ["init", "--home", str(tmp_path), "--token", "cn_12345678", "--primary", "http://10.1.0.5:8610"]
    done = RUN.invoke(app, [*words, "--standby", "https://10.2.0.5/edge"])
    assert done.exit_code == 0, done.output
    settings = load_edge_settings(tmp_path)
    assert settings.standby is not None
    assert (settings.listen.http, settings.listen.ports, settings.standby.url) == (
        8610,
        {"hj212": 8612},
        "https://10.2.0.5/edge",
    )
    assert isinstance(RUN.invoke(app, words).exception, EdgeInvalid)


def test_an_unusable_address_leaves_no_file(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["init", "--home", str(tmp_path), "--token", "cn_12345678", "--primary", "10.1.0.5"])
    assert isinstance(done.exception, EdgeInvalid)
    assert done.exception.params["field"] == "primary.url"
    assert list(tmp_path.iterdir()) == []


def test_running_without_settings_says_what_to_do(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["--home", str(tmp_path)])
    assert isinstance(done.exception, EdgeInvalid)
    assert done.exception.code == "edge_unset"


def test_status_of_nothing(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["status", "--home", str(tmp_path)])
    assert done.exit_code == 1
    with pytest.raises(EdgeInvalid):
        load_edge_settings(tmp_path)
