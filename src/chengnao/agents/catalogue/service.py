"""Use cases of the agent catalogue. None of them commits; each change is put on record."""

from collections.abc import Sequence

from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import (
    AgentRecord,
    AgentVersion,
    Problem,
)
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.model import Agent
from chengnao.agents.offered import Offered
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound

FIRST = 1


async def published(uow: UnitOfWork, agent_id: str) -> AgentVersion:
    """The version in use; raises NotFound where there is none, or the agent is retired."""
    version = await CatalogueRepository(uow.session).published(agent_id)
    if version is None:
        raise NotFound("agent_not_published", id=agent_id)
    return version


async def version_of(uow: UnitOfWork, agent_id: str, number: int) -> AgentVersion:
    """That version, in use or not; raises NotFound."""
    version = await CatalogueRepository(uow.session).version(agent_id, number)
    if version is None:
        raise NotFound("not_found", kind="智能体版本 agent version", id=f"{agent_id}@{number}")
    return version


async def usable(uow: UnitOfWork, principal: Principal, agent_id: str) -> AgentVersion:
    """The version in use of an agent that the principal may use; raises NotFound for any other."""
    await require_agent(uow, principal, agent_id)
    return await published(uow, agent_id)


async def require_agent(uow: UnitOfWork, principal: Principal, agent_id: str) -> AgentRecord:
    """The agent, where the principal may see it; raises NotFound."""
    return (await seen(uow, principal, agent_id))[0]


async def seen(uow: UnitOfWork, principal: Principal, agent_id: str) -> tuple[AgentRecord, bool]:
    """The agent, where the principal may see it, and whether it belongs to the principal's side; raises NotFound."""
    found = await CatalogueRepository(uow.session).get(principal, agent_id)
    if found is None or (not found[1] and found[0].published_version is None):
        raise _unknown(agent_id)
    return found


async def require_own(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, action: str, *, lock: bool = False
) -> AgentRecord:
    """The agent of the actor's own side, where the action is allowed on it.

    Raises NotFound for an agent that the actor may not see, Forbidden for one that is only shared with it.
    """
    found = await CatalogueRepository(uow.session).get(actor, agent_id, lock=lock)
    if found is None:
        raise _unknown(agent_id)
    record, _ = found
    authority.require(actor, action, Resource(record.division_code, record.unit_id))
    return record


def _unknown(agent_id: str) -> NotFound:
    return NotFound("not_found", kind="智能体 agent", id=agent_id)


async def create(
    uow: UnitOfWork, authority: Authority, actor: Principal, definition: Agent, offered: Offered, note: str = ""
) -> AgentVersion:
    """Make an agent of the actor's unit, or division, with its first version; nobody else sees it yet.

    Raises Invalid for a definition that cannot run, Conflict where the id is taken.
    """
    authority.require(actor, "agent.write", Resource(actor.division_code, actor.unit_id))
    require_sound(definition, offered)
    record = AgentRecord(
        id=definition.id,
        division_code=actor.division_code,
        unit_id=actor.unit_id,
        builtin=False,
        created_at=uow.clock.now(),
        created_by=actor.id,
        created_by_name=actor.name,
        latest_version=FIRST,
    )
    repository = CatalogueRepository(uow.session)
    if not await repository.add(record):
        raise Conflict("agent_id_taken", field="id", id=definition.id)
    version = new_version(uow, record, FIRST, definition, actor, note)
    await repository.add_version(version)
    await access.record_act(uow, actor, "agent.write", agent=record.id, version=FIRST, digest=version.digest)
    return version


async def save_version(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    definition: Agent,
    offered: Offered,
    *,
    seen: int | None = None,
    note: str = "",
) -> AgentVersion:
    """Keep a new version of the agent that the definition names; the one in use stays in use.

    The latest version is given back where nothing has changed. Raises Invalid for a definition that cannot run,
    Conflict where a version later than `seen` stands, or the agent is retired.
    """
    record = await require_own(uow, authority, actor, definition.id, "agent.write", lock=True)
    require_alive(record)
    if seen is not None and seen != record.latest_version:
        raise Conflict("version_conflict", kind="智能体", seen=seen, current=record.latest_version)
    require_sound(definition, offered)
    latest = await version_of(uow, record.id, record.latest_version)
    if latest.digest == digest(definition):
        return latest
    return await add_version(uow, record, definition, actor, note)


async def add_version(
    uow: UnitOfWork, record: AgentRecord, definition: Agent, actor: Principal, note: str
) -> AgentVersion:
    version = new_version(uow, record, record.latest_version + 1, definition, actor, note)
    repository = CatalogueRepository(uow.session)
    await repository.add_version(version)
    await repository.change(record.id, latest_version=version.version)
    await access.record_act(uow, actor, "agent.write", agent=record.id, version=version.version, digest=version.digest)
    return version


def new_version(
    uow: UnitOfWork, record: AgentRecord, number: int, definition: Agent, author: Principal, note: str
) -> AgentVersion:
    return AgentVersion(
        agent_id=record.id,
        version=number,
        digest=digest(definition),
        definition=definition,
        division_code=record.division_code,
        unit_id=record.unit_id,
        author=author.id,
        author_name=author.name,
        at=uow.clock.now(),
        note=note.strip(),
    )


def require_sound(definition: Agent, offered: Offered) -> None:
    found = problems(definition, offered.tools, offered.rules)
    if found:
        raise invalid_definition(found)


def invalid_definition(found: Sequence[Problem]) -> Invalid:
    """The error for a definition with problems, which names the first and counts the rest."""
    first = found[0]
    where = first.path or "id"
    return Invalid(
        "agent_invalid",
        field=where,
        line=first.line or "-",
        reason_zh=first.zh,
        reason_en=first.en,
        count=len(found),
    )


def require_alive(record: AgentRecord) -> None:
    if record.retired_at is not None:
        raise Conflict("agent_retired", id=record.id)
