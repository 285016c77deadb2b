"""Deployments with real replicas: the embedding model, which comes with the core."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid
from chengnao.models.card import ModelKind
from chengnao.models.deployment import service
from chengnao.models.deployment.manager import DeploymentManager
from chengnao.models.deployment.model import ReplicaState
from chengnao.models.deployment.repository import DeploymentRepository, ReplicaStatus
from tests.support.models import OPERATOR, card, entered

pytestmark = pytest.mark.engines


@asynccontextmanager
async def managed(home: Path, database: Database) -> AsyncIterator[DeploymentManager]:
    manager = DeploymentManager(home, database)
    running = asyncio.create_task(manager.run())
    try:
        yield manager
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def statuses(database: Database) -> list[ReplicaStatus]:
    async with database.unit_of_work() as uow:
        return await DeploymentRepository(uow.session).replicas(["vectors", "large"])


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "waited too long"
        await asyncio.sleep(0.05)


async def until_told(
    database: Database, holds: Callable[[list[ReplicaStatus]], bool], seconds: float = 60
) -> list[ReplicaStatus]:
    began = time.monotonic()
    while not holds(found := await statuses(database)):
        assert time.monotonic() - began < seconds, found
        await asyncio.sleep(0.1)
    return found


async def deployed(home: Path, database: Database, *versions: str, replicas: int = 1, name: str = "vectors") -> None:
    async with database.unit_of_work() as uow:
        for version in versions:
            await entered(uow, home, card(version=version))
        await service.deploy(uow, home, OPERATOR, name, "sentences", versions[0], replicas=replicas)
        await uow.commit()


async def vectors(address: str) -> dict[str, object]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{address}/embeddings", json={"input": ["井盖缺失", "路灯不亮"]}, timeout=30)
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found


async def answering(address: str) -> str:
    """The version that answers there."""
    return str((await vectors(address))["model"]).partition("@")[2]


async def test_two_replicas_answer_and_a_killed_one_comes_back_without_harm_to_the_other(
    tmp_path: Path, database: Database
) -> None:
    await deployed(tmp_path, database, "1", replicas=2)
    async with managed(tmp_path, database) as manager:
        await until(lambda: len(manager.address("vectors")) == 2)
        found = await vectors(manager.address("vectors")[0])
        assert found["model"] == "sentences@1"
        assert len(found["data"]) == 2  # type: ignore[arg-type]
        told = await until_told(database, lambda all: [each.state for each in all] == [ReplicaState.READY] * 2)
        victim, other = told
        assert victim.pid is not None
        assert other.pid is not None
        assert psutil.Process(victim.pid).nice() == 5
        os.kill(victim.pid, signal.SIGKILL)
        await until(lambda: len(manager.address("vectors")) == 1)
        assert manager.address("vectors") == [f"http://127.0.0.1:{other.port}/v1"]
        await vectors(manager.address("vectors")[0])
        await until(lambda: len(manager.address("vectors")) == 2)
        again = await until_told(database, lambda all: all[0].restarts == 1 and all[0].state is ReplicaState.READY)
        assert again[0].pid != victim.pid
        assert again[1].pid == other.pid, "the other one was left alone"
    assert await statuses(database) == []
    assert not psutil.pid_exists(other.pid)


async def test_canary_gets_its_share_and_promotion_and_rollback_move_all_calls(
    tmp_path: Path, database: Database
) -> None:
    await deployed(tmp_path, database, "1", "2")
    async with managed(tmp_path, database) as manager:
        await until(lambda: len(manager.address("vectors")) == 1)
        async with database.unit_of_work() as uow:
            await service.canary(uow, tmp_path, OPERATOR, "vectors", "2", 0.25)
            await uow.commit()
        await until(lambda: len(manager.address("vectors")) == 2)
        versions = {each: await answering(each) for each in manager.address("vectors")}
        assert sorted(versions.values()) == ["1", "2"]
        shares = Counter(versions[manager.address("vectors")[0]] for _ in range(2000))
        assert 400 < shares["2"] < 600, shares  # 500 expected; five standard deviations are 97

        async with database.unit_of_work() as uow:
            await service.promote(uow, OPERATOR, "vectors")
            await uow.commit()
        await until(lambda: len(manager.address("vectors")) == 1)
        assert await answering(manager.address("vectors")[0]) == "2"

        async with database.unit_of_work() as uow:
            after = await service.rollback(uow, OPERATOR, "vectors")
            await uow.commit()
        assert (after.version, after.earlier_version) == ("1", "2")
        seen: set[str] = set()

        async def watched() -> bool:
            addresses = manager.address("vectors")
            assert addresses, "some version answers at every moment of a roll-back"
            seen.add(await answering(addresses[0]))
            return "1" in seen and len(addresses) == 1

        began = time.monotonic()
        while not await watched():
            assert time.monotonic() - began < 60
        assert await answering(manager.address("vectors")[0]) == "1"


async def test_a_version_that_cannot_start_says_why_and_the_calls_stay_where_they_were(
    tmp_path: Path, database: Database
) -> None:
    await deployed(tmp_path, database, "1")
    async with database.unit_of_work() as uow:
        await entered(uow, tmp_path, card(version="broken"))
        await uow.commit()
    async with managed(tmp_path, database) as manager:
        await until(lambda: len(manager.address("vectors")) == 1)
        (tmp_path / "models/sentences/versions/broken/card.yaml").write_text("no card", "utf-8")
        async with database.unit_of_work() as uow:
            await service.canary(uow, tmp_path, OPERATOR, "vectors", "broken", 0.9)
            await service.promote(uow, OPERATOR, "vectors")
            await uow.commit()
        told = await until_told(
            database, lambda all: any(each.version == "broken" and each.restarts >= 2 for each in all)
        )
        broken = next(each for each in told if each.version == "broken")
        assert broken.detail is not None
        assert "exit 2" in broken.detail["message"]
        assert "card.yaml" in broken.detail["message"], "the last words of the process are shown"
        assert await answering(manager.address("vectors")[0]) == "1"
        async with database.unit_of_work() as uow:
            await service.rollback(uow, OPERATOR, "vectors")
            await uow.commit()
        await until_told(database, lambda all: [each.version for each in all] == ["1"])


async def test_a_model_that_does_not_fit_is_refused_with_the_figures(tmp_path: Path, database: Database) -> None:
    free = psutil.virtual_memory().available // 2**20
    total = psutil.virtual_memory().total // 2**20
    async with database.unit_of_work() as uow:
        await entered(uow, tmp_path, card("large", memory_mb=min(free + 100, total - 600)))
        await entered(uow, tmp_path, card("endless", memory_mb=total * 2))
        with pytest.raises(Conflict) as endless:
            await service.deploy(uow, tmp_path, OPERATOR, "endless", "endless", "1")
        await service.deploy(uow, tmp_path, OPERATOR, "large", "large", "1")
        await uow.commit()
    assert str(total * 2) in endless.value.text()
    async with managed(tmp_path, database) as manager:
        told = await until_told(database, lambda all: any(each.state is ReplicaState.REFUSED for each in all))
        assert manager.address("large") == []
    assert told[0].detail is not None
    assert told[0].detail["code"] == "deployment_no_memory"
    assert str(min(free + 100, total - 600)) in told[0].detail["message"]


async def test_what_cannot_be_served_is_not_deployed(tmp_path: Path, database: Database) -> None:
    async with database.unit_of_work() as uow:
        await entered(uow, tmp_path, card("plates", kind=ModelKind.PLATE))
        with pytest.raises(Invalid, match="plates"):
            await service.deploy(uow, tmp_path, OPERATOR, "plates", "plates", "1")


async def test_stop_and_start(tmp_path: Path, database: Database) -> None:
    await deployed(tmp_path, database, "1")
    async with managed(tmp_path, database) as manager:
        await until(lambda: len(manager.address("vectors")) == 1)
        async with database.unit_of_work() as uow:
            await service.stop(uow, OPERATOR, "vectors")
            await uow.commit()
        await until_told(database, lambda all: all == [])
        assert manager.address("vectors") == []
        async with database.unit_of_work() as uow:
            with pytest.raises(Conflict):
                await service.stop(uow, OPERATOR, "vectors")
            await service.start(uow, OPERATOR, "vectors")
            await uow.commit()
        await until(lambda: len(manager.address("vectors")) == 1)


async def test_a_replica_that_is_to_end_finishes_what_it_is_answering(tmp_path: Path, database: Database) -> None:
    await deployed(tmp_path, database, "1")
    async with managed(tmp_path, database) as manager, httpx.AsyncClient(trust_env=False) as http:
        await until(lambda: len(manager.address("vectors")) == 1)
        texts = [f"第{number}号井盖缺失，请尽快处理" for number in range(1000)]
        calling = asyncio.create_task(
            http.post(f"{manager.address('vectors')[0]}/embeddings", json={"input": texts}, timeout=120)
        )
        await asyncio.sleep(0.5)
        async with database.unit_of_work() as uow:
            await service.stop(uow, OPERATOR, "vectors")
            await uow.commit()
        await until(lambda: manager.address("vectors") == [])
        assert not calling.done(), "the call was over too early to show anything"
        answer = await calling
        assert answer.status_code == 200
        assert len(answer.json()["data"]) == 1000
        await until_told(database, lambda all: all == [])


_PROCESS = """
import asyncio, sys
from pathlib import Path
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.models.deployment.manager import DeploymentManager
asyncio.run(DeploymentManager(Path(sys.argv[1]), Database.connect(sys.argv[2], SystemClock())).run())
"""


async def test_a_killed_manager_leaves_no_orphans_and_the_next_one_starts_clean(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    await deployed(tmp_path, database, "1", replicas=2)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROCESS, str(tmp_path), database_url)
    try:
        before = await until_told(database, lambda all: [each.state for each in all] == [ReplicaState.READY] * 2)
        async with managed(tmp_path, database) as follower:
            await until(lambda: len(follower.address("vectors")) == 2)
            assert sorted(follower.address("vectors")) == sorted(f"http://127.0.0.1:{r.port}/v1" for r in before)
            process.kill()
            await process.wait()
            await until(lambda: not any(psutil.pid_exists(each.pid or 0) for each in before), 15)
            after = await until_told(
                database,
                lambda all: (
                    [each.state for each in all] == [ReplicaState.READY] * 2
                    and not {each.id for each in all} & {each.id for each in before}
                ),
            )
            assert len(follower.address("vectors")) == 2
            assert {each.pid for each in after}.isdisjoint(each.pid for each in before)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
