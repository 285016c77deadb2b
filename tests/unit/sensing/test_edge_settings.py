"""An edge's settings, the choice of its line, and what it does with what the centre wants of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.edge.configuration import (
    EdgeInvalid,
    EdgeSettings,
    SwitchSettings,
    load_edge_settings,
    settings_of,
    write_edge_settings,
)
from chengnao.sensing.edge.model import Change
from chengnao.sensing.edge.uplinks import Health, choose
from chengnao.sensing.edge.wanted import RestartError, TuningKeeper, Updater

GIVEN: dict[str, Any] = {
    "token": "cn_secret-secret",
    "primary": {"url": "http://10.1.0.5:8610"},
    "standby": {"url": "http://10.2.0.5:8610", "source": "10.2.0.9"},
    "listen": {"http": 8610, "ports": {"hj212": 8612}},
}


def test_the_written_file_is_read_back(tmp_path: Path) -> None:
    write_edge_settings(tmp_path, "cn_secret", "http://10.1.0.5:8610", "http://10.2.0.5:8610")
    settings = load_edge_settings(tmp_path)
    assert settings.standby is not None
    assert (settings.token, settings.standby.url) == ("cn_secret", "http://10.2.0.5:8610")
    assert (tmp_path / "edge.toml").stat().st_mode & 0o077 == 0
    with pytest.raises(EdgeInvalid, match="已经存在"):
        write_edge_settings(tmp_path, "cn_secret", "http://10.1.0.5:8610", None)
    with pytest.raises(EdgeInvalid, match="edge init"):
        load_edge_settings(tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "field", "word"),
    [
        ({"primary": {"url": "10.1.0.5"}}, "primary.url", "pattern"),
        ({"standby": {"url": "http://10.1.0.5:8610"}}, "standby", "same line"),
        ({"listen": {}}, "listen", "nothing is served"),
        ({"listen": {"ports": {"hj999": 1}}}, "listen", "unknown protocol hj999"),
        ({"buffer": {"megabytes": 0}}, "buffer.megabytes", "greater"),
        ({"buffer": {"when_full": "lose"}}, "buffer.when_full", "drop_oldest"),
        ({"tokem": "x"}, "tokem", "not permitted"),
    ],
)
def test_errors_name_the_entry_and_what_is_wrong(change: dict[str, Any], field: str, word: str) -> None:
    with pytest.raises(EdgeInvalid) as caught:
        settings_of(GIVEN | change, "edge.toml")
    assert caught.value.params["field"] == field
    assert word in caught.value.params["reason"]
    assert "cn_secret" not in str(caught.value)


def healths(primary: Health, standby: Health) -> dict[str, Health]:
    return {"primary": primary, "standby": standby}


def test_standby_at_once_and_back_only_after_a_while() -> None:
    settings = SwitchSettings(failures=2, return_seconds=30)
    primary, standby = Health(), Health()
    assert choose("", healths(primary, standby), settings, 0) == ""
    primary.good(0)
    standby.good(0)
    assert choose("", healths(primary, standby), settings, 0) == "primary"
    primary.bad("timeout", 2)
    assert choose("primary", healths(primary, standby), settings, 1) == "primary"
    primary.bad("timeout", 2)
    assert choose("primary", healths(primary, standby), settings, 2) == "standby"
    primary.good(10)
    assert choose("standby", healths(primary, standby), settings, 39) == "standby"
    assert choose("standby", healths(primary, standby), settings, 40) == "primary"
    primary.bad("one failure", 2)
    primary.good(41)
    assert choose("standby", healths(primary, standby), settings, 60) == "standby"
    standby.bad("", 1)
    assert choose("standby", healths(primary, standby), settings, 60) == "primary"


@given(steps=st.lists(st.tuples(st.sampled_from(["primary", "standby"]), st.booleans()), max_size=60))
def test_the_line_in_use_always_stands(steps: list[tuple[str, bool]]) -> None:
    settings = SwitchSettings(failures=2, return_seconds=5)
    lines = healths(Health(), Health())
    current = ""
    for second, (name, good) in enumerate(steps):
        if good:
            lines[name].good(second)
        else:
            lines[name].bad("x", settings.failures)
        current = choose(current, lines, settings, second)
        assert lines[current].up if current else not any(each.up for each in lines.values())


class Told(list[tuple[Change, dict[str, Any]]]):
    def __call__(self, kind: Change, detail: dict[str, Any]) -> None:
        self.append((kind, detail))


def test_a_tuning_on_trial_is_confirmed_or_taken_back(tmp_path: Path) -> None:
    settings, told, limits = settings_of(GIVEN, "edge.toml"), Told(), []

    def apply(tuned: EdgeSettings) -> None:
        limits.append(tuned.buffer.megabytes)

    keeper = TuningKeeper(settings, tmp_path / "tuning.json", apply, told)
    keeper.want(1, {"buffer": {"megabytes": 100}})
    keeper.check(60)
    keeper.confirm()
    keeper.want(1, {"buffer": {"megabytes": 100}})
    keeper.want(2, {"buffer": {"megabytes": 200}})
    keeper.check(0)
    keeper.want(2, {"buffer": {"megabytes": 200}})
    keeper.want(3, {"buffer": {"gigabytes": 1}})
    assert limits == [100, 200, 100]
    assert [(kind, detail["revision"]) for kind, detail in told] == [
        (Change.APPLIED, 1),
        (Change.FAILED, 2),
        (Change.FAILED, 3),
    ]
    assert "联系不上中心" in told[1][1]["reason"]
    TuningKeeper(settings, tmp_path / "tuning.json", apply, told)
    assert limits[-1] == 100


async def test_an_update_is_confirmed_once_the_centre_is_reached(tmp_path: Path) -> None:
    told, log, file = Told(), tmp_path / "log", tmp_path / "update.json"
    script = tmp_path / "update.sh"
    script.write_text(f"#!/bin/sh\necho $1 >> {log}\n")
    script.chmod(0o755)
    old = Updater([str(script)], "0.1.0", file, told)
    await old.want("0.1.0")
    with pytest.raises(RestartError):
        await old.want("0.2.0")
    new = Updater([str(script)], "0.2.0", file, told)
    await new.check(60)
    new.confirm()
    assert told == [(Change.APPLIED, {"version": "0.2.0"})]
    assert not file.exists()
    assert log.read_text() == "0.2.0\n"


async def test_an_update_that_cuts_the_edge_off_is_taken_back_and_not_tried_again(tmp_path: Path) -> None:
    told, file = Told(), tmp_path / "update.json"
    with pytest.raises(RestartError):
        await Updater(["/bin/true"], "0.1.0", file, told).want("0.2.0")
    with pytest.raises(RestartError):
        await Updater(["/bin/true"], "0.2.0", file, told).check(0)
    back = Updater(["/bin/true"], "0.1.0", file, told)
    await back.want("0.2.0")
    assert [(kind, detail["version"]) for kind, detail in told] == [(Change.FAILED, "0.2.0")]
    assert "could not be reached" in told[0][1]["reason"]
    await Updater(["/bin/true"], "0.1.0", file, told).want("0.2.0")
    assert len(told) == 1


async def test_an_update_that_fails_or_does_nothing_is_told(tmp_path: Path) -> None:
    told = Told()
    await Updater(["/bin/false"], "0.1.0", tmp_path / "one.json", told).want("0.2.0")
    await Updater([], "0.1.0", tmp_path / "two.json", told).want("0.2.0")
    await Updater(["/bin/false"], "0.1.0", tmp_path / "three.json", told).want("0.2; rm -rf /")
    with pytest.raises(RestartError):
        await Updater(["/bin/true"], "0.1.0", tmp_path / "four.json", told).want("0.2.0")
    Updater(["/bin/true"], "0.1.0", tmp_path / "four.json", told)
    assert [detail["version"] for _, detail in told] == ["0.2.0"] * 3
