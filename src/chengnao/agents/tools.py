"""Tools and rules that modules offer to agents: registered by name, typed, each with its effect.

A module has a `tools.py` of its own that offers what it has when it is imported; the entry points `chengnao.tools` name
those modules, of this package and of others. A tool runs inside a unit of work that the runtime commits together with
the note that the call was made, so a call that is repeated after a crash gives the first answer again and changes
nothing.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from chengnao.agents.model import Effect
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.settings import Settings

log = logging.getLogger(__name__)

I = TypeVar("I", bound=BaseModel)  # noqa: E741
O = TypeVar("O", bound=BaseModel)  # noqa: E741


@dataclass(frozen=True)
class Call:
    """Who calls, and with what: `principal` is the person or machine that the agent works for, never more."""

    uow: UnitOfWork
    principal: Principal
    settings: Settings
    agent_id: str
    run_id: str
    key: str
    """Names this call; the same after a crash, different for every other call."""

    @property
    def scope(self) -> Scope:
        return Scope.of(self.principal)

    @property
    def home(self) -> Path:
        return self.settings.home


@dataclass(frozen=True)
class Tool(Generic[I, O]):
    """Something an agent can do."""

    name: str
    """`module.verb`, such as `incident.read`."""
    zh: str
    """What it does, for people; `description` tells the model."""
    description: str
    effect: Effect
    action: str
    """The Cedar action that the principal must be allowed, in the division of its own."""
    input: type[I]
    output: type[O]
    run: Callable[[Call, I], Awaitable[O]]
    personal: bool = False
    """Its answer may hold personal details: it is masked before a model sees it."""


@dataclass(frozen=True)
class Rule:
    """What answers for an agent without any model: the input of the agent in, its output out."""

    name: str
    zh: str
    run: Callable[[Call, dict[str, Any]], Awaitable["Answer"]]


class Evidence(BaseModel):
    """What an answer rests on, so that a person can look it up."""

    kind: str
    """document, incident, warning, reading, rule, file …"""
    id: str
    title: str
    quote: str = ""


class Answer(BaseModel):
    """What a rule or a model found: `result` follows the agent's output schema, `confidence` lies in 0..1."""

    result: dict[str, Any]
    evidence: list[Evidence] = []
    confidence: float = 0.0


_TOOLS: dict[str, Tool[Any, Any]] = {}
_RULES: dict[str, Rule] = {}


def offer(*things: Tool[Any, Any] | Rule) -> None:
    """Register tools and rules; raises ValueError where a name is taken."""
    for thing in things:
        known: dict[str, Any] = _TOOLS if isinstance(thing, Tool) else _RULES
        if known.setdefault(thing.name, thing) is not thing:
            raise ValueError(f"{thing.name} is registered twice")


@cache
def _load() -> None:
    for point in entry_points(group="chengnao.tools"):
        try:
            point.load()
        except Exception:
            log.exception("the tools of %s are left out", point.value)


def tools() -> dict[str, Tool[Any, Any]]:
    """All tools that are offered, by name; a module that cannot be loaded is left out, and the log says why."""
    _load()
    return dict(_TOOLS)


def rules() -> dict[str, Rule]:
    """All rules that are offered, by name."""
    _load()
    return dict(_RULES)
