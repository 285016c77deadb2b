"""Frames a second of every protocol: decoded alone, and through a TCP or UDP socket into the store.

    python -m benchmarks.protocols [--seconds 10] [--only jt808 --only sl651] [--decode]

"Decoded" reads a stream of the simulated device's reports (of the public set of frames where nothing simulates the
protocol) in pieces of 64 KiB, on one core; a second column adds the dialogue, which makes readings of the frames.
Peers are libraries for the same protocol on the same bytes. "Stored" starts the whole platform, registers 400 devices
that each have up to 8 frames under way, and counts acknowledged frames over the time from the first send until the
last one stands in the store; senders run on the same machine. `--decode` leaves that out.
"""

import argparse
import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from chengnao.kernel.bus import READING_CONSUMERS, READINGS, Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.settings import Port, load_secrets
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.process import LINES
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Known, Now, Refusal, Wire
from chengnao.sensing.protocols.whole import WholeFramer
from chengnao.sensing.protocols.wires import wire, wire_names
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.simulators.runner import Load, simulate
from chengnao.sensing.simulators.simulations import simulation, simulation_names
from tests.support.frames import recorded
from tests.support.platform import Platform, running_platform
from tests.support.town import DISTRICT

DEVICES = 400
WINDOW = 8
RESENDING = {"gb26875"}
"""Devices that send whatever is unanswered again with each report: they have one under way."""
CHUNK = 65_536
STREAM_FRAMES = 2_000
err = Console(stderr=True)


@dataclass
class Entry:
    """A registered device, as a dialogue sees it."""

    id: str = "benchmark"
    address: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Known] = field(default_factory=dict)


@dataclass
class Decoded:
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    heard_seconds: float = 0.0
    peer: str = ""

    @property
    def rate(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass
class Stored:
    figure: str = ""
    note: str = ""


def frames_of(name: str) -> list[bytes]:
    """2,000 good frames; none where there are none to be had."""
    spoken = wire(name)
    frames: list[bytes] = []
    if name in simulation_names():
        devices = [simulation(name).make(number) for number in range(20)]
        start = datetime(2026, 11, 25, tzinfo=UTC)
        frames = [each.report(start + timedelta(seconds=step)) for step in range(100) for each in devices]
    if not any(frames):  # a device that only answers, or none at all
        for raw in recorded(name):
            found = read_recording(spoken.framer(), raw)
            if len(found.frames) == 1 and not found.refused:
                frames.append(raw)
    frames = [raw for raw in frames if raw]
    return list(itertools.islice(itertools.cycle(frames), STREAM_FRAMES))


def decode(name: str, seconds: float) -> Decoded:
    """Read the frames again and again: as one stream, or one by one where something else delivers them whole."""
    spoken, frames, done = wire(name), frames_of(name), Decoded()
    if not frames:
        return done
    streams = frames if isinstance(spoken.framer(), WholeFramer) else [b"".join(frames)]
    pieces: list[Any] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        pieces = []
        for stream in streams:
            framer = spoken.framer()
            for at in range(0, len(stream), CHUNK):
                pieces += framer.feed(stream[at : at + CHUNK])
            pieces += framer.close()
        done.frames += sum(not isinstance(each, Refusal) for each in pieces)
        done.bytes += sum(map(len, frames))
    done.seconds = time.perf_counter() - began
    done.heard_seconds = done.seconds + _heard(spoken, pieces) * (done.frames / len(pieces))
    peer = PEERS.get(name)
    if peer is not None:
        done.peer = peer([each.raw for each in pieces if not isinstance(each, Refusal)])
    return done


def _heard(spoken: Wire[Any], pieces: list[Any]) -> float:
    """Seconds that the dialogue takes for the frames."""
    if spoken.dialogue is None:
        return 0.0
    frames = [each for each in pieces if not isinstance(each, Refusal)]
    dialogues = {address: spoken.dialogue() for address in {spoken.dialogue().address(each) for each in frames}}
    now = Now(datetime(2026, 11, 25, 1, tzinfo=UTC), 1.0, "127.0.0.1:1")
    began = time.perf_counter()
    for each in frames:
        address = spoken.dialogue().address(each)
        dialogues[address].hear(each, Entry(address=address), now)
    return time.perf_counter() - began


def dlt645_peer(raws: list[bytes]) -> str:
    """`dlt645` on the same frames, one by one, as suits it best."""
    protocol = import_module("dlt645").DLT645Protocol

    began = time.perf_counter()
    good = 0
    for raw in raws:
        try:
            protocol.deserialize(raw)
            good += 1
        except ValueError:
            pass
    return f"dlt645 {good / (time.perf_counter() - began):,.0f}/s"


def pymodbus_peer(raws: list[bytes]) -> str:
    """`pymodbus`, its framer of RTU and its decoder, on the same frames one by one."""
    from pymodbus.framer import FramerRTU  # noqa: PLC0415
    from pymodbus.pdu import DecodePDU  # noqa: PLC0415

    began = time.perf_counter()
    good = 0
    for raw in raws:
        for server in (True, False):
            decoder = DecodePDU(server)
            used, _, _, pdu = FramerRTU(decoder).decode(raw)
            if used and pdu and decoder.decode(pdu) is not None:
                good += 1
                break
    return f"pymodbus {good / (time.perf_counter() - began):,.0f}/s of {good} RTU frames"


PEERS: dict[str, Callable[[list[bytes]], str]] = {"dlt645": dlt645_peer, "modbus": pymodbus_peer}


async def register(platform: Platform, names: list[Port]) -> None:
    database = Database.connect(database_url(platform.settings), SystemClock())
    async with database.unit_of_work() as uow:
        for name in names:
            played = simulation(name)
            devices = [
                Device(
                    id=f"{name}-{number}",
                    name=f"{name}-{number}",
                    class_code=played.class_code,
                    division_code=DISTRICT,
                    unit_id=None,
                    protocol=Protocol(name),
                    address=played.make(number).address,
                    lon=106.55,
                    lat=29.56,
                    place_ok=True,
                    interval_seconds=60,
                )
                for number in range(DEVICES)
            ]
            await put_all(uow, devices)
        await uow.commit()
    await database.close()


async def settle(bus: Bus) -> None:
    """Return once both consumers have dealt with everything."""
    for durable in READING_CONSUMERS:
        while await bus.lag(READINGS, durable):
            await asyncio.sleep(0.05)


async def store(platform: Platform, names: list[Port], seconds: float) -> dict[str, Stored]:
    await register(platform, names)
    await asyncio.sleep(4)  # until the gateway has read the new devices
    bus = await Bus.connect(platform.settings, "benchmark")
    readings = ReadingsStore.create(platform.settings, load_secrets(platform.settings.home))
    rows: dict[str, Stored] = {}
    for name in names:
        err.print(f"{name} for {seconds:.0f} s ...")
        steps = iter(range(10 * 86_400))
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
        before = await readings.count()
        port = platform.settings.port(name)
        window = 1 if name in RESENDING else WINDOW
        load = Load(simulation(name), "127.0.0.1", port, DEVICES, rate=None, window=window, seconds=seconds)
        began = time.monotonic()
        # Each report has a second of its own: the same device, metric and time again would be the same reading.
        tally = await simulate(load, moments=partial(_moment, start, steps))
        await settle(bus)
        took = time.monotonic() - began
        stored = await readings.count() - before
        note = f"{tally.acknowledged:,} of {tally.sent:,} acknowledged, {stored / took:,.0f} readings/s"
        if tally.errors:
            note += f", {tally.errors} errors ({tally.last_error})"
        rows[name] = Stored(f"{tally.acknowledged / took:,.0f}", note)
    await bus.close()
    return rows


def _moment(start: datetime, steps: Iterator[int]) -> datetime:
    return start + timedelta(seconds=next(steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", action="append", choices=wire_names())
    parser.add_argument("--decode", action="store_true", help="decode only; nothing is started")
    given = parser.parse_args()
    names = given.only or list(wire_names())
    decoded = {}
    for name in names:
        err.print(f"decoding {name} ...")
        decoded[name] = decode(name, min(given.seconds, 3.0))
    stored: dict[str, Stored] = {}
    if not given.decode:
        spoken = [name for name in LINES if name in names and name in simulation_names()]
        err.print("starting the platform ...")
        with running_platform(demonstration=False) as platform:
            stored = asyncio.run(store(platform, spoken, given.seconds))
    table = Table(title=f"Frames a second, {os.cpu_count()} cores, senders on the same machine")
    for column in ("protocol", "decoded", "MB/s", "with dialogue", "peer", "stored", ""):
        table.add_column(column, justify="left" if column in {"protocol", "peer", ""} else "right")
    for name in names:
        done, kept = decoded[name], stored.get(name, Stored())
        if not done.frames:
            table.add_row(name, "not run: no data")
            continue
        table.add_row(
            name,
            f"{done.rate:,.0f}",
            f"{done.bytes / done.seconds / 1e6:.1f}",
            f"{done.frames / done.heard_seconds:,.0f}" if wire(name).dialogue else "",
            done.peer,
            kept.figure,
            kept.note,
        )
    Console().print(table)


if __name__ == "__main__":
    main()
