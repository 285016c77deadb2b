"""Use cases of understanding: understand a text with the city's rules, and change the rules. None of them commits."""

import asyncio
from datetime import datetime
from pathlib import Path

from chengnao.incident.catalogue import category
from chengnao.incident.classification.installed import installed_classifier
from chengnao.incident.classification.model import CategoryRule, Understanding
from chengnao.incident.classification.repository import CategoryRuleRepository
from chengnao.incident.classification.understanding import understand
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound
from chengnao.kernel.organisation.model import Division
from chengnao.kernel.organisation.service import every_division, require_division


async def understand_text(
    uow: UnitOfWork, home: Path, text: str, at: datetime, *, category_known: bool = False
) -> Understanding:
    """What the text says, by the city's rules and the installation's classifier; works without one.

    Where the category is known already the classifier, which takes most of the time, is not asked.
    """
    divisions = await every_division(uow)
    rules = await CategoryRuleRepository(uow.session).every_rule()
    return await asyncio.to_thread(_understand, None if category_known else home, text, at, divisions, rules)


def _understand(
    home: Path | None, text: str, at: datetime, divisions: list[Division], rules: list[CategoryRule]
) -> Understanding:
    return understand(text, at, divisions, None if home is None else installed_classifier(home), rules)


async def require_rule(uow: UnitOfWork, scope: Scope, rule_id: str) -> CategoryRule:
    """The rule; raises NotFound outside the scope."""
    rule = await CategoryRuleRepository(uow.session).rule(scope, rule_id)
    if rule is None:
        raise NotFound("not_found", kind="关键词规则 category rule", id=rule_id)
    return rule


async def put_rule(uow: UnitOfWork, actor: Principal, rule: CategoryRule) -> CategoryRule:
    """Add the rule or change the one of its id; from the next text on it decides before the classifier."""
    category(rule.category)
    if rule.division_code is not None:
        await require_division(uow, rule.division_code)
    await CategoryRuleRepository(uow.session).put(rule)
    await record_act(
        uow,
        actor,
        "category_rule.write",
        rule=rule.id,
        category=rule.category,
        all_words=[*rule.all_words],
        any_words=[*rule.any_words],
        division=rule.division_code,
    )
    return rule


async def delete_rule(uow: UnitOfWork, actor: Principal, rule_id: str) -> None:
    """Remove the rule; the classifier decides again."""
    await require_rule(uow, Scope(), rule_id)
    await CategoryRuleRepository(uow.session).delete(rule_id)
    await record_act(uow, actor, "category_rule.write", rule=rule_id, removed=True)
