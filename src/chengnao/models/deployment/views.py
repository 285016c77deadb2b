"""Deployments as the API shows them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.models.deployment.model import Action, Deployment, DeploymentState, ReplicaState
from chengnao.models.deployment.repository import Move, ReplicaStatus


class ReplicaOut(BaseModel):
    """`detail` has the shape of an error: why it cannot start, or why it ended last."""

    id: str
    version: str
    state: ReplicaState
    state_name: str
    port: int | None
    pid: int | None
    restarts: int
    memory_mb: float | None
    detail: dict[str, Any] | None
    since: datetime

    @classmethod
    def of(cls, status: ReplicaStatus) -> Self:
        plain = {name: getattr(status, name) for name in cls.model_fields if name != "state_name"}
        return cls(**plain, state_name=status.state.zh)


class DeploymentOut(BaseModel):
    """`ready` of `replicas` answer, a canary not counted; `route_target` is what routes of the gateway name."""

    name: str
    model_id: str
    version: str
    replicas: int
    ready: int
    state: DeploymentState
    state_name: str
    canary_version: str | None
    canary_share: float
    earlier_version: str | None
    threads: int | None
    route_target: str
    running: list[ReplicaOut]
    created_at: datetime
    updated_at: datetime
    updated_by_name: str

    @classmethod
    def of(cls, deployment: Deployment, replicas: list[ReplicaStatus]) -> Self:
        own = [each for each in replicas if each.deployment == deployment.name]
        derived = {
            "state_name": deployment.state.zh,
            "ready": sum(each.version == deployment.version and each.state is ReplicaState.READY for each in own),
            "route_target": f"deployment:{deployment.name}",
            "running": [ReplicaOut.of(each) for each in own],
        }
        return cls(**{name: getattr(deployment, name) for name in cls.model_fields if name not in derived}, **derived)


class MoveOut(BaseModel):
    """Something that was done; `after` tells how the deployment stood then."""

    action: Action
    action_name: str
    after: dict[str, Any]
    at: datetime
    by_name: str

    @classmethod
    def of(cls, move: Move) -> Self:
        return cls(action=move.action, action_name=move.action.zh, after=move.after, at=move.at, by_name=move.by_name)
