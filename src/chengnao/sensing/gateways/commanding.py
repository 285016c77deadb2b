"""Commands from the ledger to the devices that are connected to this process, and their answers back into it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.sensing.commands import service
from chengnao.sensing.commands.model import READY, DeviceCommand
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.protocols.shape import Command, Receipt

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""A device that connects gets what waits for it within so long."""

_MAX_RECEIPTS = 10_000


class Line(Protocol):
    """A gateway that can give commands to the devices of one protocol."""

    @property
    def of_device(self) -> Mapping[str, object]:
        """The connections that stand, by the ids of their devices."""

    def command(self, device_id: str, command: Command) -> bool:
        """Give the command; False where the device is not connected here. Raises Invalid for what it cannot do."""


class Commander:
    """One in each gateway process. A command goes to the process that holds its device's connection, and once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._receipts: asyncio.Queue[tuple[str, Receipt]] = asyncio.Queue(_MAX_RECEIPTS)
        self._wake = asyncio.Event()

    def hear(self, device_id: str, receipt: Receipt) -> None:
        """Take a device's answer; where devices answer more than can be written down, the newest are let go."""
        try:
            self._receipts.put_nowait((device_id, receipt))
        except asyncio.QueueFull:
            log.warning("the answer of %s to %s is lost: too many wait", device_id, receipt.key)
        self._wake.set()

    async def run(self, bus: Bus, lines: Sequence[Line]) -> None:
        """Serve until cancelled; the database may come and go."""

        async def wake(_: str) -> None:
            self._wake.set()

        await bus.listen(READY, wake)
        while True:
            try:
                await self._write_receipts()
                await self.send_waiting(lines)
            except (SQLAlchemyError, OSError) as error:
                log.warning("commands wait: %s", error)
            self._wake.clear()
            if self._receipts.empty():
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()

    async def send_waiting(self, lines: Sequence[Line]) -> int:
        """Send what waits for devices that are connected here; returns how many commands were written."""
        async with self._database.unit_of_work() as uow:
            waiting = await CommandRepository(uow.session).waiting_devices()
        sent = 0
        for device_id in waiting:
            line = next((each for each in lines if device_id in each.of_device), None)
            if line is not None:
                sent += await self._send(line, device_id)
        return sent

    async def _send(self, line: Line, device_id: str) -> bool:
        async with self._database.unit_of_work() as uow:
            command = await service.claim(uow, device_id)
            await uow.commit()
        if command is None:
            return False
        problem: ChengnaoError | None = None
        try:
            if line.command(device_id, Command(command.key, command.name, command.arguments)):
                return True
        except ChengnaoError as error:
            problem = error
        await self._not_sent(command, problem)
        return False

    async def _not_sent(self, command: DeviceCommand, problem: ChengnaoError | None) -> None:
        async with self._database.unit_of_work() as uow:
            if problem is None:
                await service.give_back(uow, command.id)
            else:
                await service.fail(uow, command.id, problem)
            await uow.commit()

    async def _write_receipts(self) -> None:
        while not self._receipts.empty():
            device_id, receipt = self._receipts.get_nowait()
            try:
                async with self._database.unit_of_work() as uow:
                    await service.take_receipt(uow, device_id, receipt)
                    await uow.commit()
            except (SQLAlchemyError, OSError):
                self.hear(device_id, receipt)
                raise
