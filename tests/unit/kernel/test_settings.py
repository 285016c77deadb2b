from pathlib import Path

import pytest

from chengnao.kernel.settings import SettingsInvalid, load_secrets, load_settings


def test_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chengnao.toml").write_text('base_port = 9000\nhost = "0.0.0.0"\n')
    monkeypatch.setenv("CHENGNAO_BASE_PORT", "9500")
    settings = load_settings(tmp_path)
    assert (settings.base_port, settings.host) == (9500, "0.0.0.0")
    assert settings.port("web") == 9500
    assert len({settings.port(name) for name in ("web", "gateway", "hj212", "mqtt", "nats", "store")}) == 6


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("base_port = 70000", "base_port"),
        ('base_port = "many"', "base_port"),
        ('database_url = "mysql://x"', "database_url"),
        ("clock_speed = 0.5", "clock_speed"),
        ("no_such_setting = 1", "no_such_setting"),
        ('nats_urls = "nats://one"', "nats_urls"),
    ],
)
def test_nonsense_is_named_with_its_value_and_place(tmp_path: Path, line: str, field: str) -> None:
    (tmp_path / "chengnao.toml").write_text(line)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(tmp_path)
    error = refused.value
    assert error.params["field"] == field
    assert str(tmp_path / "chengnao.toml") in error.text("zh")
    assert f"CHENGNAO_{field.upper()}" in error.text("en")


def test_a_list_that_is_no_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHENGNAO_NATS_URLS", "nats://a:4222")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(tmp_path)
    assert (refused.value.params["field"], refused.value.params["value"]) == ("nats_urls", "nats://a:4222")
    assert "CHENGNAO_NATS_URLS" in refused.value.text("zh")


@pytest.mark.parametrize("content", [b"base_port = = 1", b"\xff\xfe\x00"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "chengnao.toml").write_bytes(content)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(tmp_path)
    assert "chengnao.toml" in refused.value.text("en")


def test_secrets_are_made_once_and_only_for_the_owner(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    assert load_secrets(tmp_path) == first
    assert len({first.nats_password, first.store_password, first.mqtt_password}) == 3
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
