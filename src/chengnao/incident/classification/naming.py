"""Where a name begins that ends in a known word: "在解放碑民权路" holds the road 民权路."""

import re
from collections.abc import Collection

_HAN = re.compile(r"[\u4e00-\u9fff]")
_NOT_IN_NAMES = frozenset(
    "的了是在到从住与跟及把被将对向往至去来有没这那哪我你他她它们咱条个些每各整全半该本某另就都也还又再只请麻烦想说讲好"
    "区县乡镇附近靠沿走过经由给让叫因为但而且并或等着得之于以所吗呢吧啊嘛噻哦旁边点离前后上下里外侧反映路街巷道号栋幢口站"
)
_SHORTEST = 2
_OPENS_NONE = frozenset("和家")
"""Letters within names that seldom open one of three or more."""


def name_before(text: str, end: int, most: int, breaks: Collection[int] = ()) -> str:
    """The Han characters before `end` that may belong to a name: at most `most`, up to a function word.

    `breaks` are places where another name ends: what comes before the last of them is cut off where a name remains.
    """
    start = end
    while start > 0 and end - start < most and _HAN.match(text[start - 1]) and text[start - 1] not in _NOT_IN_NAMES:
        start -= 1
    inside = [each for each in breaks if start < each <= end - _SHORTEST]
    name = text[max(inside, default=start) : end]
    return name[1:] if len(name) > _SHORTEST and name[0] in _OPENS_NONE else name
