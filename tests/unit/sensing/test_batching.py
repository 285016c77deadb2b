"""Group commit: nothing accepted is lost, and nobody is told "done" before it is."""

import asyncio
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Unavailable
from chengnao.sensing.gateways import batching
from chengnao.sensing.gateways.batching import Committer, Rows
from chengnao.sensing.readings.model import decode


class Log:
    """A log that keeps what it accepts, and now and then does not."""

    def __init__(self, failures: list[bool] | None = None, seed: int = 0) -> None:
        self.kept: list[pa.Table] = []
        self.sizes: list[int] = []
        self.failures = list(failures or [])
        self.random = random.Random(seed)

    async def publish(self, payload: bytes) -> None:
        await asyncio.sleep(self.random.random() * 0.002)
        if self.failures and self.failures.pop(0):
            raise Unavailable("bus_unavailable", reason="test")
        self.kept.append(decode(payload))
        self.sizes.append(len(payload))

    def metrics(self) -> list[str]:
        return [metric for table in self.kept for metric in table.column("metric").to_pylist()]


def rows(*names: str) -> Rows:
    count = len(names)
    return Rows(["d"] * count, list(names), [1_000] * count, [1.0] * count, ["good"] * count, [2_000] * count)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "LINGER_SECONDS", 0.001)


async def offer(committer: Committer, names: list[str], as_table: bool) -> set[str]:
    """The names that were acknowledged."""
    try:
        given = rows(*names)
        await asyncio.shield(committer.add_table(given.table()) if as_table else committer.add_rows(given))
    except Unavailable:
        return set()
    return set(names)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), min_size=1, max_size=25),
    st.lists(st.booleans(), max_size=12),
    st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_acknowledged_is_on_the_log_exactly_once(
    offers: list[tuple[int, bool, bool]], failures: list[bool], seed: int
) -> None:
    async def play() -> None:
        log = Log(failures, seed)
        committer = Committer(log.publish, max_bytes=3_000)
        waiting = []
        for number, (count, as_table, pause) in enumerate(offers):
            names = [f"m{number}.{each}" for each in range(count)]
            waiting.append(asyncio.create_task(offer(committer, names, as_table)))
            if pause:
                await asyncio.sleep(0.002)
        acknowledged = set().union(*await asyncio.gather(*waiting))
        await committer.close()
        kept = log.metrics()
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))
        if not any(failures):
            assert set(kept) == acknowledged
            assert len(acknowledged) == sum(count for count, _, _ in offers)
        assert committer.waiting_rows == 0

    asyncio.run(play())


async def test_not_done_before_the_log_has_it() -> None:
    gate = asyncio.Event()

    async def publish(_: bytes) -> None:
        await gate.wait()

    committer = Committer(publish)
    done = committer.add_rows(rows("a"))
    await asyncio.sleep(0.05)
    assert not done.done()
    gate.set()
    await done
    assert committer.committed == 1


async def test_many_small_offers_share_one_message() -> None:
    log = Log()
    committer = Committer(log.publish)
    await asyncio.gather(*(committer.add_rows(rows(f"m{number}")) for number in range(500)))
    assert len(log.kept) == 1


async def test_messages_stay_under_the_limit_of_the_log() -> None:
    log = Log()
    committer = Committer(log.publish, max_bytes=2_500)
    await committer.add_rows(rows(*(f"m{number}.{random.random()}" for number in range(300))))
    assert len(log.metrics()) == 300
    assert max(log.sizes) <= 2_500


async def test_too_much_waiting_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING_ROWS", 5)
    committer = Committer(Log().publish)
    first = committer.add_rows(rows("a", "b", "c"))
    with pytest.raises(Unavailable):
        committer.add_rows(rows("d", "e", "f"))
    await first
    await committer.add_rows(rows("d", "e", "f"))


async def test_an_unforeseen_error_is_told_as_unavailable() -> None:
    async def publish(_: bytes) -> None:
        raise RuntimeError("boom")

    with pytest.raises(Unavailable):
        await Committer(publish).add_rows(rows("a"))
