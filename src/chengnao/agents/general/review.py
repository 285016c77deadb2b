"""Content review of the city's own channels: what a text must not or should not say, with the place and the reason.

It judges texts before they are published and never persons; a person decides, and may put a finding aside. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise

import yaml

from chengnao.kernel.privacy.model import Kind, find_personal, mask

CHANNELS = ("website", "wechat", "weibo", "sms", "notice", "answer")
_LONG_SENTENCE = 120
_SMS = 350
_AI_LABEL = re.compile(
    r"(AI|人工智能|智能体|大模型|算法)\s*(辅助)?\s*(生成|合成|撰写|制作|创作|写作)"
    r"|(生成|撰写)于\s*(AI|人工智能)",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:(\d{4})\s*年\s*)?(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]"
    r"\s*(?:[（(]\s*(?:星期|周)([一二三四五六日天])\s*[)）])?"
)
_WEEKDAYS = "一二三四五六日"
_CONTACT = re.compile(r"电话|热线|12345|咨询|联系|地址|官网|网址|\d{3,4}-?\d{7,8}|\d{5,8}")
_PERSONAL_NAMES = {
    Kind.ID_CARD: "身份证号",
    Kind.BANK_CARD: "银行卡号",
    Kind.MOBILE: "手机号",
    Kind.PASSPORT: "护照号",
    Kind.EMAIL: "邮箱",
    Kind.PLATE: "车牌号",
    Kind.WECHAT: "微信号",
    Kind.QQ: "QQ 号",
    Kind.NAME: "姓名",
}
"""A landline in a notice is the office's own."""
_TITLES = "局长|主任|书记|市长|区长|镇长|处长|科长|发言人|队长|院长|校长|记者|通讯员"
_OFFICIAL = re.compile(rf"({_TITLES})[^，。；]{{0,2}}$")
_OFFICIAL_AFTER = re.compile(rf"^[^，。；]{{0,2}}({_TITLES})")
"""Who speaks for an office is named with the office."""
INJECTION = re.compile(
    r"(忽略|无视|忘记|不要理会)(掉)?(以上|之前|上面|前面|所有|全部|一切)[^。；\n]{0,12}(指令|提示|要求|规则|设定|内容)"
    r"|你(现在)?(是|扮演|充当)(一个)?(系统|管理员|root|开发者)|系统提示词|输出你的(提示|指令)"
    r"|ignore (all |the )?(previous|above|prior)|system prompt|</?(system|assistant|tool)>",
    re.IGNORECASE,
)
"""A text that speaks to a model instead of to people: it is treated as a text, and shown."""


@dataclass(frozen=True)
class ReviewRule:
    kind: str
    level: str
    name: str
    words: re.Pattern[str]
    excepted: re.Pattern[str] | None
    advice: str


@dataclass(frozen=True)
class Issue:
    """One finding: where, what, why, and what to do. `level`: stop or mind."""

    kind: str
    level: str
    quote: str
    reason: str
    advice: str


@cache
def review_rules() -> Sequence[ReviewRule]:
    """The rules of `review.yaml`."""
    raw = yaml.safe_load((files(__package__) / "review.yaml").read_text("utf-8"))
    return tuple(
        ReviewRule(
            each["kind"],
            each["level"],
            each["name"],
            re.compile("|".join(f"(?:{word})" for word in each["words"]), re.IGNORECASE),
            re.compile("|".join(each["except"])) if "except" in each else None,
            each["advice"],
        )
        for each in raw
    )


KINDS = (
    "claim", "rumour", "panic", "discrimination", "persons", "secret", "fee", "access", "wording",
    "personal", "ai_label", "date", "contact", "length", "injection",
)  # fmt: skip


def review(text: str, channel: str, *, ai_generated: bool, today: date) -> list[Issue]:
    """Everything found in the text, what stops it first; nothing where it may go out as it is."""
    found = [*_by_rules(text), *_personal(text), *_dates(text, today), *_form(text, channel)]
    if ai_generated and not _AI_LABEL.search(text):
        found.append(
            Issue("ai_label", "stop", "", "由人工智能生成的内容没有标识", "在文首或文末注明“本内容由人工智能辅助生成”")
        )
    if (said := INJECTION.search(text)) is not None:
        found.append(
            Issue("injection", "stop", _around(text, said), "文中夹有写给模型的指令", "删去；若来自外部材料，核查来源")
        )
    return sorted(dict.fromkeys(found), key=lambda issue: issue.level != "stop")


def passes(issues: Sequence[Issue]) -> bool:
    """Whether nothing stops the text."""
    return all(issue.level != "stop" for issue in issues)


def _by_rules(text: str) -> Iterator[Issue]:
    for rule in review_rules():
        for match in rule.words.finditer(text):
            sentence = _sentence(text, match)
            if rule.excepted is not None and rule.excepted.search(sentence):
                continue
            yield Issue(rule.kind, rule.level, mask(match.group())[:60], rule.name, rule.advice)


def _personal(text: str) -> Iterator[Issue]:
    for finding in find_personal(text):
        name = _PERSONAL_NAMES.get(finding.kind)
        before = text[max(0, finding.start - 8) : finding.start]
        if name is None or (
            finding.kind is Kind.NAME and (_OFFICIAL.search(before) or _OFFICIAL_AFTER.match(text[finding.end :]))
        ):
            continue
        quote = mask(text[finding.start : finding.end])
        if quote == text[finding.start : finding.end]:  # a name alone is told by the words beside it
            quote = quote[:1] + "*" * (len(quote) - 1)
        yield Issue("personal", "stop", quote, f"含个人信息：{name}", "删去或隐去；确需公开的写明依据并取得同意")


def _dates(text: str, today: date) -> Iterator[Issue]:
    for match in _DATED.finditer(text):
        year, month, day, weekday = match.groups()
        try:
            named = date(int(year) if year else today.year, int(month), int(day))
        except ValueError:
            if not year and (int(month), int(day)) == (2, 29):
                continue
            yield Issue("date", "stop", match.group(), "没有这一天", "核对日期")
            continue
        if weekday and _WEEKDAYS[named.weekday()] != weekday.replace("天", "日"):
            right = f"{named:%Y-%m-%d} 是星期{_WEEKDAYS[named.weekday()]}"
            yield Issue("date", "stop", match.group(), f"日期与星期不符：{right}", "核对日期")


def _form(text: str, channel: str) -> Iterator[Issue]:
    sentences = [each for each in re.split(r"[。！？!?\n]", text) if each.strip()]
    for each in sentences:
        if len(each) > _LONG_SENTENCE:
            yield Issue("length", "mind", each[:30] + "…", f"一句 {len(each)} 字，难读", "拆成短句")
    if channel == "sms" and len(text) > _SMS:
        yield Issue("length", "mind", "", f"短信 {len(text)} 字，超过 {_SMS} 字", "缩短，细节放到网页")
    if channel in ("notice", "answer") and len(text) >= 40 and not _CONTACT.search(text):
        yield Issue("contact", "mind", "", "没有写明咨询渠道", "补上咨询电话或地址")
    for one, other in pairwise(sentences):
        if len(one) >= 12 and one == other:
            yield Issue("wording", "mind", one[:30], "同一句话写了两遍", "删去一句")


def _sentence(text: str, match: re.Match[str]) -> str:
    start = max((text.rfind(sign, 0, match.start()) for sign in "。！？\n"), default=-1) + 1
    ends = [end for sign in "。！？\n" if (end := text.find(sign, match.end())) >= 0]
    return text[start : min(ends, default=len(text))]


def _around(text: str, match: re.Match[str]) -> str:
    return mask(text[max(0, match.start() - 5) : match.end() + 15])[:60]
