"""All SQL over agents, their versions, publications and shares."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.agents.catalogue.definition import canonical
from chengnao.agents.catalogue.model import AgentRecord, AgentVersion, Listed, Publication, Shares, Step, Wanted
from chengnao.agents.catalogue.tables import AgentPublicationRow, AgentRow, AgentShareRow, AgentVersionRow
from chengnao.agents.model import Agent
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains

_SEES_ALL_UNITS = frozenset({Role.AUDITOR, Role.OPERATOR})


class CatalogueRepository(Repository):
    async def add(self, record: AgentRecord) -> bool:
        """Keep a new agent; False where the id is taken."""
        statement = insert(AgentRow).values(**asdict(record)).on_conflict_do_nothing().returning(AgentRow.id)
        return await self.session.scalar(statement) is not None

    async def change(self, agent_id: str, **values: Any) -> None:
        await self.session.execute(update(AgentRow).where(AgentRow.id == agent_id).values(**values))

    async def get(self, principal: Principal, agent_id: str, *, lock: bool = False) -> tuple[AgentRecord, bool] | None:
        """The agent, and whether it belongs to the principal's side; None where the principal may not see it."""
        own = _own(principal).label("own")
        query = select(AgentRow, own).where(AgentRow.id == agent_id, or_(_own(principal), _shared_with(principal)))
        query = query.execution_options(populate_existing=True)
        row = (await self.session.execute(query.with_for_update(of=AgentRow) if lock else query)).one_or_none()
        return None if row is None else (_record(row[0]), bool(row[1]))

    async def any(self, agent_id: str, *, lock: bool = False) -> AgentRecord | None:
        """The agent, whoever asks."""
        query = select(AgentRow).where(AgentRow.id == agent_id).execution_options(populate_existing=True)
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _record(row)

    async def agents(self, principal: Principal, wanted: Wanted, request: PageRequest) -> Page[Listed]:
        """The agents that the principal may see, by id."""
        own = _own(principal)
        shown = or_(own, and_(_shared_with(principal), AgentRow.published_version.is_not(None)))
        conditions = [shown, *_conditions(wanted)]
        query = (
            select(AgentRow, AgentVersionRow, own.label("own"))
            .join(AgentVersionRow, _shown_version())
            .where(*conditions)
            .order_by(AgentRow.id)
        )
        total = await self.session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
        rows = (await self.session.execute(query.limit(request.size).offset(request.offset))).all()
        return Page([_listed(row) for row in rows], total or 0, request.page, request.size)

    async def add_version(self, version: AgentVersion) -> None:
        self.session.add(
            AgentVersionRow(
                agent_id=version.agent_id,
                version=version.version,
                digest=version.digest,
                definition=canonical(version.definition),
                author=version.author,
                author_name=version.author_name,
                at=version.at,
                note=version.note,
            )
        )
        await self.session.flush()

    async def version(self, agent_id: str, number: int) -> AgentVersion | None:
        query = select(AgentVersionRow, AgentRow).join(AgentRow, AgentRow.id == AgentVersionRow.agent_id)
        query = query.where(AgentVersionRow.agent_id == agent_id, AgentVersionRow.version == number)
        row = (await self.session.execute(query)).one_or_none()
        return None if row is None else _version(row[0], row[1])

    async def published(self, agent_id: str) -> AgentVersion | None:
        """The version in use; None where none is, or the agent is retired."""
        query = (
            select(AgentVersionRow, AgentRow)
            .join(AgentRow, AgentRow.id == AgentVersionRow.agent_id)
            .where(
                AgentRow.id == agent_id,
                AgentVersionRow.version == AgentRow.published_version,
                AgentRow.retired_at.is_(None),
            )
        )
        row = (await self.session.execute(query)).one_or_none()
        return None if row is None else _version(row[0], row[1])

    async def versions(self, agent_id: str, request: PageRequest) -> Page[AgentVersion]:
        """The versions of an agent, the latest first."""
        record = await self.session.get(AgentRow, agent_id)
        query = select(AgentVersionRow).where(AgentVersionRow.agent_id == agent_id)
        page = await self.page(query.order_by(AgentVersionRow.version.desc()), request)
        return page.map(lambda row: _version(row, record))

    async def version_with(self, agent_id: str, digest: str) -> int | None:
        """The latest version with this digest."""
        query = select(func.max(AgentVersionRow.version)).where(
            AgentVersionRow.agent_id == agent_id, AgentVersionRow.digest == digest
        )
        return await self.session.scalar(query)

    async def shares(self, agent_id: str) -> Shares:
        return (await self.shares_of([agent_id]))[agent_id]

    async def shares_of(self, agent_ids: Collection[str]) -> dict[str, Shares]:
        query = select(AgentShareRow).where(AgentShareRow.agent_id.in_(agent_ids)).order_by(AgentShareRow.target)
        rows = list(await self.session.scalars(query))
        return {
            agent_id: Shares(
                tuple(row.target for row in rows if row.agent_id == agent_id and row.kind == "unit"),
                tuple(row.target for row in rows if row.agent_id == agent_id and row.kind == "division"),
            )
            for agent_id in agent_ids
        }

    async def put_shares(self, agent_id: str, shares: Shares) -> None:
        await self.session.execute(delete(AgentShareRow).where(AgentShareRow.agent_id == agent_id))
        rows = [{"agent_id": agent_id, "kind": "unit", "target": each} for each in shares.unit_ids]
        rows += [{"agent_id": agent_id, "kind": "division", "target": each} for each in shares.division_codes]
        if rows:
            await self.session.execute(insert(AgentShareRow).values(rows))

    async def add_publication(self, publication: Publication) -> None:
        self.session.add(AgentPublicationRow(**asdict(publication) | {"step": publication.step.value}))
        await self.session.flush()

    async def was_published(self, agent_id: str, number: int) -> bool:
        query = select(AgentPublicationRow.id).where(
            AgentPublicationRow.agent_id == agent_id, AgentPublicationRow.version == number
        )
        return await self.session.scalar(query.limit(1)) is not None

    async def publications(self, agent_id: str, request: PageRequest) -> Page[Publication]:
        """What was published, rolled back and retired, the latest first."""
        query = select(AgentPublicationRow).where(AgentPublicationRow.agent_id == agent_id)
        return (await self.page(query.order_by(AgentPublicationRow.id.desc()), request)).map(_publication)


def _own(principal: Principal) -> ColumnElement[bool]:
    """On the principal's side: of the own unit, or of a division in the principal's as a whole."""
    if principal.kind == "system":
        return true()
    division = Scope(principal.division_code).division_condition(AgentRow.division_code)
    if principal.unit_id is None or principal.roles & _SEES_ALL_UNITS:
        return division
    return and_(division, or_(AgentRow.unit_id.is_(None), AgentRow.unit_id == principal.unit_id))


def _shared_with(principal: Principal) -> ColumnElement[bool]:
    by_division = and_(AgentShareRow.kind == "division", AgentShareRow.target.in_(ancestors(principal.division_code)))
    by_unit = and_(AgentShareRow.kind == "unit", AgentShareRow.target == principal.unit_id)
    return select(AgentShareRow).where(AgentShareRow.agent_id == AgentRow.id, or_(by_division, by_unit)).exists()


def _shown_version() -> ColumnElement[bool]:
    shown = func.coalesce(AgentRow.published_version, AgentRow.latest_version)
    return and_(AgentVersionRow.agent_id == AgentRow.id, AgentVersionRow.version == shown)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    definition = AgentVersionRow.definition
    found: list[ColumnElement[bool]] = []
    if not wanted.retired:
        found.append(AgentRow.retired_at.is_(None))
    if wanted.published_only:
        found.append(AgentRow.published_version.is_not(None))
    if wanted.words:
        texts = (definition["name"]["zh"].astext, definition["name"]["en"].astext, definition["purpose"].astext)
        found.append(or_(contains(AgentRow.id, wanted.words), *(contains(each, wanted.words) for each in texts)))
    if wanted.kind:
        found.append(definition["kind"].astext == wanted.kind)
    if wanted.capability:
        found.append(definition["capability"].astext == wanted.capability)
    return found


def _record(row: AgentRow) -> AgentRecord:
    return AgentRecord(**{each.name: getattr(row, each.name) for each in fields(AgentRecord)})


def _version(row: AgentVersionRow, agent: AgentRow | None) -> AgentVersion:
    assert agent is not None
    values: Mapping[str, Any] = {
        name: getattr(row, name) for name in ("agent_id", "version", "digest", "author", "author_name", "at", "note")
    }
    return AgentVersion(
        **values,
        definition=Agent.model_validate(row.definition),
        division_code=agent.division_code,
        unit_id=agent.unit_id,
    )


def _listed(row: Row[AgentRow, AgentVersionRow, bool]) -> Listed:
    agent, version, own = row
    return Listed(_record(agent), _version(version, agent), bool(own))


def _publication(row: AgentPublicationRow) -> Publication:
    values = {each.name: getattr(row, each.name) for each in fields(Publication)}
    return Publication(**values | {"step": Step(row.step)})
