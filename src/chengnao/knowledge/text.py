"""Chinese text as search and comparison see it: one form for each number, terms, sentences."""

import re
import unicodedata
from functools import lru_cache

_DIGIT = {"零": 0, "〇": 0, **{each: place for place, each in enumerate("一二三四五六七八九", start=1)}, "两": 2}
_POWER = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "零〇一二三四五六七八九两十百千万亿"
_COUNTED = (
    "个日天年月周时点分秒元角万亿条款项章节编级类次人名户米公里厘毫平立方吨升度倍%成号楼层岁家处件份辆台小工季张瓶星期"
)
"""Characters after which, or 第 before which, a numeral counts something and is no part of a word such as 一般."""
_COUNTS = re.compile(rf"(第|百分之)([{_NUMERAL}]+)|([{_NUMERAL}]+)(?=[{_COUNTED}])|([{_NUMERAL}]{{2,}})")
_WORD_FORMS = ("一般", "一定", "一律", "统一", "一切", "一并", "一些", "万一", "唯一", "同一", "一旦", "一样")
_TERMS = re.compile(r"第\d+条(?:之\d+)?|[a-z0-9]+(?:\.[0-9]+)*%?|(?:(?!第\d+条)[\u3400-\u9fff])+")
_SENTENCE_END = re.compile(r"[。！？!?；;\n]+[”’」』）)]*")
_CLOCK = re.compile(
    r"(凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜间|晚|夜里)?"
    r"(?<!\d)(\d{1,2})(?:[:：时点](?!间|段|内|限|以)(?:(\d{1,2})分?|半)?)(整)?"
)
_SUM = re.compile(r"(\d+(?:\.\d+)?)([万亿])元")
_NIGHT = ("夜间", "夜里")
_AFTERNOON = ("下午", "傍晚", "晚上", "晚", "中午", *_NIGHT)


def numeral(text: str) -> int | None:
    """The value of a Chinese numeral such as 一百零五, 二〇二六 or 三万; None where it is none."""
    if not text or any(each not in _NUMERAL for each in text):
        return None
    if all(each in _DIGIT for each in text):
        return int("".join(str(_DIGIT[each]) for each in text))
    total = section = digit = 0
    for each in text:
        if each in _DIGIT:
            digit = _DIGIT[each]
        elif each in _POWER:
            section += (digit or 1) * _POWER[each]
            digit = 0
        else:
            factor = 10_000 if each == "万" else 100_000_000
            total = (total + section + digit) * factor if section or digit else (total or 1) * factor
            section = digit = 0
    return total + section + digit


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text in lower case, full-width forms folded, numbers that count something in digits: 第十条 is 第10条."""
    folded = unicodedata.normalize("NFKC", text).lower().replace("\u3000", " ")
    held = {word: chr(0xE000 + place) for place, word in enumerate(_WORD_FORMS)}
    for word, mark in held.items():
        folded = folded.replace(word, mark)
    folded = _COUNTS.sub(_in_digits, folded)
    for word, mark in held.items():
        folded = folded.replace(mark, word)
    return folded


def _in_digits(match: re.Match[str]) -> str:
    before, given = (match[1] or ""), match[2] or match[3] or match[4]
    value = numeral(given)
    if value is None or given in ("万", "亿", "万亿"):  # 5万元 stays one number with its unit
        return match[0]
    return f"{value}%" if before == "百分之" else f"{before}{value}"


def bare(text: str) -> str:
    """The text without anything but letters, digits and Chinese characters: what two quotations are compared by."""
    return "".join(each for each in plain(text) if each.isalnum() or each == "%")


def terms(text: str) -> list[str]:
    """What the index knows the text by: words and numbers, articles (第10条), characters and pairs of characters."""
    found: list[str] = []
    for part in _TERMS.findall(plain(text)):
        if _is_whole(part):
            found.append(part)
        else:
            found += part
            found += _pairs(part)
    return found


def _is_whole(part: str) -> bool:
    return part[0] < "\u3400" or (part[0] == "第" and part[1:2].isdigit())


def _pairs(part: str) -> list[str]:
    return [part[place : place + 2] for place in range(len(part) - 1)]


def query_terms(text: str) -> list[str]:
    """The terms of a query, each once: pairs of characters, single ones only where they stand alone."""
    found: list[str] = []
    for part in _TERMS.findall(plain(text)):
        found += [part] if len(part) == 1 or _is_whole(part) else _pairs(part)
    return list(dict.fromkeys(found))


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its own mark at the end; a list in one sentence stays with its beginning."""
    found, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        piece = text[start : match.end()].strip()
        if piece:
            found.append(piece)
        start = match.end()
    if rest := text[start:].strip():
        found.append(rest)
    return found


ARTICLE = re.compile(rf"第\s*([{_NUMERAL}\d]+)\s*条(?:之([一二三四五六七八九十\d]+))?")


def article_number(text: str) -> str | None:
    """`10` for 第十条 or 第10条 at the beginning of a text, `10-1` for 第十条之一."""
    match = ARTICLE.match(text)
    if match is None:
        return None
    main = int(match[1]) if match[1].isdigit() else numeral(match[1])
    if main is None:
        return None
    if match[2] is None:
        return str(main)
    more = int(match[2]) if match[2].isdigit() else numeral(match[2])
    return f"{main}-{more}"


def canonical(text: str) -> str:
    """The plain text with each hour as 22:00 and each sum in single yuan, so that numbers can be compared in order."""
    flat = _CLOCK.sub(lambda match: _hour(match) or match[0], re.sub(r"\s+", "", plain(text)))
    return _SUM.sub(lambda match: f"{float(match[1]) * (1e4 if match[2] == '万' else 1e8):.0f}元", flat)


def clocks(text: str) -> list[str]:
    """Hours of the day in a text, as 22:00: 晚上10点, 22时 and 22:00 are the same."""
    return [hour for match in _CLOCK.finditer(plain(text)) if (hour := _hour(match)) is not None]


def _hour(match: re.Match[str]) -> str | None:
    hour, minute = int(match[2]), 30 if match[0].rstrip("整").endswith("半") else int(match[3] or 0)
    if match[1] in _AFTERNOON and 0 < hour < 12 and not (match[1] in _NIGHT and hour < 6):
        hour += 12
    return f"{hour % 24:02d}:{minute:02d}" if hour <= 24 and minute < 60 else None
