"""Whether a passage really says what a sentence claims. Decided by code, whoever wrote the sentence."""

import re
from dataclasses import dataclass
from enum import StrEnum

from chengnao.knowledge.grounding.facts import Amount, amounts, bodies, contradicts
from chengnao.knowledge.grounding.marks import misplaced
from chengnao.knowledge.text import bare, canonical, plain, query_terms, sentences

LEAST_SHARE = 0.8
"""Of the sentence's pairs of characters, so many must stand in what is cited; from a planted test, see
tests/unit/knowledge/test_verify.py and benchmarks/knowledge.py."""
_EMPTY = re.compile(r"的是|也就是说|因此|所以|以及|并且|应当|应该|为|是|在|了|的|应|将|由|对|会")
_LEADS = re.compile(r"^(根据|依据|按照|依照)?(上述|有关|相关)?(规定|资料|办法|条款|要求)?[，,：:]?")
_FINE = re.compile(r"[，,；;。：:！？!?\n]")
_AMOUNTS = re.compile(r"\d[\d.:]*")
_MEASURED = re.compile(r"\d[\d.:]*(?:个?(?:工作日|工作小时|小时|分钟|日|天|年|月|周)|万?元|%)?(?:以上|以下|以内|内)?")
_STRANGE = 1
"""Characters on end that may be missing in what is cited: little words that a writer adds."""
_CLAUSE = re.compile(r"[；;。！？!?\n]|，(?=(?:其他|但|并|对))")


class Fault(StrEnum):
    """Why a sentence is not supported by what it cites."""

    QUOTE = "quote"
    """The quotation does not stand in the passage."""
    AMOUNT = "amount"
    BODY = "body"
    DENIAL = "denial"
    WORDS = "words"


@dataclass(frozen=True)
class Support:
    """`clause`: the part of the passage that carries the sentence."""

    fault: Fault | None
    clause: str

    @property
    def holds(self) -> bool:
        return self.fault is None


def quoted(quote: str, text: str) -> bool:
    """Whether the quotation stands in the text, blanks and punctuation aside."""
    wanted = bare(quote)
    return len(wanted) >= 2 and wanted in bare(text)


def supports(text: str, sentence: str, context: str = "", quote: str | None = None) -> Support:
    """Whether `text` carries the sentence.

    `context` (the document's title, its headings) may lend words, but neither amounts nor bodies nor denials.
    """
    if quote is not None and not quoted(quote, text):
        return Support(Fault.QUOTE, "")
    claim = re.sub(r"《[^》]*》|第\s*[零〇一二三四五六七八九十百千\d]+\s*[条款项]", "", sentence)
    if bare(claim) and bare(claim) in bare(text) and _whole(claim, text):
        return Support(None, claim)
    claim = _LEADS.sub("", claim)
    parts = clauses(claim) or [claim]
    carrying = [_nearest(text, part) for part in parts]
    clause = carrying[0]
    for part, carries in zip(parts, carrying, strict=True):
        if not _amounts_hold(text, part):
            return Support(Fault.AMOUNT, carries)
        if not _bodies_hold(text, part):
            return Support(Fault.BODY, carries)
        if contradicts(part, carries):
            return Support(Fault.DENIAL, carries)
    fine = [part for part in _FINE.split(claim) if len(bare(part)) >= 2]
    if misplaced(claim, text) or any(misplaced(part, text) for part in fine):
        return Support(Fault.DENIAL, clause)
    for part in fine:
        share, strange = covered(part, f"{context}\n{text}")
        if share < LEAST_SHARE or strange > _STRANGE:
            return Support(Fault.WORDS, clause)
    if len(fine) > 1 and not _follows(fine, text):
        return Support(Fault.WORDS, clause)
    return Support(None, clause)


def _whole(claim: str, text: str) -> bool:
    """Whether the claim, found word for word, begins and ends where clauses do, so that no denial is cut off."""
    edges = [bare(each) for each in re.split(r"[，,；;。！？!?：:、\n]|第\d+条", plain(text))]
    wanted = bare(claim)
    joined = "".join(edges)
    starts, at = set(), 0
    for each in edges:
        starts.add(at)
        at += len(each)
    starts.add(at)
    place = joined.find(wanted)
    while place >= 0:
        if place in starts and place + len(wanted) in starts:
            return True
        place = joined.find(wanted, place + 1)
    return False


def covered(claim: str, text: str) -> tuple[float, int]:
    """How much of the claim stands in the text (0 to 1), by threes of characters, and the longest strange stretch."""
    flat = re.sub(r"[^\w%.:]", "", canonical(text))
    total = seen = longest = 0
    for part in _words(claim):
        if part[0] < "\u3400":
            total, seen = total + 1, seen + (part in flat)
            continue
        marks = [False] * len(part)
        size = min(3, len(part))
        for place in range(len(part) - size + 1):
            if part[place : place + size] in flat:
                marks[place : place + size] = [True] * size
        stretch = 0
        for mark in marks:
            stretch = 0 if mark else stretch + 1
            longest = max(longest, stretch)
        total, seen = total + len(marks), seen + sum(marks)
    return (seen / total if total else 1.0), longest


def _words(claim: str) -> list[str]:
    return re.findall(r"[\u3400-\u9fff]+|[a-z0-9.:%]+", _EMPTY.sub(" ", canonical(claim)))


def _follows(parts: list[str], text: str) -> bool:
    """Whether the parts of a claim come in the text one after the other, so that nothing is put together anew."""
    flat, at = re.sub(r"[^\w%.:]", "", canonical(text)), 0
    for part in parts:
        known = [word[:3] for word in _words(part) if word[:3] in flat]
        if not known:
            continue
        place = flat.find(known[0], at)
        if place < 0:
            return False
        at = place
    return True


def clauses(text: str) -> list[str]:
    """The parts of a passage that each say one thing."""
    return [part for each in sentences(text) for part in _CLAUSE.split(each) if part.strip()]


def _nearest(text: str, claim: str) -> str:
    wanted = set(query_terms(claim))
    return max(clauses(text) or [text], key=lambda clause: (len(wanted & set(query_terms(clause))), -len(clause)))


def _amounts_hold(text: str, part: str) -> bool:
    """Each amount stands in the text with the same bound, in the clause that speaks of the same thing."""
    told = [(clause, amounts(clause)) for clause in clauses(text)]
    if not _in_order(part, text):
        return False
    for amount in amounts(part):
        holding = [clause for clause, found in told if _among(amount, found)]
        rivals = [clause for clause, found in told if any(each.measures == amount.measures for each in found)]
        if not _best(part, holding, rivals):
            return False
    return True


def _in_order(part: str, text: str) -> bool:
    """Whether the numbers of the part come in the text in the same order, so that none stands in another's place."""
    numbers = iter(_AMOUNTS.findall(canonical(text)))
    return all(number in numbers for number in _AMOUNTS.findall(canonical(part)))


def _bodies_hold(text: str, part: str) -> bool:
    """The same for bodies: who does what."""
    told = [(clause, bodies(clause)) for clause in clauses(text)]
    for body in bodies(part):
        holding = [clause for clause, found in told if body in plain(clause)]
        if not _best(part, holding, [clause for clause, found in told if found]):
            return False
    return True


def _best(part: str, holding: list[str], rivals: list[str]) -> bool:
    """Whether one of the clauses that hold something speaks of the same thing as much as any rival does."""
    if not holding:
        return False
    words = {each for each in query_terms(_MEASURED.sub(" ", plain(part))) if not each[0].isdigit()}
    others = [_overlap(words, each) for each in rivals if each not in holding]
    return max(_overlap(words, each) for each in holding) > max(others, default=-1)


def _overlap(words: set[str], clause: str) -> int:
    return len(words & set(query_terms(clause)))


def _among(amount: Amount, found: frozenset[Amount]) -> bool:
    for each in found:
        same = each.bare == amount.bare or (not amount.unit and each.value == amount.value)
        if same and (not amount.bound or not each.bound or amount.bound == each.bound):
            return True
    return False
