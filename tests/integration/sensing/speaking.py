"""Simulated devices that speak to a gateway in this process over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.shape import Wire
from chengnao.sensing.quarantine.model import Held
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from chengnao.sensing.simulators.shape import Device


class Spoken:
    """A simulated device with its connection; what the platform says is heard and answered by itself."""

    def __init__(self, device: Device, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.device = device
        self.said = bytearray()
        """All that the platform has said so far."""
        self._reader = reader
        self._writer = writer
        self._duty = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, device: Device, gateway: LineGateway) -> "Spoken":
        spoken = cls(device, *await asyncio.open_connection(*gateway.address))
        spoken.send(device.hello(now()))
        return spoken

    def send(self, data: bytes) -> None:
        if data:
            self._writer.write(data)

    async def close(self) -> None:
        self._writer.close()
        self._duty.cancel()
        with suppress(asyncio.CancelledError):
            await self._duty

    async def _listen(self) -> None:
        while data := await self._reader.read(4096):
            self.said += data
            self.send(self.device.hear(data, now()))


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def serving(wire: Wire[Any], intake: Intake) -> AsyncIterator[LineGateway]:
    """A gateway of the protocol, on a port of its own."""
    gateway = LineGateway(wire, intake)
    await gateway.start("127.0.0.1", 0)
    duty = asyncio.create_task(gateway.run())
    yield gateway
    duty.cancel()
    await gateway.close()


async def until(what: Callable[[], object], seconds: float = 8) -> None:
    """Wait until it is so; fails where it does not become so in time."""
    ends = asyncio.get_running_loop().time() + seconds
    while not what():
        assert asyncio.get_running_loop().time() < ends, "it did not come about in time"
        await asyncio.sleep(0.02)


async def held(database: Database, intake: Intake) -> list[Held]:
    """What stands in the quarantine."""
    await intake.desk.flush()
    async with database.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope(), HeldFilter(), PageRequest(1, 100))
    return page.items
