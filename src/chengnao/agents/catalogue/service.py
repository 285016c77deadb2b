"""Use cases of the agent catalogue. None of them commits; each change is put on record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import (
    AgentRecord,
    AgentVersion,
    Problem,
    Publication,
    Shares,
    Step,
)
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.model import Agent
from chengnao.agents.offered import Offered
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Resource
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.service import require_division, require_unit

_FIRST = 1


@dataclass(frozen=True)
class Proof:
    """A finished evaluation of one version: what publishing asks for where the definition names a set."""

    eval_run_id: str
    set_id: str
    digest: str
    """Of the version that was evaluated."""
    score: float


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
    _require_sound(definition, offered)
    record = AgentRecord(
        id=definition.id,
        division_code=actor.division_code,
        unit_id=actor.unit_id,
        builtin=False,
        created_at=uow.clock.now(),
        created_by=actor.id,
        created_by_name=actor.name,
        latest_version=_FIRST,
    )
    repository = CatalogueRepository(uow.session)
    if not await repository.add(record):
        raise Conflict("agent_id_taken", field="id", id=definition.id)
    version = _version(uow, record, _FIRST, definition, actor, note)
    await repository.add_version(version)
    await access.record_act(uow, actor, "agent.write", agent=record.id, version=_FIRST, digest=version.digest)
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
    _require_alive(record)
    if seen is not None and seen != record.latest_version:
        raise Conflict("version_conflict", kind="智能体", seen=seen, current=record.latest_version)
    _require_sound(definition, offered)
    latest = await version_of(uow, record.id, record.latest_version)
    if latest.digest == digest(definition):
        return latest
    return await _add_version(uow, record, definition, actor, note)


async def _add_version(
    uow: UnitOfWork, record: AgentRecord, definition: Agent, actor: Principal, note: str
) -> AgentVersion:
    version = _version(uow, record, record.latest_version + 1, definition, actor, note)
    repository = CatalogueRepository(uow.session)
    await repository.add_version(version)
    await repository.change(record.id, latest_version=version.version)
    await access.record_act(uow, actor, "agent.write", agent=record.id, version=version.version, digest=version.digest)
    return version


def _version(
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


def _require_sound(definition: Agent, offered: Offered) -> None:
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


def _require_alive(record: AgentRecord) -> None:
    if record.retired_at is not None:
        raise Conflict("agent_retired", id=record.id)


async def publish(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    agent_id: str,
    number: int,
    offered: Offered,
    *,
    note: str = "",
    proof: Proof | None = None,
    waive: str = "",
) -> Publication:
    """Let people use that version from now on; runs under way keep theirs.

    Where the definition names an evaluation set, `proof` is a finished evaluation of this very definition at or above
    the pass mark, or else `waive` says why not, from somebody who may. Raises Conflict or Forbidden otherwise.
    """
    record = await require_own(uow, authority, actor, agent_id, "agent.publish", lock=True)
    _require_alive(record)
    version = await version_of(uow, agent_id, number)
    _require_sound(version.definition, offered)
    need = version.definition.evals
    reason = waive.strip()
    waived: str | None = None
    if need is not None and not _proven(version, proof):
        if not reason:
            raise _not_proven(version, proof)
        authority.require(actor, "agent.waive", Resource(record.division_code, record.unit_id))
        waived = reason
    publication = Publication(
        id=new_id(),
        agent_id=agent_id,
        step=Step.PUBLISH,
        version=number,
        previous=record.published_version,
        by=actor.id,
        by_name=actor.name,
        at=uow.clock.now(),
        note=note.strip(),
        score=proof.score if proof is not None and need is not None else None,
        eval_run_id=proof.eval_run_id if proof is not None and need is not None else None,
        waived=waived,
    )
    return await _put_in_use(uow, actor, publication)


def _proven(version: AgentVersion, proof: Proof | None) -> bool:
    need = version.definition.evals
    assert need is not None
    return (
        proof is not None
        and (proof.set_id, proof.digest) == (need.set, version.digest)
        and proof.score >= need.pass_mark
    )


def _not_proven(version: AgentVersion, proof: Proof | None) -> Conflict:
    need = version.definition.evals
    assert need is not None
    if proof is not None and (proof.set_id, proof.digest) == (need.set, version.digest):
        return Conflict(
            "agent_eval_below", set=need.set, score=f"{proof.score:.3f}", mark=need.pass_mark, version=version.version
        )
    return Conflict("agent_eval_missing", set=need.set, mark=need.pass_mark, version=version.version)


async def roll_back(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, number: int, *, note: str = ""
) -> Publication:
    """Put a version into use again that has been in use before; runs under way keep theirs.

    Raises Conflict where it never was, or is in use at present.
    """
    record = await require_own(uow, authority, actor, agent_id, "agent.publish", lock=True)
    _require_alive(record)
    await version_of(uow, agent_id, number)
    if number == record.published_version or not await CatalogueRepository(uow.session).was_published(agent_id, number):
        raise Conflict("agent_rollback_impossible", id=agent_id, version=number)
    publication = Publication(
        id=new_id(),
        agent_id=agent_id,
        step=Step.ROLLBACK,
        version=number,
        previous=record.published_version,
        by=actor.id,
        by_name=actor.name,
        at=uow.clock.now(),
        note=note.strip(),
    )
    return await _put_in_use(uow, actor, publication)


async def retire(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, *, note: str = ""
) -> Publication:
    """Take the agent out of use for good; what it did stays on record. Raises Conflict where it is retired."""
    record = await require_own(uow, authority, actor, agent_id, "agent.publish", lock=True)
    _require_alive(record)
    publication = Publication(
        id=new_id(),
        agent_id=agent_id,
        step=Step.RETIRE,
        version=None,
        previous=record.published_version,
        by=actor.id,
        by_name=actor.name,
        at=uow.clock.now(),
        note=note.strip(),
    )
    return await _put_in_use(uow, actor, publication)


async def _put_in_use(uow: UnitOfWork, actor: Principal, publication: Publication) -> Publication:
    repository = CatalogueRepository(uow.session)
    await repository.add_publication(publication)
    values: dict[str, Any] = {
        "published_version": publication.version,
        "published_at": publication.at,
        "published_by": actor.id,
    }
    if publication.step is Step.RETIRE:
        values["retired_at"] = publication.at
    await repository.change(publication.agent_id, **values)
    await access.record_act(
        uow,
        actor,
        "agent.publish",
        agent=publication.agent_id,
        step=publication.step.value,
        version=publication.version,
        previous=publication.previous,
        score=publication.score,
        waived=publication.waived,
    )
    return publication


async def share(uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, shares: Shares) -> Shares:
    """Say anew who besides the owner may use the published version; the city's code means everybody.

    Raises NotFound for a unit or division that there is none of.
    """
    record = await require_own(uow, authority, actor, agent_id, "agent.publish", lock=True)
    _require_alive(record)
    for unit_id in shares.unit_ids:
        await require_unit(uow, unit_id)
    for code in shares.division_codes:
        await require_division(uow, code)
    kept = Shares(tuple(dict.fromkeys(shares.unit_ids)), tuple(dict.fromkeys(shares.division_codes)))
    await CatalogueRepository(uow.session).put_shares(agent_id, kept)
    await access.record_act(
        uow,
        actor,
        "agent.publish",
        agent=agent_id,
        step="share",
        units=list(kept.unit_ids),
        divisions=list(kept.division_codes),
    )
    return kept


async def install_builtin(uow: UnitOfWork, definitions: Sequence[Agent]) -> int:
    """Put the agents that come with the platform into the catalogue, for everybody; returns how many versions are new.

    A new version comes into use at once, unless a person has chosen which version people use, or retired the agent.
    """
    added = 0
    for definition in definitions:
        added += await _install(uow, definition)
    return added


async def _install(uow: UnitOfWork, definition: Agent) -> bool:
    repository = CatalogueRepository(uow.session)
    record = await repository.any(definition.id, lock=True)
    if record is None:
        record = AgentRecord(
            id=definition.id,
            division_code=CITY,
            unit_id=None,
            builtin=True,
            created_at=uow.clock.now(),
            created_by=SYSTEM.id,
            created_by_name=SYSTEM.name,
            latest_version=_FIRST,
        )
        await repository.add(record)
        await repository.put_shares(record.id, Shares(division_codes=(CITY,)))
        version = _version(uow, record, _FIRST, definition, SYSTEM, "")
        await repository.add_version(version)
        record = replace(record, published_by=SYSTEM.id)
    elif not record.builtin or await repository.version_with(record.id, digest(definition)) is not None:
        return False
    else:
        version = await _add_version(uow, record, definition, SYSTEM, "")
    if record.published_by == SYSTEM.id and record.retired_at is None:
        publication = Publication(
            id=new_id(),
            agent_id=record.id,
            step=Step.PUBLISH,
            version=version.version,
            previous=record.published_version,
            by=SYSTEM.id,
            by_name=SYSTEM.name,
            at=uow.clock.now(),
            note="",
        )
        await _put_in_use(uow, SYSTEM, publication)
    return True
