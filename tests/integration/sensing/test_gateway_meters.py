"""DL/T 645 and CJ/T 188 over TCP: a simulated concentrator, its meters asked in turn, the log and the quarantine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.protocols import dlt645
from chengnao.sensing.protocols.shape import Command, Receipt
from chengnao.sensing.protocols.wires import wire
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import QuarantineRepository
from chengnao.sensing.simulators.concentrator import Concentrator
from chengnao.sensing.simulators.simulations import simulation

from .conftest import device
from .logged import keys, logged
from .speaking import Spoken, held, now, until

pytestmark = pytest.mark.engines


@asynccontextmanager
async def gateway_of(
    protocol: Protocol, class_code: str, city: Database, intake: Intake, meters: int = 3, **given: Any
) -> AsyncIterator[tuple[LineGateway, Concentrator]]:
    """A gateway that knows a concentrator and so many of its meters."""
    made = simulation(protocol).make(1)
    assert isinstance(made, Concentrator)
    common = {"protocol": protocol}
    async with city.unit_of_work() as uow:
        settings = {"answer_seconds": 0.5}
        await put_all(
            uow,
            [
                device("dtu-1", "meter_concentrator", address=made.address, settings=settings, **common),
                *(
                    device(f"m-{number}", class_code, address=address, settings={"via": "dtu-1", **given}, **common)
                    for number, address in enumerate(made.meters[:meters], 1)
                ),
            ],
        )
        await uow.commit()
    await intake.feed.refresh()
    gateway = LineGateway(wire(protocol), intake)
    await gateway.start("127.0.0.1", 0)
    duty = asyncio.create_task(gateway.run())
    try:
        yield gateway, made
    finally:
        duty.cancel()
        await gateway.close()


async def test_electricity_meters_behind_a_concentrator(city: Database, intake: Intake, bus: Bus) -> None:
    async with gateway_of(Protocol.DLT645, "electricity_meter", city, intake) as (gateway, dtu):
        dtu.echoes = True
        spoken = await Spoken.connect(dtu, gateway)
        await until(lambda: dtu.acknowledged == 12)
        await asyncio.sleep(0.2)
        found = keys(await logged(bus))
        assert {key[:2] for key in found} == {
            *(
                (f"m-{number}", metric)
                for number in (1, 2, 3)
                for metric in ("energy", "voltage_a", "current_a", "power")
            ),
            ("dtu-1", "answering"),
            ("dtu-1", "silent"),
        }
        assert {key[4] for key in found} == {"good"}
        assert await held(city, intake) == []
        await spoken.close()


async def test_water_meters_of_two_makers_and_one_that_is_off(city: Database, intake: Intake, bus: Bus) -> None:
    async with gateway_of(Protocol.CJT188, "water_meter", city, intake) as (gateway, dtu):
        dtu.silent = {dtu.meters[0]}
        spoken = await Spoken.connect(dtu, gateway)
        await until(lambda: dtu.acknowledged == 2, 15)
        await asyncio.sleep(0.3)
        found = {key[:2]: key[3] for key in keys(await logged(bus))}
        assert {device_id for device_id, _ in found} == {"m-2", "m-3", "dtu-1"}
        assert (found["dtu-1", "answering"], found["dtu-1", "silent"]) == (2.0, 1.0)
        assert found["m-2", "volume"] > 0
        await spoken.close()


async def test_a_stranger_among_the_meters_is_held_and_replayed_once_registered(
    city: Database, intake: Intake, bus: Bus
) -> None:
    async with gateway_of(Protocol.DLT645, "electricity_meter", city, intake, meters=0) as (gateway, dtu):
        spoken = await Spoken.connect(dtu, gateway)
        await until(lambda: "dtu-1" in gateway.of_device)
        reading = dlt645.encode(dtu.meters[0], 0x91, bytes.fromhex("00000100") + bytes.fromhex("56341200"))
        spoken.send(reading + reading[:-2] + b"\x00\x16")
        await asyncio.sleep(0.3)
        pieces = {piece.reason: piece for piece in await held(city, intake)}
        assert set(pieces) == {"unknown_device", "bad_checksum"}
        piece = pieces["unknown_device"]
        async with city.unit_of_work() as uow:
            meter = device("m-9", "electricity_meter", protocol=Protocol.DLT645, address=dtu.meters[0])
            await put_all(uow, [meter])
            await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, now())
            await uow.commit()
        await Replayer(intake, city).replay_some()
        assert [key[:2] + key[3:4] for key in keys(await logged(bus))] == [("m-9", "energy", 1234.56)]
        await spoken.close()


async def test_commands_reach_a_meter_through_its_concentrator(city: Database, intake: Intake, bus: Bus) -> None:
    answered: list[Receipt] = []
    devices: list[str] = []

    def take(device_id: str, receipt: Receipt) -> None:
        devices.append(device_id)
        answered.append(receipt)

    intake.receipts = take
    given: dict[str, Any] = {"password": "02123456", "operator": "00000001"}
    async with gateway_of(Protocol.DLT645, "electricity_meter", city, intake, **given) as (gateway, dtu):
        assert not gateway.command("m-1", Command("k-0", "read", {"di": "02800002"}))
        spoken = await Spoken.connect(dtu, gateway)
        await until(lambda: "dtu-1" in gateway.of_device)
        assert gateway.command("m-1", Command("k-1", "read", {"di": "02800002"}))
        assert gateway.command("m-2", Command("k-2", "switch", {"state": "off"}))
        assert gateway.command("m-3", Command("k-3", "read", {"di": "04000101"}))
        await until(lambda: len(answered) == 3)
        assert [(receipt.key, receipt.ok) for receipt in answered] == [("k-1", True), ("k-2", True), ("k-3", False)]
        assert answered[0].detail["value"] == 50.02
        assert devices == ["m-1", "m-2", "m-3"]
        await until(lambda: {"dtu-1", "m-1", "m-2", "m-3"} <= gateway.of_device.keys())
        await asyncio.sleep(0.2)
        assert ("m-1", "frequency") in {key[:2] for key in keys(await logged(bus))}
        await spoken.close()


async def test_an_unknown_concentrator_is_held_and_its_meters_are_not_asked(city: Database, intake: Intake) -> None:
    async with gateway_of(Protocol.CJT188, "water_meter", city, intake) as (gateway, _):
        stranger = await Spoken.connect(simulation("cjt188").make(2), gateway)
        await until(lambda: gateway.unknown)
        await asyncio.sleep(0.3)
        assert stranger.said == b""
        [piece] = await held(city, intake)
        assert (piece.reason, piece.device_hint) == ("unknown_device", "DTU000002")
        await stranger.close()
