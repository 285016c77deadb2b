"""Topics of MQTT that carry readings, as data: which topic, and where in its message the values stand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.objects import numbers_of

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_UNFIT = re.compile(r"[^a-z0-9_.]")
_MILLISECONDS_FROM = 10**11
MAX_ROWS_OF_MESSAGE = 10_000


class TopicsInvalid(Invalid):
    """A template that cannot be used; names the file and what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value as a message gives it; `point` is a name of the device's own, to be mapped like any other."""

    device: Any
    point: Any
    time: Any
    value: Any
    native: bool = False
    """The platform's own form: `point` is a metric."""


@checked(frozen=True)
class Template:
    name: str
    topic: str = ""
    payload: Literal["readings", "number", "json"] = "readings"
    values: Mapping[str, str] = field(default_factory=dict)
    time: str = ""
    items: str = ""
    device: str = ""
    metric: str = ""
    value: str = ""
    dropped: bool = False

    @property
    def filter(self) -> str:
        """What a client subscribes to for this template."""
        return "/".join("+" if part.startswith("{") else part for part in self.topic.split("/"))

    def match(self, topic: str) -> dict[str, str] | None:
        """What the topic says, by `device` and `metric`; None where it is another one."""
        wanted, levels = self.topic.split("/"), topic.split("/")
        if len(wanted) != len(levels):
            return None
        said = {}
        for pattern, level in zip(wanted, levels, strict=True):
            if pattern.startswith("{"):
                said[pattern[1:-1]] = level
            elif pattern not in {level, "+"}:
                return None
        return said

    def rows(self, said: Mapping[str, str], payload: bytes, now: datetime) -> list[Row]:
        """The values of a message; a time that is left out is `now`. Raises Invalid where it says nothing."""
        if self.payload == "number":
            return [Row(said.get("device"), said.get("metric"), now.isoformat(), _number(payload))]
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise _unreadable(str(error), str(error)) from error
        if self.payload == "readings":
            return _native(said.get("device", ""), message, now)
        found = list(self._json(said, message, now))
        if not found:
            raise _unreadable("消息里没有数值", "there is no number in the message")
        if len(found) > MAX_ROWS_OF_MESSAGE:
            raise _unreadable(f"超过 {MAX_ROWS_OF_MESSAGE} 个数值", f"more than {MAX_ROWS_OF_MESSAGE} values")
        return found

    def _json(self, said: Mapping[str, str], message: Any, now: datetime) -> Iterator[Row]:
        items = _at(message, self.items) if self.items else [message]
        for item in items if isinstance(items, list) else []:
            device = said.get("device") or _first(self.device, item, message)
            moment = _first(self.time, item, message)
            time = now.isoformat() if moment is None else _shown_time(moment)
            metric = said.get("metric") or _first(self.metric, item, message)
            if self.value:
                yield Row(device, metric, time, _plain(_at(item, self.value)))
            elif self.values:
                for point, path in self.values.items():
                    value = _plain(_first(path, item, message))
                    if value is not None:
                        yield Row(device, point, time, value)
            else:
                root = metric or ""
                told = {self.time, self.device, self.metric} - {""}
                for each in numbers_of(item, str(root)):
                    if not any(_at(item, path) is not None and _path_name(path) == each.point for path in told):
                        yield Row(device, each.point, time, each.value)


def load_templates(home: Path | None = None) -> list[Template]:
    """The templates of the package and those of the data folder; raises TopicsInvalid for one that cannot be used."""
    built_in = files("chengnao.sensing.gateways").joinpath("topics.yaml").read_text("utf-8")
    found = {each.name: each for each in _read(built_in, "topics.yaml")}
    own = None if home is None else home / "topics.yaml"
    if own is not None and own.exists():
        for each in _read(own.read_text("utf-8"), str(own)):
            found[each.name] = each
    return [each for each in found.values() if not each.dropped]


def _read(text: str, file: str) -> list[Template]:
    try:
        templates = TypeAdapter(list[Template]).validate_python(yaml.safe_load(text) or [])
    except (yaml.YAMLError, ValidationError) as error:
        raise TopicsInvalid("topics_invalid", file=file, reason=str(error)[:300]) from error
    for each in templates:
        levels = each.topic.split("/")
        braces = [level for level in levels if "{" in level or "}" in level]
        whole = all(level in {"{device}", "{metric}"} for level in braces) and len(set(braces)) == len(braces)
        says_device = "{device}" in levels or each.device or each.dropped
        if not whole or "#" in each.topic or not says_device or not (each.topic or each.dropped):
            raise TopicsInvalid("topics_invalid", file=file, reason=f"{each.name}: topic {each.topic!r}")
    return templates


def metric_name(point: str) -> str:
    """A device's own name for a value as the name of a metric."""
    return _UNFIT.sub("_", point.lower())[:50]


def _native(device: str, message: Any, now: datetime) -> list[Row]:
    """`{"time": ..., metric: value, ...}` or `{"readings": [{metric, time, value}, ...]}`."""
    moment = now.isoformat()
    if isinstance(message, dict) and isinstance(message.get("readings"), list):
        return [
            Row(device, row.get("metric"), row.get("time", moment), row.get("value"), native=True)
            if isinstance(row, dict)
            else Row(device, None, moment, row, native=True)
            for row in message["readings"]
        ]
    if not isinstance(message, dict) or not message.keys() - {"time"}:
        raise _unreadable(
            "应为带指标值或 readings 的对象", "an object with values of metrics, or with `readings`, is wanted"
        )
    moment = message.pop("time", moment)
    return [Row(device, metric, moment, value, native=True) for metric, value in message.items()]


def _unreadable(reason_zh: str, reason_en: str) -> Invalid:
    return Invalid("message_unreadable", field="payload", reason_zh=reason_zh, reason_en=reason_en)


def _number(payload: bytes) -> Any:
    text = payload[:64].decode("utf-8", "replace").strip()
    return _plain(text)


def _plain(value: Any) -> Any:
    """A number given as text is a number; truth values are 1 and 0."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and "_" not in value:
        lowered = value.strip().lower()
        if lowered in {"true", "on", "false", "off"}:
            return float(lowered in {"true", "on"})
        try:
            return float(lowered)
        except ValueError:
            return value
    return value


def _shown_time(value: Any) -> Any:
    """A time as ISO 8601 with a zone, as far as it can be read; else as it came."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=CST)).isoformat()
    except (ValueError, OverflowError, OSError):
        pass
    return value


def _first(path: str, *roots: Any) -> Any:
    """What the path leads to in the first of the roots that has it."""
    if not path:
        return None
    return next((found for root in roots if (found := _at(root, path)) is not None), None)


def _at(root: Any, path: str) -> Any:
    node = root
    for name, number in _steps(path):
        if number and isinstance(node, list) and int(number) < len(node):
            node = node[int(number)]
        elif name and isinstance(node, dict):
            node = node.get(name)
        else:
            return None
    return node


def _steps(path: str) -> Sequence[tuple[str, str]]:
    return _STEP.findall(path.removeprefix("$"))


def _path_name(path: str) -> str:
    return ".".join(name or number for name, number in _steps(path))
