"""What is to run, and what must be done so that it does. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.vocabulary import Named

MOST_REPLICAS = 8
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


class DeploymentState(Named):
    """What is wanted."""

    RUNNING = "running", "运行", "running"
    STOPPED = "stopped", "停止", "stopped"


class ReplicaState(Named):
    """What is."""

    STARTING = "starting", "启动中", "starting"
    READY = "ready", "就绪", "ready"
    PAUSED = "paused", "等待重启", "waiting to start again"
    REFUSED = "refused", "无法启动", "cannot start"


class Action(Named):
    CREATE = "create", "部署", "deploy"
    SCALE = "scale", "调整副本数", "scale"
    CANARY = "canary", "灰度", "canary"
    PROMOTE = "promote", "全量发布", "promote"
    ROLLBACK = "rollback", "回退", "roll back"
    STOP = "stop", "停止", "stop"
    START = "start", "启动", "start"


@dataclass(frozen=True)
class Deployment:
    """A version of a model that runs under a name, beside it perhaps a canary that gets a share of the calls.

    `earlier_version` is what a roll-back leads to; `threads` None: as many as there are processors, at most 8.
    """

    name: str
    model_id: str
    version: str
    replicas: int
    state: DeploymentState
    created_at: datetime
    updated_at: datetime
    updated_by_name: str
    canary_version: str | None = None
    canary_share: float = 0.0
    earlier_version: str | None = None
    threads: int | None = None
    revision: int = 1

    def wanted(self) -> dict[str, int]:
        """How many replicas of each version are to run; a canary is one."""
        if self.state is DeploymentState.STOPPED:
            return {}
        return {self.version: self.replicas} | ({} if self.canary_version is None else {self.canary_version: 1})

    def scale(self, replicas: int) -> "Deployment":
        return replace(self, replicas=checked_replicas(replicas))

    def canary(self, version: str, share: float) -> "Deployment":
        """Let the version have a share of the calls."""
        self._require(DeploymentState.RUNNING, Action.CANARY)
        if not 0 < share < 1:
            raise Invalid("deployment_share", field="share", value=share)
        if version == self.version:
            raise Invalid("deployment_canary_same", field="version", value=version)
        return replace(self, canary_version=version, canary_share=share)

    def promote(self) -> "Deployment":
        """The canary becomes the version that gets all calls."""
        if self.canary_version is None:
            raise Conflict("deployment_no_canary", name=self.name)
        return replace(
            self, version=self.canary_version, earlier_version=self.version, canary_version=None, canary_share=0.0
        )

    def rollback(self) -> "Deployment":
        """Drop the canary; where there is none, go back to the version before."""
        if self.canary_version is not None:
            return replace(self, canary_version=None, canary_share=0.0)
        if self.earlier_version is None:
            raise Conflict("deployment_nothing_earlier", name=self.name)
        return replace(self, version=self.earlier_version, earlier_version=self.version)

    def stop(self) -> "Deployment":
        self._require(DeploymentState.RUNNING, Action.STOP)
        return replace(self, state=DeploymentState.STOPPED, canary_version=None, canary_share=0.0)

    def start(self) -> "Deployment":
        self._require(DeploymentState.STOPPED, Action.START)
        return replace(self, state=DeploymentState.RUNNING)

    def _require(self, state: DeploymentState, action: Action) -> None:
        if self.state is not state:
            raise Conflict(
                "deployment_not_possible",
                name=self.name,
                state=self.state.zh,
                state_en=self.state.en,
                action=action.zh,
                action_en=action.en,
            )


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Invalid("deployment_name_invalid", field="name", value=name)
    return name


def checked_replicas(replicas: int) -> int:
    if not 1 <= replicas <= MOST_REPLICAS:
        raise Invalid("deployment_replicas", field="replicas", value=replicas, most=MOST_REPLICAS)
    return replicas


@dataclass(frozen=True)
class Running:
    """A replica as the plan sees it."""

    id: str
    version: str
    ready: bool


@dataclass(frozen=True)
class Plan:
    """Versions to start a replica of, one for each mention, and ids of replicas to end."""

    start: tuple[str, ...]
    stop: tuple[str, ...]


def plan(deployment: Deployment | None, running: Sequence[Running]) -> Plan:
    """What leads from what runs to what is wanted.

    A replica of a version that is no longer wanted goes on until the new version is ready to take its calls.
    """
    wanted = {} if deployment is None else deployment.wanted()
    have = Counter(each.version for each in running)
    start = [version for version, count in wanted.items() for _ in range(count - have[version])]
    stop = []
    for version, count in wanted.items():
        spare = sorted((each for each in running if each.version == version), key=lambda each: not each.ready)
        stop += [each.id for each in spare[count:]]
    replaced = deployment is None or not wanted or _able(deployment, running) >= deployment.replicas
    stop += [each.id for each in running if each.version not in wanted and (replaced or not each.ready)]
    return Plan(tuple(start), tuple(stop))


def _able(deployment: Deployment, running: Sequence[Running]) -> int:
    return sum(each.ready for each in running if each.version == deployment.version)


def order(deployment: Deployment, ready: Sequence[tuple[str, str]], random: Random) -> list[str]:
    """The addresses to try, first those of the version whose turn it is; `ready` holds (version, address) pairs.

    Replicas of one version share by chance. Where a version has none that is ready, the others answer in its place.
    """
    canary_first = deployment.canary_version is not None and random.random() < deployment.canary_share
    ranked = []
    for version, address in ready:
        canary = version == deployment.canary_version
        group = 0 if canary == canary_first and (canary or version == deployment.version) else 1
        ranked.append((group, random.random(), address))
    return [address for _, _, address in sorted(ranked)]
