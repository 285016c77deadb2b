"""The shapes of GeoReport v2: services, requests, errors; and which of our states is open or closed outside. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from chengnao.incident.model import Category, Incident, State
from chengnao.incident.reports.model import Report
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid

JURISDICTION = "500000"
SPAN = timedelta(days=90)
"""Requests are shown of at most so long a time."""
PAGE = 1000
"""At most so many requests in one answer."""
LONGEST = 4000
DECIMALS = 4
"""Of coordinates that everybody may read: about 10 metres."""

Outside = Literal["open", "closed"]


@dataclass(frozen=True)
class Status:
    state: State
    status: Outside
    zh: str
    en: str


@cache
def statuses() -> Mapping[State, Status]:
    """The published mapping of states; complete, or loading fails."""
    text = (files("chengnao.incident.open311") / "statuses.yaml").read_text("utf-8")
    found = {State(each["state"]): Status(**each | {"state": State(each["state"])}) for each in yaml.safe_load(text)}
    if missing := set(State) - found.keys():
        raise ValueError(f"statuses.yaml says nothing of {missing}")
    return found


def status_of(incident: Incident, report: Report) -> Outside:
    """Whether the reporter's matter is open or closed."""
    if incident.state is State.MERGED:
        return "closed" if report.answered_at is not None else "open"
    return statuses()[incident.state].status


def service(category: Category) -> dict[str, Any]:
    """A category as a service; ours ask for nothing beside the description, so none has metadata."""
    return {
        "service_code": category.code,
        "service_name": category.name,
        "description": category.name_en,
        "metadata": False,
        "type": "realtime",
        "keywords": ", ".join(category.words),
        "group": category.source,
    }


def service_definition(category: Category) -> dict[str, Any]:
    return {"service_code": category.code, "attributes": []}


@dataclass(frozen=True)
class Shown:
    """A report with its incident, as far as everybody may know it."""

    report: Report
    incident: Incident
    unit_name: str | None


def request(shown: Shown, category: Category | None) -> dict[str, Any]:
    """A report as a service request: masked words, a coarse place, no reporter."""
    report, incident = shown.report, shown.incident
    known = statuses()[incident.state]
    notes = f"{known.zh} / {known.en}"
    answered = report.answer if report.answered_at is not None else None
    return {
        "service_request_id": report.tracking_number,
        "status": status_of(incident, report),
        "status_notes": f"{notes}：{answered}" if answered else notes,
        "service_name": category.name if category else report.category,
        "service_code": report.category,
        "description": report.content,
        "agency_responsible": shown.unit_name,
        "service_notice": None,
        "requested_datetime": w3(report.received_at),
        "updated_datetime": w3(max(report.received_at, incident.entered_at, report.answered_at or report.received_at)),
        "expected_datetime": w3(incident.close_by) if incident.close_by else None,
        "address": report.address or None,
        "address_id": None,
        "zipcode": None,
        "lat": None if report.lat is None else round(report.lat, DECIMALS),
        "long": None if report.lon is None else round(report.lon, DECIMALS),
        "media_url": None,
    }


def made(report: Report) -> dict[str, Any]:
    """The answer to a request that was handed in: its number is known at once, so there is never a token."""
    return {
        "service_request_id": report.tracking_number,
        "service_notice": "已受理，可凭 service_request_id 查询进展 / received; ask for it by its service_request_id",
        "account_id": None,
    }


def w3(moment: datetime) -> str:
    """The moment as GeoReport v2 writes it, with Chongqing's zone."""
    return moment.astimezone(CST).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Wanted:
    """Which requests a list wants. Ids override all else."""

    since: datetime
    until: datetime
    ids: Sequence[str] = ()
    codes: Sequence[str] = ()
    statuses: Sequence[Outside] = ()
    bbox: tuple[float, float, float, float] | None = None


def wanted(given: Mapping[str, str], now: datetime) -> Wanted:
    """The query of a list; raises Invalid that names the parameter."""
    since, until = _moment(given, "start_date"), _moment(given, "end_date")
    if since and until and until - since > SPAN:
        raise Invalid("open311_span", field="start_date", days=SPAN.days)
    until = until or (min(now, since + SPAN) if since else now)
    found: list[Outside] = []
    for each in _list(given, "status"):
        if each not in ("open", "closed"):
            raise Invalid("open311_value", field="status", value=each, expected="open, closed")
        found.append("open" if each == "open" else "closed")
    ids, codes = _list(given, "service_request_id"), _list(given, "service_code")
    return Wanted(since or until - SPAN, until, ids, codes, found, _bbox(given.get("bbox", "")))


def _list(given: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in given.get(name, "").split(",") if part.strip()]


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        # In an address a plus sign that nobody escaped reads as a blank.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (at if at.tzinfo else at.replace(tzinfo=CST)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("open311_value", field=name, value=text[:40], expected="2026-01-01T00:00:00+08:00") from None


def _bbox(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid("open311_value", field="bbox", value=text[:80], expected="west,south,east,north") from None
    return west, south, east, north


@dataclass(frozen=True)
class Handed:
    """What a client hands in, before it is known whether it will do."""

    service_code: str
    description: str
    lat: float | None
    lon: float | None
    address: str
    name: str
    phone: str
    media_url: str


def handed(form: Mapping[str, str]) -> Handed:
    """The fields of a new request; raises Invalid naming all that is missing at once, or what cannot be."""
    text = {key: value.strip() for key, value in form.items()}
    lat, lon = _degrees(text, "lat", 90), _degrees(text, "long", 180)
    missing = [] if text.get("service_code") else ["service_code"]
    if (lat is None or lon is None) and not text.get("address_string"):
        missing.append("lat + long, or address_string")
    if missing:
        raise Invalid("open311_missing", field=missing[0], fields="; ".join(missing))
    for name, longest in (("description", LONGEST), ("address_string", 200), ("media_url", 500), ("phone", 50)):
        if len(text.get(name, "")) > longest:
            raise Invalid("open311_long", field=name, longest=longest)
    media_url = text.get("media_url", "")
    if media_url and not media_url.startswith(("https://", "http://")):
        raise Invalid("open311_value", field="media_url", value=media_url[:80], expected="https://…")
    name = f"{text.get('last_name', '')}{text.get('first_name', '')}"
    if name.isascii():
        name = f"{text.get('first_name', '')} {text.get('last_name', '')}".strip()
    return Handed(
        text.get("service_code", ""),
        text.get("description", ""),
        lat,
        lon,
        text.get("address_string", ""),
        name[:50],
        text.get("phone") or text.get("email", "")[:100],
        media_url,
    )


def _degrees(form: Mapping[str, str], name: str, bound: float) -> float | None:
    text = form.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= bound:
        raise Invalid("open311_value", field=name, value=text[:40], expected=f"-{bound:g} … {bound:g}")
    return value
