"""Why a case comes before the leader on duty, and what is asked of them, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.duty_measures import DutyCase, Repetition
from chengnao.incident.names import Names
from chengnao.kernel.calendar import Amount, parse_amount
from chengnao.kernel.clock import city_text_short


@dataclass(frozen=True)
class Reason:
    code: str
    name: str
    name_en: str
    why: str
    """With gaps for the facts."""
    do: str


@dataclass(frozen=True)
class DutyRules:
    """What the data file says."""

    reasons: Mapping[str, Reason]
    repetition: Repetition
    answer_within: Mapping[int, Amount]
    """By grade: within which time an urge wants an answer."""
    letter_answer: Amount


@cache
def duty_rules() -> DutyRules:
    raw: dict[str, Any] = yaml.safe_load((files("chengnao.supervision.duty") / "duty.yaml").read_text("utf-8"))
    reasons = [
        Reason(each["code"], each["name"]["zh"], each["name"]["en"], each["why"], each["do"]) for each in raw["reasons"]
    ]
    return DutyRules(
        reasons={reason.code: reason for reason in reasons},
        repetition=Repetition(**raw["repeated"]),
        answer_within={grade: parse_amount(text) for grade, text in raw["answer_within"].items()},
        letter_answer=parse_amount(raw["letter_answer"]),
    )


@dataclass(frozen=True)
class Told:
    """A reason, told of one case."""

    code: str
    name: str
    why: str
    do: str


def told(case: DutyCase, names: Names) -> list[Told]:
    """The reasons of a case in words, the first one first."""
    facts = _facts(case, names)
    found = [reason for code, reason in duty_rules().reasons.items() if code in case.reasons]
    return [Told(each.code, each.name, each.why.format_map(facts), each.do.format_map(facts)) for each in found]


def _facts(case: DutyCase, names: Names) -> dict[str, str | int]:
    incident, request, repetition = case.incident, case.request, duty_rules().repetition
    facts: dict[str, str | int] = {
        "state": incident.state.zh,
        "desk": names.division(incident.desk_code),
        "holder": names.unit(incident.unit_id) or names.division(incident.desk_code),
        "due": city_text_short(incident.due_at),
        "late": lasting(names.now - (incident.due_at or names.now)),
        "close_by": city_text_short(incident.close_by),
        "over": lasting(names.now - (incident.close_by or names.now)),
        "age": lasting(names.now - incident.opened_at),
        "returns": incident.returns,
        "reopened": incident.reopened,
        "nearby": case.nearby,
        "metres": int(repetition.metres),
        "days": repetition.days,
    }
    if request is not None:
        facts |= {
            "asker": names.unit(request.unit_id) or request.asked_by_name,
            "kind": request.kind.zh,
            "until": city_text_short(request.until),
            "decide_by": city_text_short(request.decide_by),
            "reason": request.reason,
        }
    return facts


def lasting(length: timedelta) -> str:
    """A length of time in its two greatest units."""
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} 天 {hours} 小时"
    return f"{hours} 小时 {minutes % 60} 分钟" if hours else f"{minutes} 分钟"
