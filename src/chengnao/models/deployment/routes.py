"""Deployments over HTTP; the `models` process does what is asked within a second or two."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, UowDep
from chengnao.models.access import Operator, Reader
from chengnao.models.deployment import service
from chengnao.models.deployment.model import Deployment
from chengnao.models.deployment.repository import DeploymentRepository
from chengnao.models.deployment.views import DeploymentOut, MoveOut

router = APIRouter(tags=["models"])

T = TypeVar("T")


@router.get("/models/deployments")
async def list_deployments(principal: Reader, uow: UowDep, page: PageDep) -> PageOf[DeploymentOut]:
    """Deployments with their replicas, by name."""
    repository = DeploymentRepository(uow.session)
    found = await repository.page_of(page)
    replicas = await repository.replicas([each.name for each in found.items])
    return PageOf.of(found, [DeploymentOut.of(each, replicas) for each in found.items])


class DeploymentIn(BaseModel):
    """`version`: of a version, or an alias such as `champion`; what it names now is deployed."""

    name: Annotated[str, Field(min_length=2, max_length=40)]
    model_id: Id
    version: Id = "champion"
    replicas: Annotated[int, Field(ge=1, le=8)] = 1
    threads: Annotated[int | None, Field(ge=1, le=256)] = None


@router.post("/models/deployments", status_code=201)
async def create_deployment(body: DeploymentIn, principal: Operator, uow: UowDep, context: ContextDep) -> DeploymentOut:
    """Let a version of a model run under a name."""
    home = context.settings.home
    made = await service.deploy(
        uow, home, principal, body.name, body.model_id, body.version, replicas=body.replicas, threads=body.threads
    )
    await uow.commit()
    return DeploymentOut.of(made, [])


@router.get("/models/deployments/{deployment}")
async def get_deployment(deployment: Id, principal: Reader, uow: UowDep) -> DeploymentOut:
    """A deployment with its replicas."""
    return await _shown(uow, deployment)


@router.get("/models/deployments/{deployment}/history")
async def deployment_history(deployment: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[MoveOut]:
    """What was done to a deployment, the newest first."""
    found = await DeploymentRepository(uow.session).moves(deployment, page)
    return PageOf.of(found, [MoveOut.of(each) for each in found.items])


class ActionIn(BaseModel):
    """`scale` needs replicas; `canary` needs version and share."""

    replicas: int | None = None
    version: Id | None = None
    share: float | None = None


@router.post("/models/deployments/{deployment}/{action}")
async def act_on_deployment(
    deployment: Id,
    action: Literal["scale", "canary", "promote", "rollback", "stop", "start"],
    body: ActionIn,
    principal: Operator,
    uow: UowDep,
    context: ContextDep,
) -> DeploymentOut:
    """Scale it, give it a canary, promote or drop that, roll back, stop or start it."""
    await _done(uow, context.settings.home, principal, deployment, action, body)
    await uow.commit()
    return await _shown(uow, deployment)


async def _done(
    uow: UnitOfWork, home: Path, principal: Principal, name: str, action: str, body: ActionIn
) -> Deployment:
    match action:
        case "scale":
            return await service.scale(uow, principal, name, _given(body.replicas, "replicas"))
        case "canary":
            version, share = _given(body.version, "version"), _given(body.share, "share")
            return await service.canary(uow, home, principal, name, version, share)
        case "promote":
            return await service.promote(uow, principal, name)
        case "rollback":
            return await service.rollback(uow, principal, name)
        case "stop":
            return await service.stop(uow, principal, name)
        case _:
            return await service.start(uow, principal, name)


def _given(value: T | None, field: str) -> T:
    if value is None:
        raise Invalid("deployment_needs", field=field)
    return value


async def _shown(uow: UnitOfWork, name: str) -> DeploymentOut:
    repository = DeploymentRepository(uow.session)
    deployment = await repository.deployment(name)
    if deployment is None:
        raise NotFound("not_found", kind="部署 deployment", id=name)
    return DeploymentOut.of(deployment, await repository.replicas([name]))
