"""Personal details in a text: where they are, and the text with them hidden.

Numbers are told by their form, their check digits and the words beside them. What the words call an order, a meter
or a file number is none. Full-width and Chinese digits count as digits.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stdnum import luhn
from stdnum.cn import ric

from chengnao.kernel.privacy.names import find_names, mask_name


class Kind(StrEnum):
    """What a detail is."""

    ID_CARD = "id_card"
    BANK_CARD = "bank_card"
    MOBILE = "mobile"
    LANDLINE = "landline"
    PASSPORT = "passport"
    EMAIL = "email"
    PLATE = "plate"
    WECHAT = "wechat"
    QQ = "qq"
    NAME = "name"


@dataclass(frozen=True)
class Finding:
    """One detail: `text[start:end]`."""

    kind: Kind
    start: int
    end: int


_PROVINCES = frozenset(
    f"{number}"
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65))
    for number in range(first, last + 1)
) | {"71", "81", "82", "83"}
_CHINESE_DIGITS = str.maketrans("〇零一幺壹二两贰三叁四肆五伍六陆七柒八捌九玖", "0011122233445566778899")
_FULL_WIDTH = {
    code: code - 0xFEE0
    for first, last in (("０", "９"), ("Ａ", "Ｚ"), ("ａ", "ｚ"))
    for code in range(ord(first), ord(last) + 1)
} | {ord("＠"): "@", ord("．"): ".", ord("－"): "-", ord("—"): "-", ord("–"): "-", ord("　"): " "}

# Nothing that carries on before or after: digits, a decimal point, the letters or hyphens of another number.
_FREE = r"(?<![0-9*])(?<![0-9A-Za-z][-_/.])"
_END = r"(?![0-9*])(?![-_/.][0-9])"
_NUMBER_WORD = r"(?:号码?|编码|编号)?(?:\s*(?:[:：]|是|为|填的)\s*|\s*)"
_OTHER_NUMBER = re.compile(
    r"(?:订单|单|运单|快递|工单|案卷|案件|案|事件|受理|流水|编|表|水表|电表|气表|户|用户|设备|合同|发票|批|序列|条形码|条码|交易|凭证|信用代码"
    r"|追踪|查询|登记|文|车架|发动机|读数|底数|单价|金额|合计)" + _NUMBER_WORD + r"[A-Za-z]{0,4}[-#№]?$"
)
_CARD_CUE = re.compile(r"(?:卡号|银行卡|储蓄卡|信用卡|借记卡|账号|账户|帐号|户头|尾号|打到|汇到|转到)[^0-9]{0,8}$")
_ID_CUE = re.compile(r"身份证[^0-9]{0,8}$|身份[号证]?号码?[^0-9]{0,4}$|公民身份[^0-9]{0,6}$")
_LETTERS = re.compile(r"[A-Za-z]$")
_PHONE_LETTERS = re.compile(r"(?:tel|phone|mobile|call|电话|手机|wx|vx)[:：]?$", re.IGNORECASE)

_GAP = r"[-  ]?"
_MOBILE = re.compile(rf"{_FREE}(?:\+?86{_GAP})?(?P<it>1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}){_END}", re.ASCII)
_LANDLINE = re.compile(
    rf"{_FREE}(?P<it>\(?（?0(?:10|2\d|[3-9]\d{{2}})[)）]?{_GAP}[2-9]\d{{2,3}}{_GAP}\d{{4}}(?:(?:-|转)\d{{1,5}})?){_END}",
    re.ASCII,
)
_LOCAL_LINE = re.compile(
    r"(?:电话|座机|固话|联系方式)(?:号码?)?\s*[:：是为]?\s*(?P<it>[2-8]\d{3}[- ]?\d{4})(?![0-9*.])", re.ASCII
)
_ID_18 = re.compile(rf"{_FREE}(?P<it>\d{{6}}{_GAP}\d{{8}}{_GAP}\d{{3}}[0-9Xx]){_END}(?![A-Za-z])", re.ASCII)
_ID_15 = re.compile(rf"{_FREE}(?P<it>\d{{15}}){_END}", re.ASCII)
_CARD = re.compile(rf"{_FREE}(?P<it>[3-6]\d{{3}}(?:[ -]?\d{{4}}){{2}}(?:[ -]?\d{{1,7}}){{1,2}}){_END}", re.ASCII)
_PASSPORT = re.compile(
    r"(?<![0-9A-Za-z*-])(?P<it>(?:[EGDSPKegdspk]\d{8}|[Ee][A-Za-z]\d{7}|1[45]\d{7}(?<=护照.{9})))(?![0-9A-Za-z*-])"
)
_PERMIT = re.compile(
    r"(?:护照|通行证|台胞证|回乡证)(?:号码?|编号)?\s*[:：是为]?\s*(?P<it>[A-Za-z]{0,2}\d{7,10})(?![0-9A-Za-z*])"
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+*-])(?P<it>[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,12})", re.ASCII
)
_PLATE = re.compile(
    r"(?P<it>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Za-hj-np-z][ ·•.-]?"
    r"(?=[A-Za-z]?[A-Za-z]?[0-9]|[0-9])(?:[A-HJ-NP-Za-hj-np-z0-9]{6}|[A-HJ-NP-Za-hj-np-z0-9]{4}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳]))"
    r"(?![A-Za-z0-9*])"
)
_WECHAT = re.compile(
    r"(?:微信|薇信|威信|wechat|weixin|v信|(?<![a-z])[vw]x)(?:号码?|账号|帐号|id)?\s*(?:[:：是为]\s*)?(?P<it>[a-z0-9][-_a-z0-9]{4,19})"
    r"(?![-_a-z0-9*@])",
    re.IGNORECASE | re.ASCII,
)
_QQ = re.compile(
    r"(?:(?<![a-z])qq|扣扣|企鹅号)(?:号码?|群)?\s*(?:[:：是为]\s*)?(?P<it>[1-9]\d{4,10})(?![0-9*@.])",
    re.IGNORECASE | re.ASCII,
)


def find_personal(text: str) -> list[Finding]:
    """The personal details in the text, in order, none within another.

    Each is found at every place where it stands, also where only one of them is told by a cue.
    """
    plain = text.translate(_FULL_WIDTH)
    found: list[Finding] = []
    taken = bytearray(len(text))

    def take(kind: Kind, start: int, end: int) -> None:
        if start < end and not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            found.append(Finding(kind, start, end))

    spoken = plain.translate(_CHINESE_DIGITS)
    for kind, pattern, fits in _FORMS:
        for view in (plain, spoken) if kind in _SPOKEN and spoken != plain else (plain,):
            for match in pattern.finditer(view):
                if fits(match["it"], view[max(0, match.start() - 20) : match.start("it")]):
                    take(kind, *match.span("it"))
    for start, end in find_names(plain):
        take(Kind.NAME, start, end)
    for finding in list(found):
        for start in _places(text, text[finding.start : finding.end]):
            take(finding.kind, start, start + finding.end - finding.start)
    return sorted(found, key=lambda each: each.start)


def mask(text: str) -> str:
    """The text with its personal details hidden, but still readable: 138****8000, 张*, 5001**********1239."""
    while (hidden := _mask_once(text)) != text:
        text = hidden
    return text


def _mask_once(text: str) -> str:
    parts, at = [], 0
    found = find_personal(text)
    for finding in found:
        parts += [
            text[at : finding.start],
            _hidden(finding.kind, text[finding.start : finding.end], text[finding.end :]),
        ]
        at = finding.end
    masked = "".join([*parts, text[at:]])
    for detail in {text[finding.start : finding.end] for finding in found}:
        masked = masked.replace(detail, "*" * len(detail))  # where it reached into another detail that shows its ends
    return masked


def _hidden(kind: Kind, detail: str, following: str) -> str:
    match kind:
        case Kind.NAME:
            return mask_name(detail, following)
        case Kind.EMAIL:
            name, _, domain = detail.translate(_FULL_WIDTH).partition("@")
            return f"{name[0] if len(name) > 1 else ''}***@{domain}"
        case _:
            first, last = _SHOWN[kind]
            return _stars(detail, first, last)


_SHOWN: dict[Kind, tuple[int, int]] = {
    Kind.ID_CARD: (4, 4),
    Kind.BANK_CARD: (4, 4),
    Kind.MOBILE: (3, 4),
    Kind.LANDLINE: (3, 3),
    Kind.PASSPORT: (1, 2),
    Kind.PLATE: (2, 2),
    Kind.WECHAT: (2, 1),
    Kind.QQ: (2, 1),
}


def _stars(detail: str, first: int, last: int) -> str:
    """The detail with all but its first and last letters and digits as stars; signs between them stay."""
    signs = [index for index, character in enumerate(detail) if character.isalnum() and character != "转"]
    hidden = set(signs[first : len(signs) - last])
    return "".join("*" if index in hidden else character for index, character in enumerate(detail))


def _places(text: str, detail: str) -> Iterator[int]:
    at = text.find(detail)
    while at >= 0:
        yield at
        at = text.find(detail, at + 1)


def _mobile(number: str, before: str) -> bool:
    lettered = _LETTERS.search(before) and not _PHONE_LETTERS.search(before)
    return not lettered and not _OTHER_NUMBER.search(before)


def _landline(number: str, before: str) -> bool:
    return not _OTHER_NUMBER.search(before)


def _id_card(number: str, before: str) -> bool:
    digits = re.sub(r"\D(?!$)", "", number).upper()
    if _ID_CUE.search(before):
        return True
    if _OTHER_NUMBER.search(before) or not _birth(digits[:2], digits[6:14]):
        return False
    return ric.calc_check_digit(digits) == digits[-1]


def _old_id_card(number: str, before: str) -> bool:
    if _ID_CUE.search(before):
        return True
    return not _OTHER_NUMBER.search(before) and _birth(number[:2], "19" + number[6:12])


def _birth(province: str, day: str) -> bool:
    try:
        return province in _PROVINCES and date(1890, 1, 1) < date(int(day[:4]), int(day[4:6]), int(day[6:])) < date(
            2100, 1, 1
        )
    except ValueError:
        return False


def _bank_card(number: str, before: str) -> bool:
    digits = re.sub(r"\D", "", number)
    if not 15 <= len(digits) <= 19:
        return False
    if _CARD_CUE.search(before):
        return True
    known = digits.startswith(("62", "4", "51", "52", "53", "54", "55", "35", "37"))
    return known and luhn.is_valid(digits) and not _OTHER_NUMBER.search(before)


def _passport(number: str, before: str) -> bool:
    return not _OTHER_NUMBER.search(before)


def _always(number: str, before: str) -> bool:
    return True


_SPOKEN = frozenset({Kind.MOBILE, Kind.LANDLINE, Kind.ID_CARD})
_FORMS: tuple[tuple[Kind, re.Pattern[str], Callable[[str, str], bool]], ...] = (
    (Kind.EMAIL, _EMAIL, _always),
    (Kind.ID_CARD, _ID_18, _id_card),
    (Kind.BANK_CARD, _CARD, _bank_card),
    (Kind.ID_CARD, _ID_15, _old_id_card),
    (Kind.MOBILE, _MOBILE, _mobile),
    (Kind.LANDLINE, _LANDLINE, _landline),
    (Kind.LANDLINE, _LOCAL_LINE, _always),
    (Kind.PASSPORT, _PERMIT, _always),
    (Kind.PASSPORT, _PASSPORT, _passport),
    (Kind.PLATE, _PLATE, _always),
    (Kind.WECHAT, _WECHAT, _always),
    (Kind.QQ, _QQ, _always),
)
