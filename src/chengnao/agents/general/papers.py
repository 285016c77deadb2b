"""What an official paper says of itself: title, number, issuing body, dates, what it replaces. Pure."""

import re
from dataclasses import dataclass
from datetime import date

KINDS = ("law", "policy", "plan", "procedure", "notice", "standard", "case", "other")
"""As the knowledge module calls them."""
_YEAR, _OPEN, _CLOSE = r"(?:19|20)\d\d", r"[〔\[［(（【]", r"[〕\]］)）】]"
_NUMBER = re.compile(
    rf"(?P<it>[\u4e00-\u9fff]{{1,12}}(?:字|令|函|办|发|规|文|号)?\s*{_OPEN}\s*{_YEAR}\s*{_CLOSE}\s*(?:第\s*)?\d{{1,5}}\s*号)"
)
_DECREE = re.compile(r"(?P<it>(?:[\u4e00-\u9fff]{2,14})令第\s*\d{1,4}\s*号)")
_STANDARDS = ("GB", "DB", "HJ", "CJ", "JGJ", "GA")
_STANDARD = re.compile(rf"(?P<it>(?:GB|DB\s?\d{{2}}|HJ|CJJ?|JGJ|GA)(?:/T)?\s?\d{{2,6}}(?:\.\d+)?\s?[-—－]\s?{_YEAR})")
_TITLE = re.compile(
    r"(?P<it>[^\s。；：:，,]{0,60}"
    r"(?:条例|办法|规定|规程|规范|细则|通知|意见|方案|指南|标准|公告|通告|决定|预案|规则|制度|须知|流程|手册|规划|法))"
    r"(?:[（(][^）)]{1,20}[)）])?$"
)
_HEAD = 6
"""Lines at the beginning: there a paper says its own number, later those of others."""
_SPELT = "一二三四五六七八九十"


def _day(mark: str) -> str:
    """The pattern of a day, its parts named `y`, `m` and `d` with the mark."""
    year = rf"(?:19|20)\d\d|二[〇○零]?[〇○零{_SPELT}]{{2,3}}"
    part = rf"[0-9{_SPELT}]{{1,3}}"
    return rf"(?P<y{mark}>{year})\s*年\s*(?P<m{mark}>{part})\s*月\s*(?P<d{mark}>{part})\s*日"


_DATE = _day("")
_DAY = re.compile(_DATE)
_EFFECTIVE = re.compile(rf"自\s*{_DATE}\s*起\s*(?:施行|实施|执行|生效)|{_day('2')}\s*(?:起)?\s*(?:施行|实施|执行)")
_AT_ONCE = re.compile(r"自(?:发布|公布|印发|颁布)之日起\s*(?:施行|实施|执行|生效)")
_REPLACES = re.compile(
    r"《(?P<it>[^》]{2,60})》(?:[（(〔\[][^）)〕\]]{1,40}[)）〕\]][^，。；]{0,6})?\s*(?:同时|即行|即时|相应)?\s*"
    r"(?:废止|停止执行|失效)"
)
_BODY = re.compile(
    r"^(?P<it>[\u4e00-\u9fff]{2,24}"
    r"(?:人民政府办公厅|人民政府办公室|人民政府|委员会|管理局|管理处|办公室|街道办事处|总队|支队|局|委|厅|部|院|处|中心|办公厅))$"
)
_UNTIL = re.compile(r"有效期\s*(?:至|到)\s*" + _DATE)
_YEARS = re.compile(r"有效期\s*(?:为)?\s*(?P<n>[1-9一二三四五六七八九十])\s*年")
_BRINGS = re.compile(r"^.*关于(?:印发|公布|发布|修改)")
_KIND = (
    ("notice", re.compile(r"(?:通知|公告|通告|公示)$")),
    ("plan", re.compile(r"预案|规划|行动计划|工作方案|实施方案")),
    ("standard", re.compile(r"标准|技术规程|规范(?:（试行）)?$")),
    ("case", re.compile(r"案例|复盘")),
    ("procedure", re.compile(r"指南|须知|手册|流程|规程|操作")),
    ("law", re.compile(r"法$|条例|规定|办法|细则|规则|决定")),
    ("policy", re.compile(r"意见|方案|政策|制度|措施")),
)
_DIGITS = {"〇": "0", "○": "0", "零": "0", **{each: str(number) for number, each in enumerate("一二三四五六七八九", 1)}}


@dataclass(frozen=True)
class Metadata:
    """What could be read; empty or None where the paper does not say. A person confirms it."""

    title: str = ""
    number: str = ""
    issued_by: str = ""
    issued_on: date | None = None
    effective_on: date | None = None
    expires_on: date | None = None
    kind: str = "other"
    replaces: tuple[str, ...] = ()


def metadata_of(text: str) -> Metadata:
    """Read the head and the foot of a paper's text; 20,000 characters are looked at."""
    text = text[:20_000]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    title = _title(lines)
    issued = _issued_on(lines)
    effective = _effective(text, issued)
    number = _number_of("\n".join(lines[:_HEAD])) or _number_of(text)
    return Metadata(
        title=title,
        number=re.sub(r"\s+", "", number) if not number.startswith(_STANDARDS) else number,
        issued_by=_body(lines),
        issued_on=issued,
        effective_on=effective,
        expires_on=_expires(text, effective or issued),
        kind=_kind(title, number),
        replaces=tuple(dict.fromkeys(found["it"] for found in _REPLACES.finditer(text))),
    )


def _number_of(text: str) -> str:
    return _first(_NUMBER, text) or _first(_DECREE, text) or _first(_STANDARD, text)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found["it"] if found else ""


def _title(lines: list[str]) -> str:
    head = lines[:12]
    for index, line in enumerate(head):
        plain = line.strip("# 《》")
        if _TITLE.match(plain):
            before = head[index - 1].strip("# ") if index else ""
            # A title over two lines: the first ends with the body or with 关于.
            joins = plain.startswith("关于") or (before.startswith("关于") and not _TITLE.match(before))
            if joins and before and not _NUMBER.search(before) and (_BODY.match(before) or before.startswith("关于")):
                return before + plain
            return plain
    return head[0].strip("# ")[:100] if head else ""


def _body(lines: list[str]) -> str:
    """The body at the foot, above the date, or the one at the head."""
    for line in [*reversed(lines[-6:]), *lines[:6]]:
        found = _BODY.match(line.removesuffix("文件").replace(" ", ""))
        if found:
            return found["it"]
    title = " ".join(lines[:3])
    found = re.match(r"#?\s*([\u4e00-\u9fff]{2,20}?(?:人民政府办公厅|人民政府|委员会|局|委))关于", title)
    return found[1] if found else ""


def _issued_on(lines: list[str]) -> date | None:
    for line in reversed(lines[-6:]):
        found = re.fullmatch(_DATE + r"(?:印发)?", line)
        if found:
            return _date(found["y"], found["m"], found["d"])
    for line in lines[:8]:
        found = _DAY.search(line)
        if found and re.search(r"通过|公布|发布|印发|日期", line):
            return _date(found["y"], found["m"], found["d"])
    return None


def _effective(text: str, issued: date | None) -> date | None:
    found = _EFFECTIVE.search(text)
    if found:
        return _date(found["y"] or found["y2"], found["m"] or found["m2"], found["d"] or found["d2"])
    return issued if _AT_ONCE.search(text) else None


def _expires(text: str, begins: date | None) -> date | None:
    found = _UNTIL.search(text)
    if found:
        return _date(found["y"], found["m"], found["d"])
    years = _YEARS.search(text)
    if years and begins:
        number = _number(years["n"])
        try:
            return begins.replace(year=begins.year + number)
        except ValueError:
            return begins.replace(year=begins.year + number, day=28)
    return None


def _kind(title: str, number: str) -> str:
    if _STANDARD.search(number):
        return "standard"
    # 关于印发……办法的通知 is what it brings, not the letter around it.
    if _BRINGS.match(title):
        title = re.sub(r"(?:的)?(?:通知|公告)$", "", _BRINGS.sub("", title))
    return next((kind for kind, pattern in _KIND if pattern.search(title)), "other")


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int("".join(_DIGITS.get(each, each) for each in year)), _number(month), _number(day))
    except ValueError:
        return None


def _number(text: str) -> int:
    """1 to 99 in Arabic or Chinese digits."""
    if text.isdigit():
        return int(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        return int(_DIGITS.get(tens, "1")) * 10 + int(_DIGITS.get(ones, "0"))
    return int("".join(_DIGITS[each] for each in text))


def shingles(text: str, size: int = 8) -> frozenset[str]:
    """The text's stretches of `size` characters without spaces and signs, to tell how much two papers share."""
    plain = re.sub(r"[\s\W]+", "", text)
    return frozenset(plain[start : start + size] for start in range(max(1, len(plain) - size + 1)))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The part of the smaller one that stands in the other, 0 to 1."""
    return len(one & other) / max(1, min(len(one), len(other)))
