"""Use cases of time limits. None of them commits."""

from dataclasses import dataclass

from chengnao.incident.catalogue import category as require_category
from chengnao.incident.catalogue import default_limits
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import ANY, STEPS, Step
from chengnao.kernel.calendar import Amount, parse_amount
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound


@dataclass(frozen=True)
class Limit:
    """The limit in force for a step of the incidents of a category and grade."""

    category: str
    """A code, or ANY."""
    grade: int
    step: Step
    amount: Amount
    own: bool
    """Set by the city."""


async def limits(uow: UnitOfWork) -> list[Limit]:
    """The limits for all categories, and after them those that the city has set for single ones."""
    own = await IncidentRepository(uow.session).own_limits()
    found = [
        Limit(ANY, grade, step, own.get((ANY, grade, step), default_limits()[grade][step]), (ANY, grade, step) in own)
        for grade in sorted(default_limits())
        for step in STEPS
    ]
    single = sorted(
        (key for key in own if key[0] != ANY), key=lambda key: (key[0], key[1], [*STEPS].index(_step(key[2])))
    )
    return found + [Limit(key[0], key[1], _step(key[2]), own[key], True) for key in single]


def _step(name: str) -> Step:
    return next(step for step in STEPS if step == name)


async def put_limit(uow: UnitOfWork, category: str, grade: int, step: Step, text: str) -> Limit:
    """Set a limit; it holds for steps that begin from then on. Raises Invalid for an amount or a category that is
    none."""
    if category != ANY:
        require_category(category)
    amount = parse_amount(text)
    await IncidentRepository(uow.session).put_limit(category, grade, step, str(amount))
    return Limit(category, grade, step, amount, True)


async def delete_limit(uow: UnitOfWork, category: str, grade: int, step: Step) -> None:
    """Let the platform's limit, or the city's for all categories, hold again; raises NotFound where none was set."""
    if not await IncidentRepository(uow.session).delete_limit(category, grade, step):
        raise NotFound("not_found", kind="自定时限 own time limit", id=f"{category} {grade} {step}")
