"""Times that a text names, read by `jionlp` from when it was received."""

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

from chengnao.incident.classification.lexicon import lexicon
from chengnao.incident.classification.model import TimeFound
from chengnao.kernel.clock import CST

_lock = Lock()
_HIDDEN = "＿"
_NO_TIMES = [
    # House numbers, lines and telephone numbers, which would be read as days of the month or years.
    re.compile(r"(?<=[路街巷道里村苑园坊段区城门大])\d{1,4}(-\d+)?号"),
    re.compile(r"\d{1,4}号(?=[楼线院门店附口岗坑])"),
    re.compile(r"\d{1,4}[路栋幢单层楼]"),
    re.compile(r"\d{5,}"),
    re.compile(r"三天两头|一天到晚|天天|一天三层|一二年级|[上一二三四五六]年级"),
    # Between an hour and what follows: the parser trips over it.
    re.compile(r"(?<=点)多"),
]
_VAGUE = frozenset(lexicon()["vague_times"])
_JUST_NOW = re.compile(r"刚才|刚刚|方才|just now")
_BACK_FROM_NOW = re.compile(r"^(了|来|没|都没|以来|以上|还没|多)")
_UNTIL_NOW = re.compile(r"(连续|已经|已|超过|断断续续|停了|断了|等了|拖了|坏了|快|都)[^，。]{0,3}$")
_DAYS = {"year": 365.0, "month": 30.0, "week": 7.0, "workday": 1.0, "day": 1.0, "hour": 1 / 24, "minute": 1 / 1440}


@cache
def _parser() -> Any:
    # Here, since it takes a while and prints advertisements while it loads.
    with contextlib.redirect_stdout(io.StringIO()):
        import jionlp  # type: ignore[import-untyped]  # noqa: PLC0415
        from jionlp.gadget import time_parser  # type: ignore[import-untyped]  # noqa: PLC0415
    # It writes what it cannot read to the root logger, which would then set up handlers of its own.
    quiet = logging.getLogger("jionlp")
    quiet.setLevel(logging.CRITICAL)
    time_parser.logging = quiet
    return jionlp.ner.extract_time


def times_in(text: str, at: datetime) -> tuple[TimeFound, ...]:
    """The times that the text names, in its order; days and hours are those of Chongqing."""
    hidden = text
    for pattern in _NO_TIMES:
        hidden = pattern.sub(lambda found: _HIDDEN * len(found.group()), hidden)
    found = [
        (match.start(), TimeFound(match.group(), at - timedelta(hours=1), at)) for match in _JUST_NOW.finditer(text)
    ]
    with _lock:
        entities = _extracted(hidden, at.astimezone(CST).replace(tzinfo=None))
    for entity in entities:
        start, end = entity["offset"]
        time = _read(entity, text, start, end, at)
        if time is not None and text[start:end] not in _VAGUE:
            found.append((start, time))
    return tuple(time for _, time in sorted(found, key=lambda pair: pair[0]))


def _extracted(text: str, base: datetime) -> list[dict[str, Any]]:
    try:
        entities: list[dict[str, Any]] = _parser()(text, time_base=base)
    except Exception:
        # A foreign parser over any text whatever: what it cannot read names no time; the report is taken all the same.
        logging.getLogger(__name__).debug("no times read", exc_info=True)
        return []
    return entities


def _read(entity: dict[str, Any], text: str, start: int, end: int, at: datetime) -> TimeFound | None:
    kind, detail = entity["type"], entity["detail"]
    words = text[start:end]
    if kind in ("time_point", "time_span"):
        begins, ends = (_aware(each) for each in detail["time"])
        return TimeFound(words, begins, ends) if begins or ends else None
    if kind == "time_period":
        point = (detail["time"].get("point") or {}).get("time") or [None, None]
        return TimeFound(words, _aware(point[0]), _aware(point[1]), recurring=True)
    if kind == "time_delta" and (_BACK_FROM_NOW.match(text[end:]) or _UNTIL_NOW.search(text[:start])):
        return _since(words, detail["time"], at)
    return None


def _since(words: str, amount: Any, at: datetime) -> TimeFound | None:
    """A stretch that lasts until now: "三天了"."""
    steps: Iterator[tuple[str, Any]] = iter(amount.items()) if isinstance(amount, dict) else iter(())
    days = sum(_DAYS.get(unit, 0.0) * number for unit, number in steps if isinstance(number, int | float))
    return TimeFound(words, at - timedelta(days=days), at) if 0 < days < 36_500 else None


def _aware(text: str | None) -> datetime | None:
    """A time as the parser writes it; None for an open end."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=CST)
    except ValueError:
        return None
