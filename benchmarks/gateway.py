"""How fast the gateway takes readings onto the log, end to end: sockets, checks, group commit, JetStream on disk.

    python -m benchmarks.gateway [--seconds 8]

Starts PostgreSQL, NATS and the `gateway` process in a data folder of its own. No store and no writer run beside it:
the whole platform is measured by `benchmarks.platform`. The sender shares the machine, with bodies and frames made
beforehand. Every acknowledged reading is looked for on the log at the end.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import pyarrow as pa
from pyarrow import ipc
from rich.console import Console
from rich.table import Table

from chengnao.app.engines.nats import Nats
from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.migrate import migrate
from chengnao.app.processes import python_process
from chengnao.app.spec import Spec
from chengnao.kernel.access.model import Role
from chengnao.kernel.access.service import create_token
from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.settings import Settings, load_settings
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.protocols import hj212
from chengnao.sensing.readings.model import decode
from tests.support.ports import free_block
from tests.support.stack import Stack, make_home, remove_home

DEVICES = 20_000
BATCH = 20_000
STATIONS = 500
LINKS = 50
WINDOW = 400
FACTORS = ("a34004", "a34002", "a21026", "a21004", "a21005", "a05024", "a01001")
err = Console(stderr=True)


@dataclass
class Result:
    what: str
    unit: str
    rate: float
    readings: int


def rows(second: int) -> list[dict[str, object]]:
    at = (datetime.now(UTC).replace(microsecond=0) - timedelta(days=1, seconds=second)).isoformat()
    return [
        {"device": f"p-{number}", "metric": "pressure", "time": at, "value": 20 + number % 997 / 31}
        for number in range(BATCH)
    ]


def arrow_body(batch: list[dict[str, object]]) -> bytes:
    columns = {name: [row[name] for row in batch] for name in ("device", "metric", "value")}
    table = pa.table(columns | {"time": pa.array([batch[0]["time"]] * len(batch)).cast(pa.timestamp("ms", "UTC"))})
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


FORMS: dict[str, tuple[str, Callable[[list[dict[str, object]]], bytes]]] = {
    "Arrow": ("application/vnd.apache.arrow.stream", arrow_body),
    "NDJSON": ("application/x-ndjson", lambda batch: b"\n".join(map(orjson.dumps, batch))),
    "JSON": ("application/json", orjson.dumps),
}


async def http_rate(settings: Settings, secret: str, form: str, seconds: float) -> Result:
    kind, make = FORMS[form]
    # Eight different seconds; sent again they are the same readings to the store, and the same work to the gateway.
    bodies = [make(rows(second)) for second in range(8)]
    accepted = 0
    began = time.monotonic()

    async def send(first: int) -> None:
        nonlocal accepted
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.port("gateway"))
        number = first
        while time.monotonic() - began < seconds:
            body = bodies[number % len(bodies)]
            number += 1
            writer.write(
                f"POST /readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
            )
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            if b" 200 " not in head[:20] or answer["rejected"]:
                raise SystemExit(f"refused: {head[:60]!r} {str(answer)[:300]}")
            accepted += answer["accepted"]
        writer.close()

    await asyncio.gather(*(send(first) for first in range(4)))
    return Result(f"HTTP batch, {form}", "readings/s", accepted / (time.monotonic() - began), accepted)


def frames_of(link: int, count: int) -> list[bytes]:
    """Frames of a link's stations, each with seven factors."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
    made = []
    for number in range(count):
        station, second = divmod(number, count // (STATIONS // LINKS))
        text = hj212.field_text(start + timedelta(seconds=second))
        cp = ";".join(f"{code}-Rtd={20 + number % 70}.5,{code}-Flag=N" for code in FACTORS)
        segment = (
            f"QN={text}000;ST=22;CN=2011;PW=123456;MN=MN{link * (STATIONS // LINKS) + station:08d};Flag=5;"
            f"CP=&&DataTime={text};{cp}&&"
        )
        made.append(hj212.frame_segment(segment.encode()))
    return made


async def hj212_rate(settings: Settings, seconds: float) -> Result:
    frames = [frames_of(link, 2_000) for link in range(LINKS)]
    acks = 0
    began = time.monotonic()

    async def send(mine: list[bytes]) -> None:
        nonlocal acks
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.port("hj212"))
        sent = answered = 0
        while True:
            more = time.monotonic() - began < seconds
            if more and sent - answered < WINDOW:
                step = sent % len(mine)
                writer.write(b"".join(mine[step : step + 40]))
                sent += 40
                await writer.drain()
                continue
            if answered >= sent:
                break
            data = await asyncio.wait_for(reader.read(1 << 16), 20)
            if b"CN=9011" in data:
                raise SystemExit(f"refused: {data[:200]!r}")
            answered += data.count(b"\n")
        acks += answered
        writer.close()

    await asyncio.gather(*(send(mine) for mine in frames))
    elapsed = time.monotonic() - began
    return Result(f"HJ 212 over TCP, {len(FACTORS)} factors a frame", "frames/s", acks / elapsed, acks * len(FACTORS))


async def count_on_log(bus: Bus) -> int:
    """Readings on the log, taken off it."""
    found = 0
    while messages := await bus.pull_readings("writer", 20, 1):
        for message in messages:
            found += len(decode(message.data))
            await message.ack()
    await bus.jetstream.purge_stream(READINGS)
    return found


async def prepare(settings: Settings) -> str:
    database = Database.connect(database_url(settings), SystemClock())
    plain = [_device(f"p-{number}", "water_pressure", Protocol.HTTP, None) for number in range(DEVICES)]
    stations = [
        _device(f"air-{number}", "air_station", Protocol.HJ212, f"MN{number:08d}") for number in range(STATIONS)
    ]
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await put_all(uow, plain + stations)
        _, secret = await create_token(uow, name="bench", role=Role.GATEWAY, division_code="500000", unit_id=None)
        await uow.commit()
    await database.close()
    return secret


def _device(device_id: str, kind: str, protocol: Protocol, address: str | None) -> Device:
    return Device(device_id, device_id, kind, "500103", None, protocol, address, 106.55, 29.56, True, 300)


async def measure(settings: Settings, secret: str, seconds: float) -> list[tuple[Result, int]]:
    bus = await Bus.connect(settings, "benchmark")
    await bus.ensure_streams()
    results = []
    steps: list[Callable[[], Awaitable[Result]]] = [
        *(lambda form=form: http_rate(settings, secret, form, seconds) for form in FORMS),
        lambda: hj212_rate(settings, seconds),
    ]
    for step in steps:
        err.print("·", end="")
        result = await step()
        results.append((result, await count_on_log(bus)))
    err.print()
    await bus.client.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8)
    seconds = parser.parse_args().seconds
    home = make_home()
    # The gateway's process reads its settings from the data folder.
    (home / "chengnao.toml").write_text(f"base_port = {free_block()}\n")
    settings = load_settings(home)
    try:
        with Stack(home) as stack:
            postgres, nats = Postgres(home), Nats(settings)
            stack.start(Spec("postgres", postgres.prepare, postgres.check, stop_signal=STOP_SIGNAL))
            stack.start(Spec("nats", nats.prepare, nats.check))
            migrate(database_url(settings))
            secret = asyncio.run(prepare(settings))
            asyncio.run(_streams(settings))
            stack.start(python_process("gateway", settings, settings.port("gateway")))
            results = asyncio.run(measure(settings, secret, seconds))
    finally:
        remove_home(home)
    table = Table("what", "rate", "readings acknowledged", "on the log")
    for result, found in results:
        table.add_row(result.what, f"{result.rate:,.0f} {result.unit}", f"{result.readings:,}", f"{found:,}")
    Console().print(table)


async def _streams(settings: Settings) -> None:
    bus = await Bus.connect(settings, "benchmark")
    await bus.ensure_streams()
    await bus.client.close()


if __name__ == "__main__":
    main()
