"""Mutated frames of every protocol, through its framer and its dialogue: nothing raises, hangs or grows.

`CHENGNAO_FUZZ=1000000` throws that many frames a protocol, with progress on standard error; the suite a few hundred.
A failure names the seed and the bytes that led to it.
"""

import gc
import os
import random
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import psutil
import pytest

from chengnao.kernel.errors import ChengnaoError
from chengnao.sensing.protocols.shape import Command, Known, Now, Refusal, Wire
from chengnao.sensing.protocols.whole import WholeFramer
from chengnao.sensing.protocols.wires import wire, wire_names
from chengnao.sensing.simulators.simulations import simulation, simulation_names
from tests.support.frames import recorded

FRAMES = int(os.environ.get("CHENGNAO_FUZZ", "400"))
LONG = FRAMES > 10_000
NOON = datetime(2026, 11, 25, 4, tzinfo=UTC)
STEP_SECONDS = 1.0
"""Processor time that one read of a few frames may take, on whatever machine runs the tests."""
MAX_PENDING = 300_000
MAX_GROWTH = 8_000_000
MARKS = b"\x00\xff\x7e\x7d\x68\x16\xfe\x5b\x5d\x5a\x5e\x23\x40\x02\x03\x17\x0d\x0a&;=<>/0123456789"


@dataclass
class Entry:
    """A registered device that knows nothing special."""

    id: str = "fuzzed"
    address: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Known] = field(default_factory=dict)


@cache
def seeds(protocol: str) -> tuple[bytes, ...]:
    """Real frames: of the public set, where it is there, and of the simulated device."""
    found = recorded(protocol)
    if protocol in simulation_names():
        device = simulation(protocol).make(1)
        found += [device.hello(NOON), *(device.report(NOON + timedelta(seconds=step)) for step in range(12))]
    return tuple(raw for raw in found if raw)


def mutated(rng: random.Random, frames: tuple[bytes, ...]) -> bytes:
    """A frame with up to four things done to it; one in eight is left as it is."""
    raw = bytearray(rng.choice(frames))
    if rng.random() < 0.125:
        return bytes(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(8):
            case 0 if raw:
                raw[at % len(raw)] ^= 1 << rng.randrange(8)
            case 1 if raw:
                raw[at % len(raw)] = rng.choice(MARKS)
            case 2:
                del raw[at:]
            case 3:
                del raw[at : at + rng.randint(1, 9)]
            case 4:
                raw[at:at] = rng.randbytes(rng.randint(1, 9))
            case 5:
                other = rng.choice(frames)
                begin = rng.randrange(len(other))
                raw[at:at] = other[begin : begin + rng.randint(1, 200)]
            case 6:
                raw[at:at] = raw[at : at + rng.randint(1, 40)] * rng.randint(1, 5)
            case _:
                raw += rng.choice(frames)
        del raw[20_000:]
    return bytes(raw)


def cuts(rng: random.Random, raw: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(raw):
        size = rng.choice((1, 3, 17, 100, 2_000, 70_000))
        yield raw[position : position + size]
        position += size


class Line:
    """One connection that hears everything, for as long as the test lasts."""

    def __init__(self, spoken: Wire[Any], rng: random.Random) -> None:
        self.framer = spoken.framer()
        self.dialogue = None if spoken.dialogue is None else spoken.dialogue()
        self.whole = isinstance(self.framer, WholeFramer)
        self.frames = 0
        self.slowest = 0.0
        self._spoken = spoken
        self._rng = rng
        self._seconds = 0.0

    def read(self, data: bytes) -> None:
        began = time.thread_time()
        self._seconds += self._rng.choice((0.0, 0.001, 0.5, 30.0))
        self._heard(self.framer.feed(data))
        if self._rng.random() < 0.1:
            self._heard(self.framer.hurry())
        if self.dialogue is not None and self._rng.random() < 0.1:
            self.dialogue.tick(self._now())
        took = time.thread_time() - began
        self.slowest = max(self.slowest, took)
        assert took < STEP_SECONDS, f"{took:.1f} s for {len(data)} bytes, {self.framer.pending} pending"
        assert self.framer.pending <= MAX_PENDING

    def close(self) -> None:
        self._heard(self.framer.close())
        assert self.framer.pending == 0, "what is left after the end of the stream"
        self.framer = self._spoken.framer()
        if self.dialogue is not None:
            self.dialogue.close()

    def _now(self) -> Now:
        return Now(NOON + timedelta(seconds=self._seconds), self._seconds, "10.0.0.1:5060")

    def _heard(self, pieces: list[Any]) -> None:
        for piece in pieces:
            assert piece.raw, "a piece without bytes"
            if isinstance(piece, Refusal):
                self._spoken.hint(piece.raw)
                continue
            self.frames += 1
            piece.fields()
            assert isinstance(piece.warnings, tuple)
            if self.dialogue is not None:
                device = Entry(address=self.dialogue.address(piece))
                self.dialogue.hear(piece, device, self._now())
                if self.frames % 16 == 0:
                    self.dialogue.unknown(piece, self._now())
        self._spoken.summary([piece for piece in pieces if not isinstance(piece, Refusal)])


def ready(protocol: str) -> Wire[Any]:
    spoken = wire(protocol)
    if not seeds(protocol):
        pytest.skip("not run: no data (no recorded frames of this protocol)")
    return spoken


@pytest.mark.parametrize("protocol", wire_names())
@pytest.mark.timeout(0 if LONG else 120)
def test_mutated_frames(protocol: str) -> None:
    spoken, frames = ready(protocol), seeds(protocol)
    rng = random.Random(int(os.environ.get("CHENGNAO_FUZZ_SEED", "1")))
    line = Line(spoken, rng)
    process, halfway, began = psutil.Process(), 0, time.monotonic()
    if not LONG:
        tracemalloc.start()
    try:
        for number in range(FRAMES):
            if number == FRAMES // 2:
                halfway = _held(process)
            raw = mutated(rng, frames)
            try:
                for data in cuts(rng, raw):
                    line.read(data)
                if line.whole or rng.random() < 0.05:
                    line.close()
            except Exception as error:
                raise AssertionError(f"{protocol}, frame {number}: {error!r} by {raw.hex()}") from error
            if LONG and number % (FRAMES // 20) == 0:
                told = f"{protocol} {number:,} thrown, {line.frames:,} decoded, slowest {line.slowest * 1000:.0f} ms"
                print(told, f"{number / (time.monotonic() - began):,.0f}/s", file=sys.stderr)
        grown = _held(process) - halfway
    finally:
        tracemalloc.stop()
    assert line.frames > 0, "nothing was ever decoded"
    assert grown < (MAX_GROWTH * 4 if LONG else MAX_GROWTH), f"{grown:,} bytes more than halfway"


def _held(process: psutil.Process) -> int:
    gc.collect()
    held: int = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else process.memory_info().rss
    return held


def raws(spoken: Wire[Any], pieces: Iterator[bytes]) -> list[bytes]:
    framer = spoken.framer()
    found = [piece for data in pieces for piece in framer.feed(data)] + list(framer.close())
    return [piece.raw for piece in found if not isinstance(piece, Refusal)]


@pytest.mark.parametrize("protocol", wire_names())
@pytest.mark.timeout(0 if LONG else 120)
def test_every_cut_gives_the_same_frames(protocol: str) -> None:
    spoken, frames = ready(protocol), seeds(protocol)
    rng = random.Random(2)
    for _ in range(max(10, FRAMES // 40)):
        raw = b"".join(mutated(rng, frames) for _ in range(rng.randint(1, 4)))[:3_000]
        whole = raws(spoken, iter([raw]))
        assert raws(spoken, (raw[at : at + 1] for at in range(len(raw)))) == whole, f"byte by byte: {raw.hex()}"
        for at in rng.sample(range(len(raw) + 1), min(40, len(raw) + 1)):
            assert raws(spoken, iter([raw[:at], raw[at:]])) == whole, f"cut at {at}: {raw.hex()}"


@pytest.mark.parametrize("protocol", wire_names())
def test_commands_that_cannot_be_are_refused_by_name(protocol: str) -> None:
    spoken = wire(protocol)
    if spoken.dialogue is None:
        pytest.skip("decoded only")
    with pytest.raises(ChengnaoError):
        spoken.dialogue().command(Command("1", "no such command"), Entry(address="1"), Now(NOON, 0.0))
