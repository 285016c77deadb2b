"""Evidence in the words of a duty officer."""

import re
from math import isnan

import numpy as np

from chengnao.incident.catalogue import categories
from chengnao.incident.merging.features import Evidence
from chengnao.incident.merging.model import Reason
from chengnao.incident.merging.words import shared_name, tidy

NEAR_METRES, FAR_METRES = 300.0, 1000.0
NEAR_HOURS, FAR_HOURS = 24.0, 72.0
LIKE, UNLIKE = 0.45, 0.15
"""Likeness of meaning from which texts are called alike, and below which they are called different."""


def reasons_for(evidence: Evidence, one: int, other: int) -> tuple[Reason, ...]:
    """Why the two may or may not be one matter: place, time, what is said, category, source."""
    i, j = np.array([one]), np.array([other])
    flags = {name: bool(there[0]) for name, there in evidence.flags(i, j).items()}
    found = [
        _place(float(evidence.metres(i, j)[0])),
        _name(evidence, one, other, flags),
        _time(float(evidence.hours(i, j)[0])),
        _said(evidence, one, other),
        _category(evidence, one, other, flags),
    ]
    if flags["source_same"]:
        found.append(Reason("来自同一来源", "from the same source"))
    if flags["after_close"]:
        found.append(Reason("前一件已经办结", "the earlier one was closed already", speaks_for=False))
    return tuple(reason for reason in found if reason is not None)


def _place(metres: float) -> Reason | None:
    if isnan(metres):
        return None
    if metres < 1000:
        return Reason(f"相距 {metres:.0f} 米", f"{metres:.0f} m apart", metres <= NEAR_METRES)
    return Reason(f"相距 {metres / 1000:.1f} 公里", f"{metres / 1000:.1f} km apart", metres <= FAR_METRES)


def _name(evidence: Evidence, one: int, other: int, flags: dict[str, bool]) -> Reason | None:
    shared = shared_name(evidence.named[one], evidence.named[other])
    if shared is None:
        return Reason("说的地名不同", "they name different places", speaks_for=False) if flags["name_other"] else None
    if flags["number_other"]:
        return Reason(f"都在{shared}，门牌不同", f"both at {shared}, other numbers", speaks_for=False)
    return Reason(f"都提到{shared}", f"both name {shared}")


def _time(hours: float) -> Reason | None:
    if isnan(hours):
        return None
    near = hours <= NEAR_HOURS
    if hours < 1:
        return Reason(f"相隔 {hours * 60:.0f} 分钟", f"{hours * 60:.0f} minutes apart", near)
    if hours < FAR_HOURS:
        return Reason(f"相隔 {hours:.0f} 小时", f"{hours:.0f} hours apart", near)
    return Reason(f"相隔 {hours / 24:.0f} 天", f"{hours / 24:.0f} days apart", near)


def _said(evidence: Evidence, one: int, other: int) -> Reason | None:
    if not (evidence.has_text[one] and evidence.has_text[other]):
        return None
    meaning = float(evidence.meaning(np.array([one]), np.array([other]))[0])
    common = common_words(evidence.said[one], evidence.said[other])
    if common and meaning >= UNLIKE:
        return Reason(f"说的都是“{common}”", f"both say “{common}”")
    if meaning >= LIKE:
        return Reason("说的意思相近", "they mean much the same")
    return Reason("说的不像一回事", "they tell of different things", speaks_for=False) if meaning < UNLIKE else None


def common_words(one: str, other: str) -> str:
    """The longest run that both texts have: at least two Chinese characters or a whole word of others."""
    best = ""
    for start in range(len(one)):
        while start + len(best) < len(one) and one[start : start + len(best) + 1] in other:
            best = one[start : start + len(best) + 1]
    best = best.strip()
    if re.fullmatch(r"[\u4e00-\u9fff\s\w]*[\u4e00-\u9fff][\u4e00-\u9fff\s\w]*", best):
        return best if len(best) >= 2 else ""
    whole = set(one.split()) & set(other.split())
    words = [word for word in best.split() if word in whole and len(word) > 2]
    return " ".join(words) or max((word for word in whole if len(word) > 3), key=len, default="")


def _category(evidence: Evidence, one: int, other: int, flags: dict[str, bool]) -> Reason | None:
    first, second = (_category_names(evidence.matters[each].category) for each in (one, other))
    if flags["category_same"]:
        return Reason(f"都属于{first[0]}", f"both of the category {first[1]}")
    if flags["category_unknown"]:
        return None
    names = (f"类别不同：{first[0]}、{second[0]}", f"different categories: {first[1]}, {second[1]}")
    if flags["category_near"]:
        names = (f"类别相近：{first[0]}、{second[0]}", f"related categories: {first[1]}, {second[1]}")
    return Reason(*names, speaks_for=flags["category_near"])


def _category_names(category: str | None) -> tuple[str, str]:
    known = categories().get(tidy(category or ""))
    return (known.name, known.name_en) if known else (category or "", category or "")
