"""Has an agent asked from a place of the product, beside the answer by rule that is given at once."""

from typing import Any

from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.runtime.model import Run
from chengnao.agents.runtime.service import start_run
from chengnao.agents.tools import Call
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound
from chengnao.kernel.settings import Settings

RULE_LABEL = "由规则自动生成，供参考；是否采用由工作人员决定。"
"""Stands beside an answer by rule; one of a model has the label of its run."""


def by_rule(uow: UnitOfWork, settings: Settings, principal: Principal, agent_id: str) -> Call:
    """The call with which a place of the product has the agent's rule answer, with the rights of who asks."""
    return Call(uow, principal, settings, agent_id, "", "")


async def ask_model(
    uow: UnitOfWork,
    settings: Settings,
    authority: Authority,
    principal: Principal,
    agent_id: str,
    input: dict[str, Any],
    *,
    key: str,
    about: Resource | None = None,
) -> Run | None:
    """A run of the agent, started or found by `key`; the caller commits.

    None where agents or models are off, the agent is not in use, or the asker may not run agents.
    """
    if not (settings.agents and settings.models):
        return None
    owner = about or Resource(principal.division_code, principal.unit_id)
    if not authority.allows(principal, "agent.run", Resource(principal.division_code, principal.unit_id)):
        return None
    try:
        version = await catalogue.usable(uow, principal, agent_id)
    except NotFound:
        return None
    return await start_run(uow, principal, version, input, key=f"{key}@{version.version}", about=owner)
