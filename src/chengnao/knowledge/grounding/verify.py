"""Whether a passage really says what a sentence claims. Decided by code, whoever wrote the sentence."""

import re
from dataclasses import dataclass
from enum import StrEnum

from chengnao.knowledge.grounding.facts import Amount, amounts, bodies, contradicts
from chengnao.knowledge.text import bare, plain, query_terms, sentences

LEAST_SHARE = 0.8
"""Of the sentence's pairs of characters, so many must stand in what is cited; from a planted test, see
tests/unit/knowledge/test_verify.py and benchmarks/knowledge.py."""
_EMPTY = re.compile(
    r"根据|依据|依照|按照|规定|本办法|本规定|本规程|有关|相关|的是|也就是说|因此|所以|以及|并且|即|其中|答复|答案|为|是|在|了|的|应|将|由|对|会"
)
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
    clause = _nearest(text, claim)
    if not _amounts_hold(text, claim):
        return Support(Fault.AMOUNT, clause)
    named = {each for each in bodies(claim) if each not in plain(text)}
    if named:
        return Support(Fault.BODY, clause)
    if contradicts(claim, clause):
        return Support(Fault.DENIAL, clause)
    share, strange = covered(claim, f"{context}\n{text}")
    if share < LEAST_SHARE or strange >= 4:
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
    """How much of the claim's words stands in the text (0 to 1), and how long the longest strange stretch is."""
    known = set(query_terms(text))
    flat = plain(text)
    total = seen = longest = stretch = 0
    for part in re.findall(r"[\u3400-\u9fff]+|[a-z0-9.%]+", _EMPTY.sub(" ", plain(claim))):
        if part[0] < "\u3400":
            total, seen = total + 1, seen + (part in flat)
            continue
        marks = [False] * len(part)
        for place in range(len(part) - 1):
            if part[place : place + 2] in known:
                marks[place] = marks[place + 1] = True
        if len(part) == 1:
            marks = [part in flat]
        stretch = 0
        for mark in marks:
            stretch = 0 if mark else stretch + 1
            longest = max(longest, stretch)
        total, seen = total + len(marks), seen + sum(marks)
    return (seen / total if total else 0.0), longest


def clauses(text: str) -> list[str]:
    """The parts of a passage that each say one thing."""
    return [part for each in sentences(text) for part in _CLAUSE.split(each) if part.strip()]


def _nearest(text: str, claim: str) -> str:
    wanted = set(query_terms(claim))
    return max(clauses(text) or [text], key=lambda clause: (len(wanted & set(query_terms(clause))), -len(clause)))


def _amounts_hold(text: str, claim: str) -> bool:
    """Each amount of the claim stands in the text with the same bound, in the clause that speaks of the same thing."""
    ours = amounts(claim)
    if not ours:
        return True
    parts = [(amounts(clause), clause) for clause in clauses(text)]
    words = {each for each in query_terms(re.sub(r"[\d.]+", " ", plain(claim))) if not each[0].isdigit()}
    for amount in ours:
        holding = [clause for found, clause in parts if _among(amount, found)]
        if not holding:
            return False
        rivals = [
            clause
            for found, clause in parts
            if clause not in holding and any(each.unit == amount.unit for each in found)
        ]
        ranked = max(_overlap(words, clause) for clause in holding)
        if any(_overlap(words, clause) > ranked for clause in rivals):
            return False
    return True


def _overlap(words: set[str], clause: str) -> int:
    return len(words & set(query_terms(clause)))


def _among(amount: Amount, found: frozenset[Amount]) -> bool:
    for each in found:
        same = each.bare == amount.bare or (not amount.unit and each.value == amount.value)
        if same and (not amount.bound or not each.bound or amount.bound == each.bound):
            return True
    return False
