"""Keeps what runs as the database wants it: a part of the `models` process.

One manager of a data folder is at work; another that starts waits for its end and meanwhile knows the addresses that
the first one keeps in the database. Whatever goes wrong with one replica, or with the database, leaves the others as
they are.
"""

import asyncio
import fcntl
import logging
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Unavailable
from chengnao.models.deployment.model import Deployment, DeploymentState, ReplicaState, Running, order, plan
from chengnao.models.deployment.replica import Replica, Surroundings
from chengnao.models.deployment.repository import DeploymentRepository, ReplicaStatus
from chengnao.models.deployment.service import BY_ITSELF, deploy_by_itself, why_none
from chengnao.models.registry.drift import KEPT
from chengnao.models.registry.model import Version
from chengnao.models.registry.repository import RegistryRepository
from chengnao.models.registry.service import require_version, take_in
from chengnao.models.training.installed import Installed

log = logging.getLogger(__name__)

_EVERY = 1.0
_DRAIN_SECONDS = 60.0
"""So long may calls go on that a replica is answering when it is to end."""
_STOP_SECONDS = 5.0
"""The same where the platform goes down."""
_LOOK_AT_DISK_EVERY = 10
"""Rounds between two looks for models that were pulled or added meanwhile."""
_FORGET_EVERY = 3600
"""Rounds."""


class DeploymentManager:
    """The deployments of an installation. `run` until cancelled; `address` may be asked at any time."""

    def __init__(self, home: Path, database: Database) -> None:
        self.node = f"{socket.gethostname()}:{home}"
        self._home = home
        self._database = database
        self._installed = Installed(home)
        self._random = random.Random()  # noqa: S311 - shares calls out, keeps no secret
        self._replicas: dict[str, dict[str, Replica]] = {}
        """By deployment and id."""
        self._ending: dict[asyncio.Task[None], Replica] = {}
        self._wanted: dict[str, Deployment] = {}
        self._elsewhere: dict[str, list[tuple[str, str]]] = {}
        self._told: dict[str, ReplicaStatus] = {}
        self._versions: dict[tuple[str, str], Version] = {}
        self._why_none: dict[str, Unavailable] = {}

    def address(self, name: str) -> list[str]:
        """Base URLs of the replicas that are ready, in the order to try them in; empty where none is."""
        deployment = self._wanted.get(name)
        if deployment is None or deployment.state is DeploymentState.STOPPED:
            return []
        own = [(each.version, each.address) for each in self._replicas.get(name, {}).values() if each.ready]
        return order(deployment, own or self._elsewhere.get(name, []), self._random)

    def why_none(self, name: str) -> Unavailable:
        """Why `address` gives none, with what to do."""
        deployment = self._wanted.get(name)
        if deployment is None:
            return self._why_none.get(name) or Unavailable("deployment_unknown", retry_after=300, name=name)
        if deployment.state is DeploymentState.STOPPED:
            return Unavailable("deployment_stopped", retry_after=300, name=name)
        states = [each.status() for each in self._replicas.get(name, {}).values()]
        broken = next((each.detail for each in states if each.detail is not None), None)
        if broken is None:
            return Unavailable("deployment_starting", retry_after=10, name=name)
        return Unavailable("deployment_broken", name=name, reason=broken["message"], reason_en=broken["message_en"])

    async def run(self) -> None:
        """Keep the deployments as they are wanted; ends all replicas when it is cancelled."""
        async with self._alone(), httpx.AsyncClient(trust_env=False) as http:
            await self._end_left_over()
            around = Surroundings(self.node, self._home, self._database.clock, http)
            try:
                turn = 0
                while True:
                    await self._round(around, turn)
                    turn += 1
                    await asyncio.sleep(_EVERY)
            finally:
                await self._end_all()
                with suppress(SQLAlchemyError, ChengnaoError, OSError):
                    await self._tell()

    async def _round(self, around: Surroundings, turn: int) -> None:
        try:
            if turn % _LOOK_AT_DISK_EVERY == 0:
                await self._look_at_disk()
            if turn % _FORGET_EVERY == 0:
                await self._forget()
            await self._read()
            await self._reconcile(around)
            await self._tell()
        except (SQLAlchemyError, ChengnaoError, OSError):
            log.exception("deployments stay as they are for now")

    async def _read(self) -> None:
        async with self._database.unit_of_work() as uow:
            self._wanted = {each.name: each for each in await DeploymentRepository(uow.session).deployments()}
            for deployment in self._wanted.values():
                for version in deployment.wanted():
                    key = (deployment.model_id, version)
                    if key not in self._versions:
                        self._versions[key] = await require_version(uow, *key)

    async def _reconcile(self, around: Surroundings) -> None:
        for name in self._wanted.keys() | self._replicas.keys():
            deployment = self._wanted.get(name)
            replicas = self._replicas.setdefault(name, {})
            todo = plan(deployment, [Running(each.id, each.version, each.ready) for each in replicas.values()])
            for replica_id in todo.stop:
                # Out of the list it gets no new calls; those under way may end.
                replica = replicas.pop(replica_id)
                ending = asyncio.create_task(replica.stop(_DRAIN_SECONDS))
                self._ending[ending] = replica
                ending.add_done_callback(self._ending.pop)
            for version in todo.start:
                assert deployment is not None
                made = Replica(deployment, self._versions[deployment.model_id, version], around)
                replicas[made.id] = made

    async def _end_all(self) -> None:
        replicas = [each for group in self._replicas.values() for each in group.values()]
        self._replicas.clear()
        await asyncio.gather(*(each.stop(_STOP_SECONDS) for each in replicas))
        for replica in self._ending.values():
            replica.kill()
        await asyncio.gather(*self._ending)

    async def _tell(self) -> None:
        """Write down what has changed since it was last told."""
        now = {each.id: each.status() for replicas in self._replicas.values() for each in replicas.values()}
        changed = [status for key, status in now.items() if self._told.get(key) != status]
        gone = self._told.keys() - now.keys()
        if not changed and not gone:
            return
        async with self._database.unit_of_work() as uow:
            repository = DeploymentRepository(uow.session)
            await repository.put_replicas(changed)
            await repository.keep_replicas(self.node, now.keys())
            await uow.commit()
        self._told = now

    async def _look_at_disk(self) -> None:
        async with self._database.unit_of_work() as uow:
            await take_in(uow, self._home)
            await self._installed.enter(uow)
            for name in BY_ITSELF:
                await deploy_by_itself(uow, self._home, name)
            await uow.commit()
        self._why_none = {name: why_none(self._home, name) for name in BY_ITSELF}

    async def _forget(self) -> None:
        async with self._database.unit_of_work() as uow:
            await RegistryRepository(uow.session).forget_observations(uow.clock.now() - KEPT)
            await uow.commit()

    async def _end_left_over(self) -> None:
        """End replicas of a manager that was killed where the kernel has not, and forget them."""
        while True:
            try:
                async with self._database.unit_of_work() as uow:
                    repository = DeploymentRepository(uow.session)
                    for status in await repository.replicas_on(self.node):
                        _end(status)
                    await repository.keep_replicas(self.node, [])
                    await uow.commit()
                return
            except (SQLAlchemyError, ChengnaoError):
                log.exception("the database does not tell what ran before")
                await asyncio.sleep(_EVERY)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """While another manager is at work, wait, and learn the addresses that it keeps."""
        path = self._home / "run" / "deployments.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(descriptor):
                with suppress(SQLAlchemyError, ChengnaoError):
                    await self._follow()
                await asyncio.sleep(_EVERY)
            self._elsewhere = {}
            yield
        finally:
            os.close(descriptor)

    async def _follow(self) -> None:
        async with self._database.unit_of_work() as uow:
            repository = DeploymentRepository(uow.session)
            self._wanted = {each.name: each for each in await repository.deployments()}
            found: dict[str, list[tuple[str, str]]] = {}
            for each in await repository.replicas_on(self.node):
                if each.state is ReplicaState.READY:
                    found.setdefault(each.deployment, []).append((each.version, f"http://127.0.0.1:{each.port}/v1"))
            self._elsewhere = found


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end(status: ReplicaStatus) -> None:
    """Kill the process that was this replica, unless its number belongs to another one by now."""
    if status.pid is None or status.process_started is None:
        return
    with suppress(psutil.Error):
        process = psutil.Process(status.pid)
        if abs(process.create_time() - status.process_started) < 1.0:
            process.kill()
