"""What in a sentence can be right or wrong by itself: amounts, hours, dates, bodies, and whether it says no."""

import re
from dataclasses import dataclass

from chengnao.knowledge.text import clocks, plain

_UNITS = (
    "个工作日|工作日|个工作小时|工作小时|个小时|小时|分钟|秒钟|秒|个月|月份|日|天|周|星期|年|月|万元|亿元|元|角|%|分贝|平方公里|平方米"
    "|立方米|公里|千米|毫米|厘米|米|吨|公斤|千克|克|升|度|人|名|次|辆|台|只|户|级|岁|倍|个|处|条|款|项|层|件|份|瓦|伏"
)
_SAME = {
    "个工作日": "工作日",
    "个工作小时": "工作小时",
    "个小时": "小时",
    "天": "日",
    "星期": "周",
    "个月": "月",
    "月份": "月",
    "名": "人",
    "千米": "公里",
    "秒钟": "秒",
    "千克": "公斤",
}
DURATIONS = frozenset({"工作日", "工作小时", "小时", "分钟", "秒", "日", "周", "月", "年"})
_LEAST = r"不少于|不低于|至少|最少|不短于|超过(?<!不超过)(?<!得超过)|满"
_MOST = r"不超过|不得超过|最多|至多|不高于|不长于|不大于|最长|最高|最迟|最晚"
_AMOUNT = re.compile(
    rf"(?P<before>{_MOST}|{_LEAST})?(?P<number>\d+(?:\.\d+)?)(?P<unit>{_UNITS})?(?P<after>以上|以下|以内|内)?"
)
_HALF = re.compile(r"半(个)?(年|月|小时|天|日)(?!度)")
_EVERY = re.compile(r"每(?=年|月|周|日|天|小时|季)")
_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(\d{1,2})日|(\d{4})-(\d{1,2})-(\d{1,2})")
_ODD_HOUR = re.compile(r"(?:\d{3,}|2[5-9]|[3-9]\d)(?:时(?!间|段|限)|点(?!多))|\d+时(?:[6-9]\d|\d{3,})分?")
_BODY = re.compile(
    r"公安机关|人民法院|人民检察院|消防救援机构|业主大会|业主委员会|物业服务人|物业服务企业|街道办事处|居民委员会"
    r"|[\u4e00-\u9fff]{2,8}?(?P<kind>部门|管理局|指挥部|人民政府|运营单位|经营企业|供水企业|权属单位|养护单位|承办单位|检验机构|行政机关)"
)
_ANY_LEAST = re.compile(r"不少于|不低于|至少|最少|不短于|以上")
_ANY_MOST = re.compile(r"不超过|不得超过|最多|至多|不高于|不长于|不大于|以下|以内")
_DENIALS = "不得|不能|不可以|不可|不准|不许|不予|不需要|不需|不必|不用|无需|无须|禁止|严禁|不允许|免收|免费|免"
_DENIAL = re.compile(rf"{_DENIALS}|不|未|没有|无")
_FORBIDS = re.compile(r"不得|不能|不可|不准|不许|禁止|严禁|不予|不允许")
_OBLIGES = re.compile(r"应当|必须|应(?=[^急用])|须")
_PERMITS = re.compile(r"(?<!不)可以|(?<!不)允许|(?<!不)(?<![不可])能够")


@dataclass(frozen=True)
class Amount:
    """`60 分贝`, `22:00 clock`, `2026-03-01 date`; `bound` is `>=` or `<=` where the text says so."""

    value: str
    unit: str
    bound: str = ""

    @property
    def measures(self) -> str:
        """What it is an amount of: all lengths of time are of one kind."""
        return "time" if self.unit in DURATIONS else self.unit

    @property
    def bare(self) -> tuple[str, str]:
        return self.value, self.unit


def amounts(text: str) -> frozenset[Amount]:
    """All amounts, hours and dates in a text, the same ones whether written in digits or in Chinese numerals."""
    flat = re.sub(r"\s+", "", plain(text))
    found: set[Amount] = set()
    for match in _DATE.finditer(flat):
        year, month, day = (match[1], match[2], match[3]) if match[2] else (match[4], match[5], match[6])
        found.add(Amount(f"{year or ''}-{int(month):02d}-{int(day):02d}", "date"))
    flat = _DATE.sub("，", flat)
    found |= {Amount(each, "clock") for each in clocks(flat)}
    # What looks like an hour and is none is kept as it stands, so that it agrees with nothing.
    found |= {Amount(each[0], "clock") for each in _ODD_HOUR.finditer(flat)}
    flat = re.sub(r"(?<=\d)[:：]\d\d|(?<=\d)[时点](?!间|段|限)\d{0,2}分?", "点", flat)
    for match in _HALF.finditer(flat):
        unit = _SAME.get(match[2], match[2])
        found.add(Amount("0.5", unit))
    for match in re.finditer(r"每(年|月|周|日|天|小时|季度)", flat):
        found.add(Amount("every", _SAME.get(match[1], match[1])))
    for match in _AMOUNT.finditer(flat):
        if flat[match.end() : match.end() + 1] == "点" and match["unit"] is None:
            continue
        number, unit = float(match["number"]), match["unit"] or ""
        if unit in ("万元", "亿元"):
            number, unit = number * (10_000 if unit == "万元" else 100_000_000), "元"
        bound = _bound(match["before"] or "", match["after"] or "")
        found.add(Amount(f"{number:g}", _SAME.get(unit, unit), bound))
    return frozenset(found)


def _bound(before: str, after: str) -> str:
    if re.fullmatch(_MOST, before) or after in ("以下", "以内", "内"):
        return "<="
    return ">=" if before or after == "以上" else ""


def bodies(text: str) -> frozenset[str]:
    """Authorities and bodies that a text names by the words that law uses for them, by the end of their names."""
    return frozenset(match[0][-(len(match["kind"] or match[0]) + 2) :] for match in _BODY.finditer(plain(text)))


def bounds(text: str) -> tuple[int, int]:
    """How often a text says "at least" and "at most"."""
    flat = re.sub(r"\s+", "", plain(text))
    return len(_ANY_LEAST.findall(flat)), len(_ANY_MOST.findall(flat))


def denies(text: str) -> bool:
    return _FORBIDS.search(text) is not None


def contradicts(sentence: str, source: str) -> bool:
    """Whether a sentence says no, must, may, at least or at most where its source says the contrary."""
    ours, theirs = re.sub(r"\s+", "", plain(sentence)), re.sub(r"\s+", "", plain(source))
    return (
        any(mine > yours for mine, yours in zip(bounds(ours), bounds(theirs), strict=True))
        or _drops_a_denial(ours, theirs)
        or _drops_a_denial(theirs, ours)
        or denies(ours) != denies(theirs)
        or bool(_PERMITS.search(ours) and not _PERMITS.search(theirs) and (denies(theirs) or _OBLIGES.search(theirs)))
        or bool(_OBLIGES.search(ours) and not _OBLIGES.search(theirs) and _PERMITS.search(theirs))
    )


def _drops_a_denial(text: str, other: str) -> bool:
    """Whether `other` denies words that `text` has without the denial."""
    for match in _DENIAL.finditer(other):
        for length in (2, 3, 4, 6):
            words = other[match.end() : match.end() + length]
            if len(words) == length and words.isalnum() and other.count(words) == 1:
                break
        else:
            continue
        places = [found.start() for found in re.finditer(re.escape(words), text)]
        if places and not any(_DENIAL.search(text[max(0, place - 4) : place]) for place in places):
            return True
    return False
