"""What an operator can set: environment variables `CHENGNAO_*` first, then `<home>/chengnao.toml`.

An engine whose address is not set is started by the platform itself, in the data folder.
"""

import fcntl
import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from chengnao.kernel.errors import Invalid
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_secret

Port = Literal[
    "web", "gateway", "hj212", "mqtt", "jt808", "sl651", "gb26875", "gb32960", "gb28181", "dlt645", "cjt188", "coap",
    "nats", "nats_monitor", "store", "models", "agents",
]  # fmt: skip

_OFFSETS: dict[Port, int] = {
    "web": 0,
    "gateway": 10,
    "hj212": 12,
    "mqtt": 13,
    "jt808": 14,
    "sl651": 15,
    "gb26875": 16,
    "gb32960": 17,
    "gb28181": 18,
    "dlt645": 19,
    "cjt188": 20,
    "coap": 21,
    "nats": 22,
    "nats_monitor": 23,
    "store": 24,
    "models": 30,
    "agents": 31,
}


class SettingsInvalid(Invalid):
    """A setting that cannot be used; names the field, its value and where to mend it."""


def default_home() -> Path:
    """The data folder where `CHENGNAO_HOME` is not set."""
    chosen = os.environ.get("CHENGNAO_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path("/var/lib/chengnao") if os.geteuid() == 0 else Path.home() / ".chengnao"


class Settings(BaseSettings):
    """The settings of one installation."""

    model_config = SettingsConfigDict(env_prefix="CHENGNAO_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=default_home, description="data folder: all state of this installation")
    base_port: int = Field(8600, ge=1024, le=65000, description="web console; the other ports follow from it")
    host: str = Field("127.0.0.1", description="address that the console and the field gateways listen on")
    database_url: str | None = Field(None, pattern=r"^postgresql(\+psycopg)?://", description="own PostgreSQL")
    nats_urls: list[str] = Field([], description="own NATS cluster")
    nats_replicas: int = Field(1, ge=1, le=5, description="copies of each stream in the NATS cluster")
    clickhouse_url: str | None = Field(None, pattern=r"^https?://", description="own ClickHouse")
    mqtt_url: str | None = Field(None, pattern=r"^mqtts?://", description="own MQTT broker")
    mqtt_version: Literal["3.1.1", "5"] = Field("3.1.1", description="what your own MQTT broker speaks")
    demonstration: bool = Field(False, description="run the demonstration city and its accounts")
    clock_speed: float = Field(1.0, ge=1.0, le=600.0, description="city seconds in a real second; 1 in operation")
    log_bytes: int = Field(4 * 2**30, ge=2**24, description="room for readings that wait to be stored")
    keep_raw_days: int = Field(90, ge=35, le=18_250, description="days that single readings are kept")
    keep_minute_days: int = Field(400, ge=35, le=18_250, description="days that minutes of readings are kept")
    keep_hour_days: int = Field(1_830, ge=35, le=18_250, description="days that hours of readings are kept")
    keep_day_days: int = Field(7_300, ge=35, le=18_250, description="days that days of readings are kept")
    gateways: int = Field(1, ge=1, le=32, description="gateway processes that share the ports of the field")
    writers: int = Field(1, ge=1, le=8, description="processes that carry readings from the log into the store")
    first_classifier: bool = Field(True, description="train a classifier from made texts where there is none")
    models: bool = Field(True, description="run the model gateway and the models that are deployed")
    agents: bool = Field(True, description="run agents")
    otlp_url: str | None = Field(None, pattern=r"^https?://", description="collector that gets the traces of agents")
    training_at_once: int = Field(1, ge=0, le=16, description="training jobs that run on this machine at a time")
    webhook_networks: list[str] = Field([], description="private networks that events may be sent to, as 10.0.0.0/8")
    secure_cookies: bool = Field(False, description="session cookie only over HTTPS; set it behind a TLS proxy")
    session_hours: float = Field(12.0, gt=0, le=72)
    public_reports_per_hour: int = Field(20, ge=1, le=10_000, description="reports of one address without an account")
    public_uploads_per_hour: int = Field(60, ge=1, le=10_000, description="photos and recordings of one such address")
    public_questions_per_minute: int = Field(60, ge=1, le=10_000, description="look-ups of one such address")
    public_wrong_codes_per_hour: int = Field(10, ge=1, le=1_000, description="wrong codes for one report")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = Path(init_settings().get("home") or default_home())
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / "chengnao.toml")

    def port(self, name: Port) -> int:
        """The port of a listener of this installation."""
        return self.base_port + _OFFSETS[name]


def load_settings(home: Path | None = None, **overrides: object) -> Settings:
    """Read the settings of the data folder; raises SettingsInvalid with field, value and remedy."""
    folder = home or default_home()
    file = folder / "chengnao.toml"
    try:
        return Settings(home=folder, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SettingsInvalid(
            "settings_invalid",
            field=field,
            value=first["input"],
            reason=first["msg"],
            env=f"CHENGNAO_{field.upper()}",
            file=str(file),
        ) from error
    except SettingsError as error:  # a variable that should hold JSON, such as a list, and does not
        field = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        variable = f"CHENGNAO_{field.upper()}"
        raise SettingsInvalid(
            "settings_invalid",
            field=field,
            value=os.environ.get(variable, ""),
            reason='a list is written as JSON: ["nats://a:4222", "nats://b:4222"]',
            env=variable,
            file=str(file),
        ) from error
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid("settings_unreadable", file=str(file), reason=str(error)) from error


@dataclass(frozen=True)
class Secrets:
    """Passwords between the platform's own processes and the keys of what is kept sealed; for the owner's eyes only."""

    nats_user: str
    nats_password: str
    mqtt_password: str
    store_user: str
    store_password: str
    model_key: str
    """With it the platform's own processes call the model gateway."""
    vault_keys: dict[str, str]
    """Keys by their name, 256 bits as hex; the last one seals, the earlier ones still open what they sealed."""


def load_secrets(home: Path) -> Secrets:
    """The secrets of the data folder; what is missing in the file is made, and what stands there stays as it is."""
    kept = _kept_secrets(home)
    if _names() - kept.keys():
        with _secrets_locked(home):
            kept = _kept_secrets(home)  # another process may have been first
            made = _new_secrets()
            kept |= {name: made[name] for name in _names() - kept.keys()}
            _write_secrets(home, kept)
    return Secrets(**kept)


def add_vault_key(home: Path) -> Secrets:
    """Make a new key that seals from now on; processes that run know of it after they have started again."""
    load_secrets(home)
    with _secrets_locked(home):
        kept = _kept_secrets(home)
        kept["vault_keys"] |= _new_vault_key()
        _write_secrets(home, kept)
    return Secrets(**kept)


def _names() -> set[str]:
    return {each.name for each in fields(Secrets)}


def _new_secrets() -> dict[str, Any]:
    return {
        "nats_user": "chengnao",
        "nats_password": new_secret(),
        "mqtt_password": new_secret(),
        "store_user": "chengnao",
        "store_password": new_secret(),
        "model_key": new_secret(),
        "vault_keys": _new_vault_key(),
    }


def _new_vault_key() -> dict[str, str]:
    return {os.urandom(4).hex(): os.urandom(32).hex()}


def _kept_secrets(home: Path) -> dict[str, Any]:
    path = home / "secrets.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write_secrets(home: Path, values: dict[str, Any]) -> None:
    write_atomically(home / "secrets.json", json.dumps(values, indent=1).encode())


@contextmanager
def _secrets_locked(home: Path) -> Iterator[None]:
    """One process at a time makes secrets, so that no two of them seal with different keys."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / ".secrets.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
