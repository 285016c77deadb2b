"""Proposals about words that decide a category: replayed on past reports, beside what their incidents ended as."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chengnao.incident.case_repository import CaseRepository, Told
from chengnao.incident.catalogue import category, category_name
from chengnao.incident.classification.model import CategoryRule, deciding_rule
from chengnao.incident.classification.repository import CategoryRuleRepository
from chengnao.incident.classification.service import delete_rule, put_rule, require_rule
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import require_division
from chengnao.review.model import common_division
from chengnao.review.proposals.changes import CategoryRuleChange
from chengnao.review.proposals.kinds import MOST_CASES, Outcome, Tools
from chengnao.review.proposals.model import Case, Measure, Span, Target, Thing


def judge(told: Told, was_rule: str | None, would_rule: str | None) -> str:
    """What the change would have meant for a past report, for which a rule now decides `was_rule`, if any does.

    `untouched`: no rule decides otherwise. `classifier`: no rule decides any more. `same`: it came in so anyway.
    `unsettled`: its incident has not ended. `corrected`: it came in otherwise, and ended as the rule says. `spoiled`:
    it came in right, and the rule says otherwise. `still_wrong`: both are not what it ended as.
    """
    if was_rule == would_rule:
        return "untouched"
    if would_rule is None:
        return "classifier"
    if would_rule == told.category:
        return "same"
    if not told.settled:
        return "unsettled"
    if would_rule == told.final:
        return "corrected"
    return "spoiled" if told.category == told.final else "still_wrong"


def with_change(rules: Sequence[CategoryRule], change: CategoryRuleChange) -> list[CategoryRule]:
    """The rules as they would be."""
    kept = [rule for rule in rules if rule.id != change.rule_id]
    return kept if change.category is None else [*kept, _rule(change, change.category)]


def _rule(change: CategoryRuleChange, category_code: str) -> CategoryRule:
    """Raises Invalid where it has no words."""
    return CategoryRule(
        change.rule_id or "",
        category_code,
        tuple(change.all_words),
        tuple(change.any_words),
        change.division_code,
        change.note,
    )


class CategoryRuleKind:
    """Puts or drops words that decide a category."""

    action = "category_rule.write"

    async def target(self, uow: UnitOfWork, change: CategoryRuleChange) -> Target:
        known = await CategoryRuleRepository(uow.session).rule(Scope(), change.rule_id or "")
        if change.category is None:
            known = await require_rule(uow, Scope(), change.rule_id or "")
            rule = known
        else:
            category(change.category)
            if change.division_code is not None:
                await require_division(uow, change.division_code)
            rule = _rule(change, change.category)
        if change.category is not None and known == rule:
            raise Invalid("proposal_changes_nothing", field="change")
        places = [each.division_code or CITY for each in (known, rule) if each is not None]
        return Target(f"category_rule:{change.rule_id}", common_division(places), await self._about(uow, rule, change))

    async def _about(self, uow: UnitOfWork, rule: CategoryRule, change: CategoryRuleChange) -> str:
        names = await OrganisationRepository(uow.session).division_names()
        where = names.get(rule.division_code, rule.division_code) if rule.division_code else "全市"
        words = "、".join((*rule.all_words, "／".join(rule.any_words)) if rule.any_words else rule.all_words)
        if change.category is None:
            return f"{where}不再因“{words}”直接定为“{category_name(rule.category)}”"
        return f"{where}诉求含“{words}”即为“{category_name(rule.category)}”"

    async def current(self, uow: UnitOfWork, change: CategoryRuleChange) -> Thing:
        rule = await CategoryRuleRepository(uow.session).rule(Scope(), change.rule_id or "")
        return None if rule is None else _plain(rule)

    async def replay(self, uow: UnitOfWork, change: CategoryRuleChange, span: Span, tools: Tools) -> Outcome:
        rules = await CategoryRuleRepository(uow.session).every_rule()
        changed = with_change(rules, change)
        past, total = await CaseRepository(uow.session).told(None, span.since, span.until, MOST_CASES)
        cases = []
        for told in past:
            was, would = (_decided(each, told) for each in (rules, changed))
            outcome = judge(told, was, would)
            if outcome == "untouched":
                continue
            detail = {"number": told.number, "category": told.category, "would": would, "final": told.final}
            cases.append(
                Case(
                    outcome=outcome,
                    at=told.received_at,
                    division_code=told.division_code,
                    unit_id=told.unit_id,
                    incident_id=told.incident_id,
                    title=told.content[:200],
                    detail=detail,
                )
            )
        notes = ("按隐去个人信息的内容回放；规则不定的诉求由分类器定，此处不回放",)
        return Outcome(cases, Counter(each.outcome for each in cases), total, len(past), notes=notes)

    async def apply(self, uow: UnitOfWork, actor: Principal, change: CategoryRuleChange) -> None:
        if change.category is None:
            await delete_rule(uow, actor, change.rule_id or "")
        else:
            await put_rule(uow, actor, _rule(change, change.category))

    async def restore(self, uow: UnitOfWork, actor: Principal, change: CategoryRuleChange, before: Thing) -> None:
        if before is None:
            await delete_rule(uow, actor, change.rule_id or "")
        else:
            words = {name: tuple(before[name]) for name in ("all_words", "any_words")}
            await put_rule(uow, actor, CategoryRule(**{**before, **words}))

    async def measures(self, uow: UnitOfWork, change: CategoryRuleChange, span: Span) -> list[Measure]:
        """Of the settled reports with the rule's words: how many were given another category later."""
        if change.category is None:
            return []
        rule = _rule(change, change.category)
        past, _ = await CaseRepository(uow.session).told(change.division_code, span.since, span.until, MOST_CASES)
        matching = [each for each in past if each.settled and rule.matches(each.content)]
        corrected = sum(each.category != each.final for each in matching)
        return [Measure("recategorised", "改类率", "share given another category later", corrected, len(matching))]


def _decided(rules: Sequence[CategoryRule], told: Told) -> str | None:
    found = deciding_rule(rules, told.content, told.division_code)
    return found[0].category if found else None


def _plain(rule: CategoryRule) -> dict[str, Any]:
    return {**asdict(rule), "all_words": list(rule.all_words), "any_words": list(rule.any_words)}
