"""The index of words: made anew, killed in the middle, the same for one base and for thirty."""

import asyncio
import shutil
import sys
import time

import pytest

from chengnao.knowledge import service
from chengnao.knowledge.index import Writer
from chengnao.knowledge.model import PLATFORM, Filter
from chengnao.knowledge.repository import KnowledgeRepository
from tests.support.library import Library

pytestmark = pytest.mark.engines


async def test_a_lost_index_is_made_anew_and_meanwhile_meaning_finds(library: Library) -> None:
    base = await library.base()
    document = await library.hand_in(base, "规定.txt", "第一条 井盖由权属单位养护。")
    await library.work()
    library.worker.close()
    shutil.rmtree(service.index_folder(library.home))
    service.index_at.cache_clear()
    assert [hit.source.id for hit in await library.search("井盖")] == [document.id]
    await library.work()
    assert service.index_at(library.home).search("井盖", Filter(PLATFORM), 5)


async def test_an_older_copy_of_the_index_is_made_anew(library: Library) -> None:
    base = await library.base()
    await library.hand_in(base, "规定.txt", "第一条 井盖由权属单位养护。")
    await library.work()
    library.worker.close()
    folder = service.index_folder(library.home)
    shutil.copytree(folder, library.home / "copy")
    await library.hand_in(base, "规定2.txt", "第一条 路灯由照明所养护。")
    await library.work()
    library.worker.close()
    shutil.rmtree(folder)
    shutil.move(library.home / "copy", folder)
    service.index_at.cache_clear()
    await library.worker.index_step()
    await library.work()
    assert service.index_at(library.home).search("路灯", Filter(PLATFORM), 5)


async def test_a_damaged_index_is_made_anew(library: Library) -> None:
    base = await library.base()
    await library.hand_in(base, "规定.txt", "第一条 井盖由权属单位养护。")
    await library.work()
    library.worker.close()
    (service.index_folder(library.home) / "meta.json").write_text("{broken")
    service.index_at.cache_clear()
    await library.work()
    assert len(service.index_at(library.home).search("井盖", Filter(PLATFORM), 5)) == 1


async def test_one_process_writes_and_another_is_refused(library: Library) -> None:
    base = await library.base()
    await library.hand_in(base, "规定.txt", "第一条 井盖由权属单位养护。")
    await library.work()
    with pytest.raises(OSError, match=r"(?i)lock"):
        Writer(service.index_folder(library.home))


@pytest.mark.timeout(280)
async def test_killed_again_and_again_nothing_is_lost_or_doubled(library: Library, database_url: str) -> None:
    base = await library.base()
    texts = [f"第{number}号路灯由照明所负责维修。" for number in range(1, 21)]
    for place in range(60):
        await library.put(base, [f"{each}甲{place}" for each in texts])
    cut = 0
    for _ in range(5):
        await library.put(base, [f"{each}乙" for each in texts])  # something changes between the kills
        before = await _queued(library)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.knowledge_worker", database_url, str(library.home),
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        while await _queued(library) == before:
            await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
        cut += 0 < await _queued(library) < before
    assert cut >= 3
    await library.work()
    index = service.index_at(library.home)
    found = [passage_id for passage_id, _ in index.search("路灯", Filter(PLATFORM), 5000)]
    assert len(found) == len(set(found)) == 65 * len(texts)


async def _queued(library: Library) -> int:
    async with library.database.unit_of_work() as uow:
        return len(await KnowledgeRepository(uow.session).queued(1000))


async def test_thirty_bases_are_no_slower_than_one(library: Library) -> None:
    """The same passages in one base and spread over thirty: the same hits, and about the same time."""
    texts = [f"第{number}号路灯由照明所负责维修，电话{number * 37}。" for number in range(400)]
    one = await library.base(name="全部")
    await library.put(one, texts)
    many = [await library.base(name=f"库{number}") for number in range(30)]
    for number, base in enumerate(many):
        await library.put(base, texts[number::30])
    await library.work()
    ids = [base.id for base in many]

    async def seconds(base_ids: list[str]) -> float:
        taken = []
        for _ in range(7):
            began = time.perf_counter()
            hits = await library.search("路灯维修电话", base_ids=base_ids)
            taken.append(time.perf_counter() - began)
            assert len(hits) == 10
        return sorted(taken)[3]

    single, spread = await seconds([one.id]), await seconds(ids)
    assert spread < single * 2 + 0.02
