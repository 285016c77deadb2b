"""The grade of a matter by written rules, with the reasons; what is denied or merely feared does not count."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from chengnao.incident.classification.model import NO_MATTER, Reason
from chengnao.incident.model import Category

LOWEST = 4
_CLAUSE = re.compile(r"[，。；！？、,;!?\n…]")
_DENIED = re.compile(
    # Only light words stand between: "没有人受伤" denies, "没人修，摔伤了" and "没盖的井摔伤人" do not.
    r"(没有|没得|莫得|没|未|无|不是|不存在|并非|排除)"
    r"(有|人|人员|造成|发生|出现|任何|闻到|什么|啥子?|得|群众|乘客|行人|居民|明显|一个|被|了|和|或|伤亡)*$"
    r"|\b(no|not|nobody|without)\b[^,.;!?]{0,20}$",
    re.IGNORECASE,
)
_AFTER_DENIED = re.compile(r"^.{0,2}(没有发生|倒是没有)")
_FEARED = re.compile(
    r"(怕|担心|万一|容易|可能会|可能要|会|差点|险些|避免|防止|以免|如果|要是|谨防|小心|迟早|随时|恐)[^，。；！？]{0,8}$"
    r"|\b(might|could|may|afraid)\b[^,.;!?]{0,20}$",
    re.IGNORECASE,
)
_AFTER_FEARED = re.compile(r"^.{0,4}(隐患|风险|危险|怎么办|咋办|咋个办|的可能|怎么得了|后果)")


@dataclass(frozen=True)
class GradeRule:
    words: re.Pattern[str]
    reason: Reason
    grade: int | None
    """At least so grave; None where the rule raises by one step."""
    fact: bool
    sources: tuple[str, ...]
    excepted: frozenset[str]

    def holds_for(self, category: Category | None) -> bool:
        if category is None:
            return True
        if category.code in self.excepted:
            return False
        return not self.sources or category.source.startswith(self.sources)

    def found_in(self, text: str) -> str | None:
        """The first words that match and are neither denied nor, where only facts count, merely feared."""
        return next((found.group() for found in self.words.finditer(text) if self._counts(text, found)), None)

    def _counts(self, text: str, found: re.Match[str]) -> bool:
        before = _CLAUSE.split(text[: found.start()])[-1]
        after = _CLAUSE.split(text[found.end() :])[0]
        if _DENIED.search(before):
            return False
        if _AFTER_DENIED.search(after):
            return False
        return not (self.fact and (_FEARED.search(before) or _AFTER_FEARED.search(after)))


@cache
def grade_rules() -> Sequence[GradeRule]:
    """The rules of `grades.yaml`; raises ValueError where one sets no grade and raises none."""
    return tuple(_rules())


def _rules() -> Iterator[GradeRule]:
    for entry in yaml.safe_load((files(__package__) / "grades.yaml").read_text("utf-8")):
        if ("grade" in entry) == ("up" in entry):
            raise ValueError(f"grades.yaml: give `grade` or `up`: {entry['zh']}")
        yield GradeRule(
            re.compile("|".join(f"(?:{word})" for word in entry["words"]), re.IGNORECASE),
            Reason(entry["zh"], entry["en"]),
            entry.get("grade"),
            entry.get("fact", False),
            tuple(entry.get("sources", ())),
            frozenset(entry.get("except", ())),
        )


def grade_of(text: str, category: Category | None) -> tuple[int, tuple[Reason, ...]]:
    """The grade, 1 the gravest, and why: the category's own, unless a rule makes it graver.

    Where the category is not known it begins at the lowest grade.
    """
    own = category.grade if category else LOWEST
    grade, raised = own, False
    reasons = [
        Reason(f"“{category.name}”的缺省等级 {own}", f"default grade {own} of {category.name_en}")
        if category
        else Reason(f"类别未定，从 {own} 级起", f"category not known: begins at grade {own}")
    ]
    for rule in grade_rules():
        words = rule.found_in(text) if rule.holds_for(category) else None
        if words is None:
            continue
        if rule.grade is not None and rule.grade < grade:
            grade = rule.grade
        elif rule.grade is None and not raised and grade == own and own > 1:
            grade, raised = own - 1, True
        else:
            continue
        reasons.append(
            Reason(f"{rule.reason.zh}（“{words}”）→ {grade} 级", f"{rule.reason.en} ({words}): grade {grade}")
        )
    return grade, tuple(reasons)


def grade_of_nothing() -> tuple[int, tuple[Reason, ...]]:
    """The grade of a text that holds no matter."""
    return LOWEST, (Reason("没有需要处置的事项", f"nothing to handle ({NO_MATTER})"),)
