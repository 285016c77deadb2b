"""The simulated devices of every protocol, many at once, at the real gateway of their protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
import typer
from typer.testing import CliRunner

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.sensing.cli import simulate_devices
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.wires import wire
from chengnao.sensing.simulators.runner import Load, Tally, simulate
from chengnao.sensing.simulators.simulations import simulation, simulation_names

from .conftest import device
from .logged import logged

pytestmark = pytest.mark.engines

COUNT = 3
CONNECTING = [name for name in simulation_names() if simulation(name).transport != "listen"]

app = typer.Typer()
app.command("simulate-devices")(simulate_devices)
app.command("other")(lambda: None)


@asynccontextmanager
async def gateway_of(name: str, city: Database, intake: Intake, port: int = 0) -> AsyncIterator[LineGateway]:
    played = simulation(name)
    async with city.unit_of_work() as uow:
        devices = [
            device(f"{name}-{n}", played.class_code, protocol=Protocol(name), address=played.make(n).address)
            for n in range(COUNT)
        ]
        await put_all(uow, devices)
        await uow.commit()
    await intake.feed.refresh()
    gateway = LineGateway(wire(name), intake)
    await gateway.start("127.0.0.1", port)
    duty = asyncio.create_task(gateway.run())
    try:
        yield gateway
    finally:
        duty.cancel()
        await gateway.close()


@pytest.mark.parametrize("name", CONNECTING)
async def test_every_report_is_acknowledged(name: str, city: Database, intake: Intake, bus: Bus) -> None:
    seen: list[int] = []
    async with gateway_of(name, city, intake) as gateway:
        load = Load(simulation(name), *gateway.address, count=COUNT, rate=6, seconds=1.5)
        tally = await simulate(load, lambda now: seen.append(now.connected))
        assert gateway.frames >= tally.sent
    assert (tally.errors, tally.last_error) == (0, "")
    assert tally.acknowledged >= tally.sent
    assert max(seen) == COUNT
    if tally.sent:  # meters behind a concentrator only answer
        assert len(await logged(bus)) > 0


async def test_devices_connect_again_and_go_on(city: Database, intake: Intake, bus: Bus) -> None:
    tallies: list[Tally] = []
    async with gateway_of("hj212", city, intake) as gateway:
        host, port = gateway.address
        load = Load(simulation("hj212"), host, port, count=COUNT, rate=None, window=4, seconds=4.0)
        playing = asyncio.create_task(simulate(load, tallies.append))
        await asyncio.sleep(1.0)
        for link in list(gateway.links):
            link.finish()
        cut = sum(1 for _ in gateway.links)
        tally = await playing
    assert tally.errors >= COUNT
    assert cut <= COUNT
    assert tally.acknowledged > COUNT * 4
    assert len(await logged(bus)) > 0


async def test_command(city: Database, intake: Intake) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["simulate-devices", "hj212", *arguments])
        return result.exit_code, result.stdout

    code, listed = await asyncio.to_thread(run, "--addresses", "--count", "2", "--first", "7")
    assert [orjson.loads(line)["address"][-1] for line in listed.splitlines()] == ["7", "8"]
    async with gateway_of("hj212", city, intake) as gateway:
        to = "{}:{}".format(*gateway.address)
        code, shown = await asyncio.to_thread(
            run, "--to", to, "--count", "2", "--rate", "20", "--seconds", "1", "--json"
        )
        told = orjson.loads(shown)
        assert code == 0
        assert told["acknowledged"] == told["sent"] > 10
    code, shown = await asyncio.to_thread(run, "--to", to, "--seconds", "0.2", "--json")
    assert code == 1
    assert orjson.loads(shown)["errors"] > 0
    assert (await asyncio.to_thread(run, "--to", "nowhere"))[0] != 0
