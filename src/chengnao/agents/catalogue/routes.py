"""The agent catalogue over HTTP."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from chengnao.agents.catalogue import publishing, service
from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import SIZE_LIMIT, read_object, read_yaml
from chengnao.agents.catalogue.model import Checked, Listed, Shares, Wanted
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.catalogue.service import invalid_definition
from chengnao.agents.catalogue.views import (
    AgentDetail,
    AgentOut,
    CheckedOut,
    Names,
    PublicationOut,
    RuleOut,
    SharesOut,
    ToolOut,
    VersionDetail,
    VersionOut,
)
from chengnao.agents.evals.model import Quality
from chengnao.agents.evals.repository import EvalRepository
from chengnao.agents.evals.service import proof_for
from chengnao.agents.model import Agent, Capability
from chengnao.agents.offered import Offered, offered
from chengnao.agents.runtime.usage import Usage
from chengnao.agents.runtime.usage_repository import UsageRepository
from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.paging import Page
from chengnao.kernel.web import ContextDep, DivisionCode, Id, PageDep, PageOf, UowDep, require

router = APIRouter(tags=["agents"])

USAGE_DAYS = 30
"""Of the city's time: over which the use of an agent is counted."""

Reader = Annotated[Principal, Depends(require("agent.read"))]
Writer = Annotated[Principal, Depends(require("agent.write"))]
Publisher = Annotated[Principal, Depends(require("agent.publish"))]
Yaml = Annotated[str, Field(min_length=1, max_length=SIZE_LIMIT)]
Text = Annotated[str, Field(max_length=2000)]
Number = Annotated[int, Field(ge=1)]


class DefinitionIn(BaseModel):
    """A definition as an object or as YAML, one of both. `seen`: the latest version that the change was made from."""

    definition: dict[str, Any] | None = None
    yaml: Yaml | None = None
    note: Text = ""
    seen: Number | None = None


class YamlIn(BaseModel):
    yaml: Yaml


@router.get("/tools")
async def list_tools(principal: Reader, uow: UowDep) -> list[ToolOut]:
    """What agents can be allowed to call, by name; tools of outside servers once a person has allowed them."""
    found = (await offered(uow)).tools
    return [ToolOut.of(found[name]) for name in sorted(found)]


@router.get("/rules")
async def list_rules(principal: Reader, uow: UowDep) -> list[RuleOut]:
    """What can answer for an agent without a model, by name."""
    found = (await offered(uow)).rules
    return [RuleOut.of(found[name]) for name in sorted(found)]


@router.get("/agents")
async def list_agents(
    principal: Reader,
    uow: UowDep,
    context: ContextDep,
    page: PageDep,
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Literal["general", "scenario"] | None = None,
    capability: Capability | None = None,
    retired: bool = False,
) -> PageOf[AgentOut]:
    """The agents of the own unit or division, and those that are shared with it."""
    wanted = Wanted(q.strip(), kind, None if capability is None else capability.value, retired)
    found = await CatalogueRepository(uow.session).agents(principal, wanted, page)
    names = await _names(uow)
    quality, usage = await _figures(uow, found.items)
    own = Resource(principal.division_code, principal.unit_id)
    may_run = context.authority.allows(principal, "agent.run", own)
    items = [
        AgentOut.of(each, names, quality.get(each.record.id), usage[each.record.id], may_run=may_run)
        for each in found.items
    ]
    return PageOf.of(found, items)


@router.post("/agents/check")
async def check_definition(body: YamlIn, principal: Writer, uow: UowDep) -> CheckedOut:
    """What is wrong in a YAML text, each problem with its place and line; nothing is kept."""
    return CheckedOut.of(_read(await offered(uow), DefinitionIn(yaml=body.yaml)))


@router.post("/agents", status_code=201)
async def create_agent(body: DefinitionIn, principal: Writer, uow: UowDep, context: ContextDep) -> AgentDetail:
    """Make an agent of the own unit; it is a draft until it is published."""
    offer = await offered(uow)
    definition = _definition(offer, body)
    await service.create(uow, context.authority, principal, definition, offer, body.note)
    answer = await _detail(uow, context, principal, definition.id)
    await uow.commit()
    return answer


@router.get("/agents/{agent_id}")
async def read_agent(agent_id: Id, principal: Reader, uow: UowDep, context: ContextDep) -> AgentDetail:
    """An agent in its latest version, or in the one in use where it is only shared."""
    return await _detail(uow, context, principal, agent_id)


@router.put("/agents/{agent_id}")
async def save_agent(
    agent_id: Id, body: DefinitionIn, principal: Writer, uow: UowDep, context: ContextDep
) -> AgentDetail:
    """Keep a new version; the one in use stays in use until the new one is published."""
    offer = await offered(uow)
    await service.require_own(uow, context.authority, principal, agent_id, "agent.write")
    definition = _definition(offer, body)
    if definition.id != agent_id:
        raise Invalid("agent_id_fixed", field="id", value=definition.id, id=agent_id)
    await service.save_version(uow, context.authority, principal, definition, offer, seen=body.seen, note=body.note)
    answer = await _detail(uow, context, principal, agent_id)
    await uow.commit()
    return answer


@router.get("/agents/{agent_id}/versions")
async def list_versions(agent_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[VersionOut]:
    """The versions, the latest first; of an agent that is only shared, the one in use."""
    record, own = await service.seen(uow, principal, agent_id)
    if own:
        found = await CatalogueRepository(uow.session).versions(agent_id, page)
    else:
        version = await service.version_of(uow, agent_id, record.published_version or 0)
        found = Page([version], 1, page.page, page.size)
    return PageOf.of(found, [VersionOut.of(each) for each in found.items])


@router.get("/agents/{agent_id}/versions/{number}")
async def read_version(agent_id: Id, number: Number, principal: Reader, uow: UowDep) -> VersionDetail:
    """A version with its definition, also as YAML."""
    record, own = await service.seen(uow, principal, agent_id)
    shown = number if own or number == record.published_version else 0
    return VersionDetail.of(await service.version_of(uow, agent_id, shown))


@router.get("/agents/{agent_id}/publications")
async def list_publications(agent_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[PublicationOut]:
    """What was published, rolled back and retired, the latest first."""
    await service.require_agent(uow, principal, agent_id)
    found = await CatalogueRepository(uow.session).publications(agent_id, page)
    return PageOf.of(found, [PublicationOut.of(each) for each in found.items])


class PublishIn(BaseModel):
    """`waive`: why it is published without the evaluation it asks for; only for those who may."""

    version: Number
    note: Text = ""
    waive: Text = ""


@router.post("/agents/{agent_id}/publish")
async def publish_agent(
    agent_id: Id, body: PublishIn, principal: Publisher, uow: UowDep, context: ContextDep
) -> AgentDetail:
    """Let people use that version from now on; runs under way keep theirs."""
    await service.require_own(uow, context.authority, principal, agent_id, "agent.publish")
    version = await service.version_of(uow, agent_id, body.version)
    await publishing.publish(
        uow,
        context.authority,
        principal,
        agent_id,
        body.version,
        await offered(uow),
        note=body.note,
        proof=await proof_for(uow, version),
        waive=body.waive,
    )
    answer = await _detail(uow, context, principal, agent_id)
    await uow.commit()
    return answer


class RollbackIn(BaseModel):
    version: Number
    note: Text = ""


@router.post("/agents/{agent_id}/rollback")
async def roll_back_agent(
    agent_id: Id, body: RollbackIn, principal: Publisher, uow: UowDep, context: ContextDep
) -> AgentDetail:
    """Put a version into use again that was in use before, at once; runs under way keep theirs."""
    await publishing.roll_back(uow, context.authority, principal, agent_id, body.version, note=body.note)
    answer = await _detail(uow, context, principal, agent_id)
    await uow.commit()
    return answer


class RetireIn(BaseModel):
    note: Text = ""


@router.post("/agents/{agent_id}/retire")
async def retire_agent(
    agent_id: Id, body: RetireIn, principal: Publisher, uow: UowDep, context: ContextDep
) -> AgentDetail:
    """Take the agent out of use for good; its versions and runs stay on record."""
    await publishing.retire(uow, context.authority, principal, agent_id, note=body.note)
    answer = await _detail(uow, context, principal, agent_id)
    await uow.commit()
    return answer


class SharesIn(BaseModel):
    """Whom it is shared with from now on; the city's code stands for everybody."""

    unit_ids: Annotated[list[Id], Field(max_length=500)] = []
    division_codes: Annotated[list[DivisionCode], Field(max_length=500)] = []


@router.put("/agents/{agent_id}/shares")
async def share_agent(
    agent_id: Id, body: SharesIn, principal: Publisher, uow: UowDep, context: ContextDep
) -> SharesOut:
    """Say anew who besides the owner may use the version in use."""
    wanted = Shares(tuple(body.unit_ids), tuple(body.division_codes))
    kept = await publishing.share(uow, context.authority, principal, agent_id, wanted)
    await uow.commit()
    return SharesOut.of(kept)


def _read(offer: Offered, body: DefinitionIn) -> Checked:
    def judge(definition: Agent) -> Any:
        return problems(definition, offer.tools, offer.rules)

    if (body.yaml is None) == (body.definition is None):
        raise Invalid("agent_form", field="definition")
    if body.yaml is not None:
        return read_yaml(body.yaml, judge)
    checked = read_object(body.definition)
    return checked if checked.definition is None else Checked(checked.definition, judge(checked.definition))


def _definition(offer: Offered, body: DefinitionIn) -> Agent:
    checked = _read(offer, body)
    if checked.definition is None or checked.problems:
        raise invalid_definition(checked.problems)
    return checked.definition


async def _detail(uow: UnitOfWork, context: ContextDep, principal: Principal, agent_id: str) -> AgentDetail:
    record, own = await service.seen(uow, principal, agent_id)
    number = record.latest_version if own else record.published_version
    listed = Listed(record, await service.version_of(uow, agent_id, number or 0), own)
    quality, usage = await _figures(uow, [listed])
    return AgentDetail.whole(
        listed,
        await _names(uow),
        quality.get(agent_id),
        usage[agent_id],
        await CatalogueRepository(uow.session).shares(agent_id),
        context.authority,
        principal,
    )


async def _figures(uow: UnitOfWork, items: Sequence[Listed]) -> tuple[dict[str, Quality], dict[str, Usage]]:
    """The latest scores of the versions shown, and the use of the last days."""
    since = uow.clock.now() - timedelta(days=USAGE_DAYS)
    quality = await EvalRepository(uow.session).scores({each.record.id: each.version.version for each in items})
    usage = UsageRepository(uow.session)
    return quality, await usage.usage([each.record.id for each in items], since, uow.clock.speed)


async def _names(uow: UnitOfWork) -> Names:
    repository = OrganisationRepository(uow.session)
    return Names(await repository.division_names(), await repository.unit_names())
