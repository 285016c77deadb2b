"""The edge's log: what was written comes back whole, whatever a crash leaves of the files."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Unavailable
from chengnao.sensing.edge.records import Kind, Record, RecordsInvalid, find, pack, unpack_all
from chengnao.sensing.edge.segments import Entry, SegmentLog

BIG = 2**30
ROUGH = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

payloads = st.lists(st.binary(max_size=300), min_size=1, max_size=12)


def entries(given: list[bytes]) -> list[Entry]:
    return [Entry(1000 + number, Kind.READINGS, number + 1, payload) for number, payload in enumerate(given)]


def drain(log: SegmentLog, max_bytes: int = 500) -> list[Record]:
    records: list[Record] = []
    while (batch := log.read(max_bytes)) is not None:
        found = unpack_all(batch.body)
        assert (found[0].sequence, found[-1].sequence) == (batch.first, batch.last)
        assert batch.readings + batch.pieces == sum(record.rows for record in found)
        records += found
        log.acknowledge(batch)
    return records


def folder(tmp_path: Path) -> Path:
    return tmp_path / os.urandom(6).hex()


@given(given=payloads)
@ROUGH
def test_records_come_back(given: list[bytes]) -> None:
    records = [Record(5 + number, number, Kind.HELD, 1, payload) for number, payload in enumerate(given)]
    assert unpack_all(b"".join(map(pack, records))) == records


@given(data=st.binary(max_size=400))
@ROUGH
def test_any_bytes_are_no_danger(data: bytes) -> None:
    assert list(find(data)) == []
    with pytest.raises(RecordsInvalid):
        unpack_all(data)


@given(given=payloads, noise=st.binary(min_size=1, max_size=50), place=st.integers(0, 12))
@ROUGH
def test_good_records_are_found_around_damage(given: list[bytes], noise: bytes, place: int) -> None:
    packed = [pack(Record(number, 0, Kind.READINGS, 1, payload)) for number, payload in enumerate(given)]
    packed.insert(min(place, len(packed)), noise)
    assert [found.record.payload for found in find(b"".join(packed))] == given


@given(batches=st.lists(payloads, min_size=1, max_size=5), size=st.integers(100, 4000), step=st.integers(1, 3000))
@ROUGH
def test_what_was_written_is_read_in_order_once(
    tmp_path: Path, batches: list[list[bytes]], size: int, step: int
) -> None:
    place = folder(tmp_path)
    log = SegmentLog(place, BIG, segment_bytes=size)
    written: list[bytes] = []
    read: list[bytes] = []
    for number, batch in enumerate(batches):
        log.write(entries(batch))
        written += batch
        if number % 2:
            part = log.read(step)
            assert part is not None
            read += [record.payload for record in unpack_all(part.body)]
            log.acknowledge(part)
        if number % 3 == 2:
            log.close()
            log = SegmentLog(place, BIG, segment_bytes=size)
    read += [record.payload for record in drain(log, step)]
    assert read == written
    assert log.waiting_readings == 0
    log.close()
    assert list(place.glob("*.seg")) == []


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """A kill may leave any beginning of the last write: what was written before is there, and new numbers are new."""
    before, last = [b"one", b"two" * 50], [b"three", b"", b"four" * 100]
    place = tmp_path / "log"
    log = SegmentLog(place, BIG)
    log.write(entries(before))
    whole = log.bytes_used
    log.write(entries(last))
    end = log.bytes_used
    name = next(place.glob("*.seg")).name
    data = (place / name).read_bytes()
    for cut in range(whole, end + 1):
        torn = tmp_path / f"cut-{cut}"
        torn.mkdir()
        (torn / name).write_bytes(data[:cut])
        recovered = SegmentLog(torn, BIG)
        kept = len(list(find(data[:cut])))
        assert recovered.waiting_readings == sum(number + 1 for number in range(2)) + sum(range(1, kept - 1))
        recovered.write([Entry(1, Kind.HELD, 1, b"new")])
        records = drain(recovered)
        assert [record.payload for record in records] == [*(before + last)[:kept], b"new"]
        clean = cut == sum(len(pack(Record(1, 1, Kind.READINGS, 1, p))) for p in (before + last)[:kept])
        assert (records[-1].sequence > 1000) is not clean
        assert recovered.state.damaged_bytes == 0


@given(flips=st.lists(st.integers(0, 10**6), min_size=1, max_size=3))
@ROUGH
def test_rot_costs_only_what_it_touches(tmp_path: Path, flips: list[int]) -> None:
    place = folder(tmp_path)
    log = SegmentLog(place, BIG, segment_bytes=600)
    written = [bytes([number]) * 90 + os.urandom(90) for number in range(12)]
    for payload in written:
        log.write([Entry(1, Kind.READINGS, 1, payload)])
    log.close()
    touched = set()
    for flip in flips:
        paths = sorted(place.glob("*.seg"))
        path = paths[flip % len(paths)]
        data = bytearray(path.read_bytes())
        data[flip % len(data)] ^= 0x40
        path.write_bytes(data)
        touched.add(path.name)
    again = SegmentLog(place, BIG)
    first_new = again.write([Entry(1, Kind.READINGS, 1, b"new")])
    assert first_new > 12
    found = [record.payload for record in drain(again)]
    assert found[-1] == b"new"
    assert len(found) >= 13 - len(flips) * 2
    assert [payload for payload in written if payload in found] == found[:-1]


def test_a_full_buffer_holds_back_or_drops_the_oldest_and_counts(tmp_path: Path) -> None:
    payload = os.urandom(200)
    waiting = SegmentLog(tmp_path / "wait", 3_000, segment_bytes=700)

    def fill() -> None:
        for _ in range(100):
            waiting.write([Entry(1, Kind.READINGS, 3, payload)])

    with pytest.raises(Unavailable, match="buffer is full"):
        fill()
    held = waiting.waiting_readings
    assert held == 3 * len(drain(waiting))
    waiting.write([Entry(1, Kind.READINGS, 3, payload)])

    dropping = SegmentLog(tmp_path / "drop", 3_000, drop_oldest=True, segment_bytes=700)
    for number in range(100):
        dropping.write([Entry(1, Kind.READINGS, 3, payload), Entry(1, Kind.HELD, 1, b"%d" % number)])
    dropping.close()
    again = SegmentLog(tmp_path / "drop", 3_000, drop_oldest=True, segment_bytes=700)
    left = drain(again)
    assert again.state.dropped_readings + sum(r.rows for r in left if r.kind is Kind.READINGS) == 300
    assert again.state.dropped_pieces + sum(r.rows for r in left if r.kind is Kind.HELD) == 100
    assert left[-1].payload == b"99"


def test_a_disk_that_fails_takes_nothing_and_no_number_comes_twice(tmp_path: Path) -> None:
    failing = False

    def sync(fd: int) -> None:
        if failing:
            raise OSError(5, "Input/output error")
        os.fdatasync(fd)

    log = SegmentLog(tmp_path / "log", BIG, sync=sync)
    first = log.write([Entry(1, Kind.READINGS, 1, b"one")])
    failing = True
    with pytest.raises(Unavailable, match="cannot be written"):
        log.write([Entry(1, Kind.READINGS, 1, b"two")])
    failing = False
    third = log.write([Entry(1, Kind.READINGS, 1, b"three")])
    assert third > first + 1000
    assert [record.payload for record in drain(log)] == [b"one", b"three"]


def test_a_lost_state_gives_a_new_epoch_and_sends_again(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path / "log", BIG)
    log.write([Entry(1, Kind.READINGS, 1, b"one"), Entry(1, Kind.READINGS, 1, b"two")])
    batch = log.read(1)
    assert batch is not None
    log.acknowledge(batch)
    log.close()
    same = SegmentLog(tmp_path / "log", BIG)
    assert (same.state.epoch, same.waiting_readings) == (log.state.epoch, 1)
    same.close()
    (tmp_path / "log" / "state.json").write_text("{")
    again = SegmentLog(tmp_path / "log", BIG)
    assert again.state.epoch != log.state.epoch
    assert [record.payload for record in drain(again)] == [b"one", b"two"]


@pytest.mark.parametrize("through", [2, 0])
def test_what_was_under_way_when_it_was_dropped_counts_as_lost_only_if_it_was(tmp_path: Path, through: int) -> None:
    log = SegmentLog(tmp_path / "log", 3_000, drop_oldest=True)
    log.write([Entry(1, Kind.READINGS, 1, b"one"), Entry(1, Kind.READINGS, 1, b"two")])
    assert log.read(2**20) is not None
    for _ in range(40):
        log.write([Entry(1, Kind.READINGS, 3, os.urandom(200))])
    before = log.state.dropped_readings
    log.arrived(through)
    assert before - log.state.dropped_readings == through
    left = sum(record.rows for record in drain(log))
    assert log.state.dropped_readings + left + through == 122
