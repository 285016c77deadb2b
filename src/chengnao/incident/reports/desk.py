"""The desk of an installation: what its data folder holds that reports are taken in with."""

from datetime import datetime
from functools import cache
from pathlib import Path

from chengnao.incident.catalogue import categories
from chengnao.incident.classification.grades import grade_of
from chengnao.incident.classification.model import CLASSIFIER, NO_MATTER
from chengnao.incident.classification.service import understand_text
from chengnao.incident.reports.service import Desk, Understood
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.privacy.vault import Vault
from chengnao.models.registry.model import Observation
from chengnao.models.registry.service import observe_champion


@cache
def desk_at(home: Path) -> Desk:
    """The desk of the data folder, one in a process."""

    async def understand(uow: UnitOfWork, content: str, at: datetime, category: str | None) -> Understood:
        found = await understand_text(uow, home, content, at, category_known=category is not None)
        if category is not None:
            grade, why = grade_of(content, categories().get(category))
            return Understood(grade=grade, division_code=found.division_code, reasons=[reason.zh for reason in why])
        if len(found.alternatives) > 1 and found.confidence:  # the classifier's own word, not a rule's
            seen = Observation(found.alternatives[0].label, found.confidence, len(content))
            await observe_champion(uow, CLASSIFIER, [seen])
        return Understood(
            category=None if found.category == NO_MATTER else found.category,
            confidence=found.confidence,
            grade=found.grade,
            division_code=found.division_code,
            reasons=[reason.zh for reason in (*found.category_reasons, *found.grade_reasons)],
        )

    return Desk(Vault.of(home), understand)
