"""What a question looks for, how alike two texts are, and a drafted answer. Pure."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Intent(StrEnum):
    """What somebody who types into the one box wants to find."""

    INCIDENT = "incident"
    KNOWLEDGE = "knowledge"
    DEVICE = "device"
    WARNING = "warning"
    AGENT = "agent"
    PAGE = "page"


@dataclass(frozen=True)
class Question:
    """What was typed: what it looks for, and the words that matter in it."""

    intent: Intent
    words: tuple[str, ...]
    number: str | None = None
    """The number of an incident or a report, where one is named."""


@dataclass(frozen=True)
class AnswerDraft:
    """An answer to a report that somebody has to read, mend and send; it is never sent by itself."""

    id: str
    report_id: str
    text: str
    made_by: str
    """model or rule."""
    run_id: str | None
    asked_by: str
    asked_by_name: str
    at: datetime


_NUMBER = re.compile(r"(?<![A-Za-z])((?:CQ|SB)-?\d{8}-?\d{6,9})(?!\d)", re.IGNORECASE)
_FILLER = re.compile(
    r"请问|麻烦|帮我|帮忙|请|查一查|查一下|查询|查找|查看|查|搜索|搜一下|搜|找一下|找找|寻找|找|看一下|看看|想知道|了解|告诉我|我想|我要|给我"
    r"|有没有|有哪些|有多少|有关|有|哪些|哪个|哪里|在哪|最近|近期|目前|现在|今天|昨天|本周|上周|本月|关于|相关|的情况|情况|办到哪|进展|进度"
    r"|怎么办理|怎么办|怎么样|怎么|如何|什么时候|什么|为什么|多久|多少|能不能|可不可以|是否|可以|需要|应该|应当|要|是|吗|呢|吧|啊|呀"
    r"|的|了|和|与|或|在|对|被|把|这个|那个|一个|一下|所有|全部|列出|列表|打开|进入"
)
_KIND_WORDS = re.compile(
    r"事件|案件|工单|诉求|投诉|设备|传感器|监测站|监测点|站点|预警|告警|警报|页面|规定|条例|办法|法规|文件|政策|依据"
)
_INTENTS: tuple[tuple[Intent, re.Pattern[str]], ...] = (
    (Intent.PAGE, re.compile(r"打开|进入|跳转|(页面|菜单|功能)(在哪|怎么进)?$|^(去|到).{0,6}(页|台账|大屏)")),
    (Intent.WARNING, re.compile(r"预警|告警|报警(?!人)|超标|超限|超阈值|红色|橙色|黄色预警|蓝色预警")),
    (
        Intent.KNOWLEDGE,
        re.compile(
            r"条例|规定|办法|法规|法律|政策|标准|依据|规范|细则|预案|流程|材料|条件|时限|期限|几天|多久|罚(款|多少)|处罚|第[一二三四五六七八九十百\d]+条"
            r"|能不能|可不可以|是否(可以|合法|违法|允许|需要)|怎么办理|如何办理|怎么处理|谁(负责|来管|管)|归谁管|哪个部门|违法吗|合法吗|补贴|申请"
        ),
    ),
    (
        Intent.DEVICE,
        re.compile(
            r"设备|传感器|监测(站|点)|站点|摄像头|离线|掉线|(水位|雨量|压力|流量|液位|空气|水质|气象)(站|计|仪)|读数|编号[A-Za-z]"
        ),
    ),
)
_SIGNS = re.compile(r"[\s，。！？；：、,.!?;:（）()《》“”\"'【】\[\]]+")
_SHORTEST = 2


def understood(text: str) -> Question:
    """What a text typed into the search box looks for; an incident where nothing tells otherwise."""
    number = _NUMBER.search(text)
    if number is not None:
        return Question(Intent.INCIDENT, (number[1].upper(),), number[1].upper())
    intent = next((kind for kind, pattern in _INTENTS if pattern.search(text)), Intent.INCIDENT)
    bare = _FILLER.sub(" ", text)
    parts = [part for part in _SIGNS.split(_KIND_WORDS.sub(" ", bare)) if len(part) >= _SHORTEST]
    if not parts:
        parts = [part for part in _SIGNS.split(bare) if len(part) >= _SHORTEST] or [text.strip()[:40]]
    return Question(intent, tuple(dict.fromkeys(part[:40] for part in parts))[:6])


def pieces(words: Collection[str], most: int = 16) -> list[str]:
    """The words and, of longer ones, each two letters that follow each other: what a text is looked through for."""
    found: dict[str, None] = dict.fromkeys(words)
    for word in words:
        if len(word) > 2 and not word.isascii():
            found.update(dict.fromkeys(word[start : start + 2] for start in range(len(word) - 1)))
    return list(found)[:most]


def likeness(one: str, other: str) -> float:
    """How much of the pairs of letters two texts share, 0 to 1 (Dice)."""
    mine, theirs = _pairs(one), _pairs(other)
    total = mine.total() + theirs.total()
    return 2 * (mine & theirs).total() / total if total else 0.0


def _pairs(text: str) -> Counter[str]:
    plain = re.sub(r"[\W_]+", "", text)
    return Counter(plain[start : start + 2] for start in range(len(plain) - 1))
