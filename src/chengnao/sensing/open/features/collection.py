"""A collection of features, as a module offers it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.sensing.open.features.model import Feature, Features, Question


@dataclass(frozen=True)
class Collection:
    """`action` is the right that it asks for; `queryables` are properties that can be asked for by their value."""

    id: str
    title: str
    description: str
    action: str
    queryables: Sequence[str]
    ask: Callable[[UnitOfWork, Scope, Question], Awaitable[Features]]
    one: Callable[[UnitOfWork, Scope, str], Awaitable[Feature | None]]
