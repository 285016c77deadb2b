"""Which version of an agent people use: published, rolled back, shared, retired. Nothing here commits."""

from dataclasses import dataclass
from typing import Any

from chengnao.agents.catalogue.model import AgentRecord, AgentVersion, Publication, Shares, Step
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.catalogue.service import require_alive, require_own, require_sound, version_of
from chengnao.agents.offered import Offered
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.service import require_division, require_unit


@dataclass(frozen=True)
class Proof:
    """A finished evaluation of one version: what publishing asks for where the definition names a set."""

    eval_run_id: str
    set_id: str
    digest: str
    """Of the version that was evaluated."""
    score: float


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
    require_alive(record)
    version = await version_of(uow, agent_id, number)
    require_sound(version.definition, offered)
    need = version.definition.evals
    reason = waive.strip()
    waived: str | None = None
    if need is not None and not _proven(version, proof):
        if not reason:
            raise _not_proven(version, proof)
        authority.require(actor, "agent.waive", Resource(record.division_code, record.unit_id))
        waived = reason
    evaluated: dict[str, Any] = {"waived": waived}
    if proof is not None and need is not None:
        evaluated |= {"score": proof.score, "eval_run_id": proof.eval_run_id}
    return await put_in_use(uow, actor, record, Step.PUBLISH, number, note, **evaluated)


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
    require_alive(record)
    await version_of(uow, agent_id, number)
    if number == record.published_version or not await CatalogueRepository(uow.session).was_published(agent_id, number):
        raise Conflict("agent_rollback_impossible", id=agent_id, version=number)
    return await put_in_use(uow, actor, record, Step.ROLLBACK, number, note)


async def retire(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, *, note: str = ""
) -> Publication:
    """Take the agent out of use for good; what it did stays on record. Raises Conflict where it is retired."""
    record = await require_own(uow, authority, actor, agent_id, "agent.publish", lock=True)
    require_alive(record)
    return await put_in_use(uow, actor, record, Step.RETIRE, None, note)


async def put_in_use(
    uow: UnitOfWork, actor: Principal, record: AgentRecord, step: Step, version: int | None, note: str, **evaluated: Any
) -> Publication:
    """Let people use that version from now on, or none where it is retired; `evaluated`: what allowed it."""
    publication = Publication(
        id=new_id(),
        agent_id=record.id,
        step=step,
        version=version,
        previous=record.published_version,
        by=actor.id,
        by_name=actor.name,
        at=uow.clock.now(),
        note=note.strip(),
        **evaluated,
    )
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
    require_alive(record)
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
