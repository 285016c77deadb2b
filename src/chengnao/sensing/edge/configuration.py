"""What an operator sets of an edge gateway: `edge.toml` in its folder, and what the centre adds to it."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.wires import wire_names

FILE = "edge.toml"

Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/[^\s]*)?$", max_length=500)]
PortNumber = Annotated[int, Field(ge=0, le=65535)]


class EdgeInvalid(Invalid):
    """A setting of an edge gateway that cannot be used; names the file, the entry and what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineSettings(_Strict):
    """One way to the centre. `source`: the local address it leaves by; `interface`: the network card."""

    url: Url
    source: str | None = None
    interface: str | None = None
    batch_kilobytes: Annotated[int, Field(ge=4, le=4096)] = 768
    ca_file: Path | None = None


class ListenSettings(_Strict):
    """Ports by protocol; what is not named is not served."""

    host: str = "0.0.0.0"  # noqa: S104  (devices come from the network beside it)
    http: PortNumber | None = None
    ports: dict[str, PortNumber] = {}

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(self.ports.keys() - set(wire_names()))
        if unknown:
            raise ValueError(f"unknown protocol {', '.join(unknown)}; known: {', '.join(wire_names())}")
        return self


class BufferSettings(_Strict):
    megabytes: Annotated[int, Field(ge=1, le=10_000_000)] = 4096
    when_full: Literal["wait", "drop_oldest"] = "wait"


class SwitchSettings(_Strict):
    """When a line counts as down, and how long it must stand before the way back is taken, in seconds."""

    probe_seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    probe_timeout: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    failures: Annotated[int, Field(ge=1, le=20)] = 2
    return_seconds: Annotated[float, Field(ge=0, le=86_400)] = 30.0


class Tuning(_Strict):
    """The part that the centre may change from afar; what it leaves out stays as the file has it."""

    buffer: BufferSettings | None = None
    switching: SwitchSettings | None = None


class EdgeSettings(_Strict):
    """All settings of one edge gateway."""

    token: Annotated[str, Field(min_length=8, max_length=200)]
    primary: LineSettings
    standby: LineSettings | None = None
    listen: ListenSettings = ListenSettings()
    buffer: BufferSettings = BufferSettings()
    switching: SwitchSettings = SwitchSettings()
    update_command: list[str] = []

    @model_validator(mode="after")
    def _unlike(self) -> Self:
        if self.standby is not None:
            first = (self.primary.url, self.primary.source, self.primary.interface)
            if first == (self.standby.url, self.standby.source, self.standby.interface):
                raise ValueError("standby: it is the same line as primary; give it another url, source or interface")
        if self.listen.http is None and not self.listen.ports:
            raise ValueError("listen: nothing is served; set http or a port of a protocol")
        return self

    def tuned(self, tuning: Tuning) -> "EdgeSettings":
        """The settings with what the centre has changed."""
        changes = {name: value for name in Tuning.model_fields if (value := getattr(tuning, name)) is not None}
        return self.model_copy(update=changes)


def load_edge_settings(home: Path) -> EdgeSettings:
    """The settings of the folder; raises EdgeInvalid naming the file, the entry, its value and what is wrong."""
    file = home / FILE
    try:
        given = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise EdgeInvalid("edge_unset", field="home", value=str(home), file=str(file)) from None
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise EdgeInvalid("settings_unreadable", file=str(file), reason=str(error)) from error
    return settings_of(given, str(file))


def settings_of(given: dict[str, Any], file: str) -> EdgeSettings:
    """The settings in a table; raises EdgeInvalid."""
    try:
        return EdgeSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        entry = ".".join(str(part) for part in first["loc"])
        shown = "***" if entry == "token" else str(first["input"])[:80]
        if not entry:  # about the file as a whole: the rule names the entry itself
            (entry, _, reason), shown = reason.partition(": "), ""
        raise EdgeInvalid("edge_setting_invalid", field=entry, value=shown, reason=reason, file=file) from error


_TEMPLATE = """\
# 城脑边缘网关 / Chengnao edge gateway. See docs/zh/edge.md, docs/en/edge.md.
token = "{token}"                       # 在控制台登记边缘网关时得到 / given when the edge is registered

[primary]                               # 主线 / the line that is used while it stands
url = "{primary}"
# source = "192.168.1.10"               # 从哪个本地地址出去 / the local address it leaves by
# interface = "eth0"
# batch_kilobytes = 768
# ca_file = "/etc/chengnao/ca.pem"
{standby}
[listen]
host = "0.0.0.0"
http = 8610

[listen.ports]                          # 协议 = 端口 / protocol = port
hj212 = 8612

[buffer]
megabytes = 4096
when_full = "wait"                      # wait: 让设备等 / hold devices back; drop_oldest: 丢最旧的并计数 / count them

[switching]
probe_seconds = 1.0
probe_timeout = 2.0
failures = 2
return_seconds = 30.0                   # 主线稳定这么久才切回 / primary must stand so long
"""
_STANDBY = """
[standby]                               # 备线 / used while primary is down
url = "{url}"
# source = "10.20.0.5"
# batch_kilobytes = 64
"""


def write_edge_settings(home: Path, token: str, primary: str, standby: str | None) -> Path:
    """Make `edge.toml` with the given entries; raises EdgeInvalid where there is one, or an entry cannot be used."""
    file = home / FILE
    if file.exists():
        raise EdgeInvalid("edge_set_already", field="home", value=str(home), file=str(file))
    for name, value in (("token", token), ("primary", primary), ("standby", standby or "")):
        if re.search(r'["\\\s]', value):
            raise EdgeInvalid("edge_setting_invalid", field=name, value="", reason="quotes or spaces", file=str(file))
    text = _TEMPLATE.format(token=token, primary=primary, standby=_STANDBY.format(url=standby) if standby else "")
    settings_of(tomllib.loads(text), str(file))
    home.mkdir(parents=True, exist_ok=True)
    file.touch(0o600)
    file.write_text(text, "utf-8")
    return file
