"""SQL over deployments and their replicas. They belong to the platform, not to a division."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.models.deployment.model import Action, Deployment, DeploymentState, ReplicaState
from chengnao.models.deployment.tables import DeploymentMoveRow, DeploymentRow, ReplicaRow


@dataclass(frozen=True)
class ReplicaStatus:
    """A replica as it was last seen on its node, which is a machine and a data folder there.

    `process_started` is the operating system's time, `detail` has the shape of an error.
    """

    id: str
    node: str
    deployment: str
    version: str
    state: ReplicaState
    port: int | None
    pid: int | None
    process_started: float | None
    restarts: int
    memory_mb: float | None
    detail: dict[str, Any] | None
    since: datetime


@dataclass(frozen=True)
class Move:
    """Something that was done to a deployment, and how it stood afterwards."""

    action: Action
    after: dict[str, Any]
    at: datetime
    by_name: str


class DeploymentRepository(Repository):
    async def deployments(self) -> list[Deployment]:
        """All of them; the memory of a machine bounds how many there are."""
        rows = await self.session.scalars(
            select(DeploymentRow).order_by(DeploymentRow.name), execution_options={"populate_existing": True}
        )
        return [_deployment(row) for row in rows]

    async def page_of(self, request: PageRequest) -> Page[Deployment]:
        """By name."""
        return (await self.page(select(DeploymentRow).order_by(DeploymentRow.name), request)).map(_deployment)

    async def deployment(self, name: str, *, lock: bool = False) -> Deployment | None:
        query = select(DeploymentRow).where(DeploymentRow.name == name)
        row = await self.session.scalar(
            query.with_for_update() if lock else query, execution_options={"populate_existing": True}
        )
        return None if row is None else _deployment(row)

    async def add(self, deployment: Deployment) -> bool:
        """Whether it is new; one that has the name already stays as it is."""
        statement = insert(DeploymentRow).values(**_plain(deployment)).on_conflict_do_nothing()
        done = await self.session.execute(statement.returning(DeploymentRow.name))
        return done.scalar() is not None

    async def save(self, deployment: Deployment) -> None:
        values = _plain(deployment)
        await self.session.execute(
            insert(DeploymentRow).values(**values).on_conflict_do_update(index_elements=["name"], set_=values)
        )

    async def note(self, deployment: Deployment, action: Action, by: str) -> None:
        """Keep what was done in the deployment's history."""
        after = {key: getattr(deployment, key) for key in ("version", "replicas", "canary_version", "canary_share")}
        row = DeploymentMoveRow(
            id=new_id(),
            deployment=deployment.name,
            action=action.value,
            after=after | {"state": deployment.state.value},
            at=deployment.updated_at,
            by=by,
            by_name=deployment.updated_by_name,
        )
        self.session.add(row)

    async def moves(self, name: str, request: PageRequest) -> Page[Move]:
        """The newest first."""
        query = select(DeploymentMoveRow).where(DeploymentMoveRow.deployment == name)
        page = await self.page(query.order_by(DeploymentMoveRow.at.desc(), DeploymentMoveRow.id.desc()), request)
        return page.map(lambda row: Move(Action(row.action), row.after, row.at, row.by_name))

    async def replicas(self, names: Collection[str]) -> list[ReplicaStatus]:
        """Replicas of these deployments, wherever they run."""
        return await self._replicas(ReplicaRow.deployment.in_(names))

    async def replicas_on(self, node: str) -> list[ReplicaStatus]:
        """Replicas of all deployments that run there."""
        return await self._replicas(ReplicaRow.node == node)

    async def _replicas(self, condition: ColumnElement[bool]) -> list[ReplicaStatus]:
        query = select(ReplicaRow).where(condition).order_by(ReplicaRow.deployment, ReplicaRow.id)
        rows = await self.session.scalars(query, execution_options={"populate_existing": True})
        return [_status(row) for row in rows]

    async def put_replicas(self, statuses: Sequence[ReplicaStatus]) -> None:
        for each in statuses:
            values = asdict(each) | {"state": each.state.value}
            await self.session.execute(
                insert(ReplicaRow).values(**values).on_conflict_do_update(index_elements=["id"], set_=values)
            )

    async def keep_replicas(self, node: str, ids: Collection[str]) -> None:
        """Forget all others of the node."""
        await self.session.execute(delete(ReplicaRow).where(ReplicaRow.node == node, ReplicaRow.id.not_in(ids)))


def _plain(deployment: Deployment) -> dict[str, Any]:
    return asdict(deployment) | {"state": deployment.state.value}


def _deployment(row: DeploymentRow) -> Deployment:
    values = {each.name: getattr(row, each.name) for each in fields(Deployment)}
    return Deployment(**values | {"state": DeploymentState(row.state)})


def _status(row: ReplicaRow) -> ReplicaStatus:
    values = {each.name: getattr(row, each.name) for each in fields(ReplicaStatus)}
    return ReplicaStatus(**values | {"state": ReplicaState(row.state)})
