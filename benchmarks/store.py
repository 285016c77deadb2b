"""How fast the readings store takes readings and answers questions, through ClickHouse's own client.

    python -m benchmarks.store [--devices 100000] [--batches 100]

Starts the `store` process in a data folder of its own. Inserts are fsynced and feed the table of latest values, as in
operation. Where chdb's engine is asked in this same process, without HTTP, the row says so: that is the peer.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import chdb
import clickhouse_connect
import numpy as np
import psutil
import pyarrow as pa
from pyarrow import ipc
from rich.console import Console
from rich.table import Table

from chengnao.app.processes import python_process
from chengnao.kernel.settings import Settings, load_secrets, load_settings
from chengnao.sensing.readings import schema
from chengnao.sensing.readings.model import READING_SCHEMA
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.ports import free_block
from tests.support.stack import Stack, make_home, remove_home

START = datetime(2026, 11, 1, tzinfo=UTC)
BATCH = 20_000
TRIES = 7


def batch(number: int, devices: int) -> pa.Table:
    """One reading a minute of each device, device after device."""
    rows = np.arange(number * BATCH, (number + 1) * BATCH)
    moments = int(START.timestamp() * 1000) + rows // devices * 60_000
    return pa.Table.from_arrays(
        [
            pa.array([f"pressure-{row % devices:07}" for row in rows]),
            pa.array(["pressure"] * BATCH),
            pa.array(moments, pa.timestamp("ms", "UTC")),
            pa.array(np.random.default_rng(number).normal(0.3, 0.02, BATCH)),
            pa.array(["good"] * BATCH),
            pa.array(moments + 900, pa.timestamp("ms", "UTC")),
        ],
        schema=READING_SCHEMA,
    )


async def insert(store: ReadingsStore, tables: list[pa.Table], together: int) -> float:
    """Rows a second, with so many inserts under way at once."""
    waiting = iter(tables)

    async def work() -> None:
        for table in waiting:
            await store.insert(table)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(together)))
    return len(tables) * BATCH / (time.perf_counter() - began)


def insert_native(settings: Settings, tables: list[pa.Table]) -> float:
    secrets = load_secrets(settings.home)
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=settings.port("store"),
        username=secrets.store_user,
        password=secrets.store_password,
        compress=False,
    )
    columns = [[table.column(name).to_pylist() for name in READING_SCHEMA.names] for table in tables]
    began = time.perf_counter()
    for data in columns:
        client.insert(f"{schema.DATABASE}.readings", data, column_names=READING_SCHEMA.names, column_oriented=True)
    return len(tables) * BATCH / (time.perf_counter() - began)


def insert_without_http(tables: list[pa.Table]) -> float:
    folder = Path(tempfile.mkdtemp(prefix="chengnao-bench-"))
    try:
        engine = chdb.connect(str(folder / "data"))
        for statement in schema.SCHEMA:
            engine.query(statement)
        began = time.perf_counter()
        for table in tables:
            with ipc.new_stream(str(folder / "batch"), table.schema) as writer:
                writer.write_table(table)
            engine.query(f"INSERT INTO {schema.DATABASE}.readings FROM INFILE '{folder}/batch' FORMAT ArrowStream")
        seconds = time.perf_counter() - began
        engine.close()
        return len(tables) * BATCH / seconds
    finally:
        shutil.rmtree(folder)


async def timed(ask: Callable[[], Awaitable[object]]) -> str:
    """Median and worst of a few tries, in milliseconds."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1000)
    return f"{median(times):,.1f} ms (worst {max(times):,.1f})"


async def measure(settings: Settings, devices: int, batches: int) -> list[tuple[str, str]]:
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    await store.ensure_schema()
    tables = [batch(number, devices) for number in range(batches)]
    half, few = tables[: batches // 2], tables[-max(1, batches // 10) :]
    one, two = START, START + timedelta(days=30)
    series = tables[0].column("device")[42].as_py()
    day = pa.Table.from_arrays(
        [
            pa.array(["river-1"] * 43_200),
            pa.array(["level"] * 43_200),
            pa.array(int(START.timestamp() * 1000) + np.arange(43_200) * 60_000, pa.timestamp("ms", "UTC")),
            pa.array(np.sin(np.arange(43_200) / 500)),
            pa.array(["good"] * 43_200),
            pa.array(int(START.timestamp() * 1000) + np.arange(43_200) * 60_000, pa.timestamp("ms", "UTC")),
        ],
        schema=READING_SCHEMA,
    )
    found = [
        ("insert, Arrow, one at a time", f"{await insert(store, half, 1):,.0f} rows/s"),
        ("insert, Arrow, two at a time", f"{await insert(store, tables[batches // 2 :], 2):,.0f} rows/s"),
        ("insert, Native from Python rows", f"{insert_native(settings, few):,.0f} rows/s"),
        ("peer: chdb inside the asking process, no HTTP", f"{insert_without_http(half):,.0f} rows/s"),
    ]
    await store.insert(day)
    some = [f"pressure-{number:07}" for number in range(0, devices, max(1, devices // 50))][:50]
    found += [
        (f"latest of all {devices:,} devices", await timed(store.latest_all)),
        ("latest of 50 devices", await timed(lambda: store.latest(some))),
        ("series of 600 points out of 43,200", await timed(lambda: store.series("river-1", "level", one, two, 600))),
        ("series of a device with few readings", await timed(lambda: store.series(series, "pressure", one, two, 600))),
        ("count of all, duplicates once", await timed(store.count)),
    ]
    stored = await store.count()
    expected = batches * BATCH + day.num_rows
    if stored != expected:
        raise SystemExit(f"{stored:,} rows are stored, {expected:,} were acknowledged")
    await store.close()
    return found


def memory(stack: Stack) -> str:
    return f"{psutil.Process(stack.runners['store'].status.pid).memory_info().rss / 2**20:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=100)
    options = parser.parse_args()
    home = make_home()
    try:
        (home / "chengnao.toml").write_text(f"base_port = {free_block()}\n")
        settings = load_settings(home)
        with Stack(home) as stack:
            stack.start(python_process("store", settings, settings.port("store")))
            found = asyncio.run(measure(settings, options.devices, options.batches))
            found.append(("memory of the store's process", memory(stack)))
        size = sum(path.stat().st_size for path in (home / "store").rglob("*") if path.is_file())
        rows = options.batches * BATCH
        found.append(("on disk, replaced parts included", f"{size / 2**20:,.0f} MB, {size / rows:.1f} bytes a row"))
    finally:
        remove_home(home)
    table = Table("what", "figure", title=f"Readings store, {rows:,} rows in batches of {BATCH:,}")
    for row in found:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
