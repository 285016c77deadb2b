"""Sentences whose citations are known to hold or not: true ones, and the same with one thing made wrong."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from chengnao.knowledge.text import bare, numeral, sentences

_NUMBER = re.compile(
    r"[一二三四五六七八九十百千万两]+(?=个?(?:工作日|小时|分钟|日|年|月|元|次|人|米|天))|\d+(?:\.\d+)?"
)
_BODIES = ("生态环境部门", "公安机关", "城市管理部门", "街道办事处", "住房和城乡建设部门", "消防救援机构", "物业服务人")
_UNITS = (("工作日", "小时"), ("小时", "日"), ("分钟", "小时"), ("年", "个月"), ("万元", "元"), ("元", "万元"))
_BOUNDS = (("不超过", "不少于"), ("不少于", "不超过"), ("以上", "以下"), ("以内", "以上"), ("至少", "最多"))
_DENIALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("不得", ("可以",)),
    ("禁止", ("允许",)),
    ("应当", ("不得", "无需", "可以不", "不必")),
    ("可以", ("不得",)),
)
_ENDINGS = ("，并由市财政全额补贴", "，费用由居民委员会承担", "，情节严重的吊销营业执照", "，逾期视为同意")


@dataclass(frozen=True)
class Planted:
    """`claim` says that it stands in `text`; `wrong` names what was made wrong, None where it holds."""

    claim: str
    text: str
    wrong: str | None


def planted(texts: Sequence[str], seed: int = 20260601) -> list[Planted]:
    """For each sentence of the texts the claims that hold and those that do not."""
    rng = Random(seed)  # noqa: S311 - made-up claims, no secrets
    found: list[Planted] = []
    for text in texts:
        for sentence in sentences(text):
            if len(bare(sentence)) < 12:
                continue
            found += [Planted(claim, text, None) for claim in _true(sentence)]
            found += [
                Planted(claim, text, wrong) for wrong, claim in _false(sentence, text, texts, rng) if claim != sentence
            ]
    return [each for each in found if each.wrong is None or bare(each.claim) not in bare(each.text)]


def _true(sentence: str) -> Iterator[str]:
    plain = re.sub(r"^第[^条]{1,6}条\s*", "", sentence).rstrip("；。;")
    yield plain + "。"
    yield f"根据规定，{plain}。"
    if (match := _NUMBER.search(plain)) and (value := numeral(match[0])) is not None:
        yield plain[: match.start()] + str(value) + plain[match.end() :] + "。"
    if "应当" in plain:
        yield plain.replace("应当", "应") + "。"


def _false(sentence: str, text: str, texts: Sequence[str], rng: Random) -> Iterator[tuple[str, str]]:
    plain = re.sub(r"^第[^条]{1,6}条\s*", "", sentence).rstrip("；。;") + "。"
    for match in _NUMBER.finditer(plain):
        value = numeral(match[0]) if not match[0][0].isdigit() else float(match[0])
        if value is not None:
            other = f"{value * rng.choice((2, 3, 10)) + rng.choice((1, 3)):g}"
            yield "number", plain[: match.start()] + other + plain[match.end() :]
    numbered = re.search(r"[\d一二三四五六七八九十百千万两]", plain) is not None
    for old, new in _UNITS:
        if re.search(rf"[\d一二三四五六七八九十百千万两]个?{old}", plain):
            yield "unit", re.sub(rf"([\d一二三四五六七八九十百千万两]个?){old}", rf"\g<1>{new}", plain, count=1)
            break
    bound = next(((old, new) for old, new in _BOUNDS if old in plain and numbered), None)
    if bound is not None:
        yield "bound", plain.replace(*bound, 1)
    for body in _BODIES:
        if body in plain:
            yield "body", plain.replace(body, rng.choice([each for each in _BODIES if each != body]), 1)
            break
    for old, others in _DENIALS:
        if old in plain:
            yield "denial", plain.replace(old, rng.choice(others), 1)
            break
    if "未" in plain:
        yield "denial", plain.replace("未", "", 1)
    strange = [each for each in _ENDINGS if each[-6:] not in text]
    yield "addition", plain.rstrip("。") + rng.choice(strange or _ENDINGS[:1]) + "。"
    other = rng.choice(texts)
    elsewhere = [each for each in sentences(other) if len(bare(each)) >= 12 and bare(each) not in bare(sentence)]
    if elsewhere:
        yield "elsewhere", re.sub(r"^第[^条]{1,6}条\s*", "", rng.choice(elsewhere))
