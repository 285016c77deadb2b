"""How many readings the whole platform stores, and how soon a warning follows a reading.

Starts the platform in a data folder of its own, sends through its real gateways, and prints one table:

    python -m benchmarks.platform [--seconds 20]

Rates count readings that stand in the store, over the time from the first send until the last one is stored. The
latency is that from the moment a batch is handed to the socket until `warning.opened` is on the bus, with 17,000
readings a second coming in: a million sensors that report once a minute.
"""

import argparse
import asyncio
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import psutil
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from chengnao.kernel.bus import READING_CONSUMERS, READINGS, Bus
from chengnao.kernel.clock import CST, SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.settings import load_secrets
from chengnao.kernel.status import read_status
from chengnao.sensing.protocols import hj212
from chengnao.sensing.readings.store import ReadingsStore
from tests.support import town
from tests.support.platform import Platform, running_platform

DEVICES = 20_000
STATIONS = 200
BATCH = 20_000
CITY_RATE = 17_000
ARROW = "application/vnd.apache.arrow.stream"
err = Console(stderr=True)


@dataclass
class Row:
    what: str
    figure: str
    note: str = ""


def arrow_body(devices: pa.Array, at: datetime, values: np.ndarray) -> bytes:
    """One reading of each device as an Arrow stream."""
    table = pa.table(
        {
            "device": devices,
            "metric": pa.array(["flow"] * len(devices)),
            "time": pa.array([at] * len(devices), pa.timestamp("ms", "UTC")),
            "value": values,
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


class Bench:
    def __init__(self, platform: Platform, founded: town.Town, seconds: float) -> None:
        self.platform = platform
        self.town = founded
        self.seconds = seconds
        self.url = f"http://127.0.0.1:{platform.settings.port('gateway')}/readings"
        self.headers = {"Authorization": f"Bearer {founded.gateway_token}", "Content-Type": ARROW}
        self.store = ReadingsStore.create(platform.settings, load_secrets(platform.settings.home))
        self.peak_mb = 0.0
        self._watching = True
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Memory of the supervisor and all below it: proportional set size, so shared pages count once."""
        status = read_status(self.platform.home)
        assert status is not None
        supervisor = psutil.Process(status.pid)
        while self._watching:
            total = 0
            for process in [supervisor, *supervisor.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak_mb = max(self.peak_mb, total / 2**20)
            time.sleep(1)

    async def settle(self, bus: Bus) -> None:
        """Return once both consumers have dealt with everything."""
        for durable in READING_CONSUMERS:
            while await bus.lag(READINGS, durable):
                await asyncio.sleep(0.05)

    async def http_batch(self, bus: Bus) -> Row:
        """Arrow batches over four connections, as fast as they are acknowledged."""
        before = await self.store.count()
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
        numbers = iter(range(10**9))
        devices = pa.array(self.town.http_devices[:BATCH])
        values = np.ones(len(devices))
        began = time.monotonic()

        async def send(client: httpx.AsyncClient) -> None:
            while time.monotonic() - began < self.seconds:
                body = arrow_body(devices, start + timedelta(seconds=next(numbers)), values)
                answer = await client.post(self.url, content=body, headers=self.headers)
                if answer.status_code in (429, 503):
                    await asyncio.sleep(0.2)
                    continue
                answer.raise_for_status()
                assert answer.json()["accepted"] == len(devices), answer.text[:300]

        async with httpx.AsyncClient(timeout=60) as client:
            await asyncio.gather(*(send(client) for _ in range(4)))
        acknowledged = time.monotonic() - began
        await self.settle(bus)
        took = time.monotonic() - began
        stored = await self.store.count() - before
        return Row(
            "HTTP batch (Arrow), readings/s stored",
            f"{stored / took:,.0f}",
            f"{stored:,} readings in {took:.1f} s; acknowledged {stored / acknowledged:,.0f}/s",
        )

    async def hj212(self, bus: Bus) -> Row:
        """HJ 212 frames over TCP, each asking for its answer, 50 under way on each of 20 connections."""
        before = await self.store.count()
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=10)
        answered = 0
        began = time.monotonic()

        async def station(stations: list[str]) -> None:
            nonlocal answered
            reader, writer = await asyncio.open_connection("127.0.0.1", self.platform.settings.port("hj212"))
            number = 0
            while time.monotonic() - began < self.seconds:
                frames = []
                for _ in range(50):
                    mn = stations[number % len(stations)]
                    local = (start + timedelta(seconds=number)).astimezone(CST).strftime("%Y%m%d%H%M%S")
                    number += 1
                    segment = (
                        f"QN={local}000;ST=21;CN=2011;PW=123456;MN={mn};Flag=5;"
                        f"CP=&&DataTime={local};RAIN1H-Rtd=0.5,RAIN1H-Flag=N&&"
                    )
                    frames.append(hj212.frame_segment(segment.encode()))
                writer.write(b"".join(frames))
                await writer.drain()
                for _ in frames:
                    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
                    answered += b"CN=9014" in answer
            writer.close()

        mns = list(self.town.hj212_devices.values())
        await asyncio.gather(*(station(mns[index::20]) for index in range(20)))
        await self.settle(bus)
        took = time.monotonic() - began
        stored = await self.store.count() - before
        return Row("HJ 212 over TCP, frames/s answered and stored", f"{stored / took:,.0f}", f"{answered:,} answered")

    async def latency(self, bus: Bus) -> Row:
        """Seconds from sending a reading over its threshold to the warning, at the city's rate."""
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}

        async def receive(document: dict[str, object]) -> None:
            if document["type"] == "warning.opened":
                data = document["data"]
                assert isinstance(data, dict)
                seen.setdefault(str(data["device_id"]), time.monotonic())

        await bus.tail_events(receive)
        share = CITY_RATE // 10
        began = time.monotonic()
        rounds = int(self.seconds * 10)
        refused = 0
        async with httpx.AsyncClient(timeout=60) as client:
            sending = set()

            async def send(body: bytes) -> None:
                nonlocal refused
                answer = await client.post(self.url, content=body, headers=self.headers)
                refused += answer.status_code != 200

            for number in range(rounds):
                names = [self.town.http_devices[(number * share + index) % DEVICES] for index in range(share)]
                values = np.ones(share)
                loud = names[number % share]
                if loud not in sent:
                    values[number % share] = town.THRESHOLD + 1
                body = arrow_body(pa.array(names), datetime.now(UTC), values)
                sent.setdefault(loud, time.monotonic())
                task = asyncio.create_task(send(body))
                sending.add(task)
                task.add_done_callback(sending.discard)
                await asyncio.sleep(max(0.0, began + (number + 1) / 10 - time.monotonic()))
            rate = rounds * share / (time.monotonic() - began)
            await asyncio.gather(*sending)
        for _ in range(200):
            if len(seen) >= len(sent):
                break
            await asyncio.sleep(0.1)
        waits = np.array([seen[device] - at for device, at in sent.items() if device in seen])
        missing = len(sent) - len(waits)
        assert not refused, f"{refused} batches refused"
        return Row(
            "reading to warning, p50 / p99",
            f"{np.percentile(waits, 50):.2f} s / {np.percentile(waits, 99):.2f} s",
            f"at {rate:,.0f} readings/s; {len(waits)} warnings, {missing} missing, worst {waits.max():.2f} s",
        )

    def memory(self) -> Row:
        self._watching = False
        return Row("memory of the whole platform, peak", f"{self.peak_mb / 1024:.2f} GB", "all processes, PSS")


async def measure(platform: Platform, seconds: float) -> list[Row]:
    database = Database.connect(database_url(platform.settings), SystemClock())
    err.print(f"registering {DEVICES + STATIONS:,} devices ...")
    founded = await town.found(database, http_devices=DEVICES, hj212_devices=STATIONS)
    await database.close()
    await asyncio.sleep(5)  # until the gateway has read the new devices
    bench = Bench(platform, founded, seconds)
    bus = await Bus.connect(platform.settings, "benchmark")
    rows = []
    for part in (bench.latency, bench.http_batch, bench.hj212):
        err.print(f"{part.__name__} for {seconds:.0f} s ...")
        rows.append(await part(bus))
        await bench.settle(bus)
    rows.append(bench.memory())
    await bus.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    err.print("starting the platform ...")
    with running_platform(demonstration=False) as platform:
        rows = asyncio.run(measure(platform, seconds))
    table = Table("", "", "", title=f"Whole platform, {os.cpu_count()} cores, senders on the same machine")
    for row in rows:
        table.add_row(row.what, row.figure, row.note)
    Console().print(table)


if __name__ == "__main__":
    main()
