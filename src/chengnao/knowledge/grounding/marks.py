"""Where a sentence says no, and where its source does: word for word, but for the small words that turn the meaning."""

import re

from chengnao.knowledge.text import bare

_MARK = re.compile(
    r"(?P<waives>不必|不用|不需要|不需|无需|无须)|(?P<denies>不得|不应当|不应|不可以|不可|不能|不准|不许|不予|禁止|严禁|没有|[未不非无没勿免])"
    r"|(?P<permits>可以|允许|可)|(?P<obliges>应当|必须|应|须)"
)

Marks = frozenset[tuple[int, str]]


def misplaced(claim: str, source: str) -> bool:
    """Whether the claim, without such words, stands in the source, and nowhere there with the same words.

    "Those who are registered may" is then not taken from "those who are not registered may not", even where both words
    stand somewhere else in the source. False where the claim is worded freely: then it is not for this to say.
    """
    words, marks = _apart(claim)
    theirs, all_marks = _apart(source)
    place = theirs.find(words) if words else -1
    found = place >= 0
    while place >= 0:
        here = frozenset((at - place, kind) for at, kind in all_marks if place <= at < place + len(words))
        if here == marks:
            return False
        place = theirs.find(words, place + 1)
    return found


def _apart(text: str) -> tuple[str, Marks]:
    """The words that carry no such mark, and before which of them which mark stands. A duty may go without saying."""
    flat = bare(text)
    words: list[str] = []
    marks: set[tuple[int, str]] = set()
    length = end = 0
    for match in _MARK.finditer(flat):
        words.append(flat[end : match.start()])
        length += match.start() - end
        end = match.end()
        if match.lastgroup and match.lastgroup != "obliges":
            marks.add((length, match.lastgroup))
    words.append(flat[end:])
    return "".join(words), frozenset(marks)
