"""The process side of thresholds: batches from the log in, warnings and faults out."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import Clock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Device, Life, device_classes
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.devices.roster_repository import RosterRepository
from chengnao.sensing.devices.service import note_presence
from chengnao.sensing.readings.model import UnreadableBatchError, decode
from chengnao.warning import service
from chengnao.warning.evaluator import Evaluator
from chengnao.warning.faults import Duty, FaultDetector
from chengnao.warning.model import DeviceFacts, Step, ThresholdRule
from chengnao.warning.repository import WarningRepository
from chengnao.warning.series import SeriesIndex

log = logging.getLogger(__name__)

CONSUMER = "warning"
REFRESH_SECONDS = 2.0
"""How often changed rules and devices are taken up, and faults looked for."""


@dataclass(frozen=True)
class _Registered:
    """What the evaluator needs to know of a device."""

    class_code: str
    interval_seconds: float
    on_duty: bool


class ThresholdWatch:
    """Evaluates the readings on the log against all rules, and keeps what it finds.

    A message is acknowledged once everything it caused is committed; the state of the evaluator is committed with
    it, so a message that comes again after a crash changes nothing.
    """

    def __init__(self, database: Database, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._rules: dict[str, ThresholdRule] = {}
        self._devices: dict[str, _Registered] = {}
        self._devices_read: datetime | None = None
        self._last_seen: pa.Table | None = None
        self._evaluator: Evaluator | None = None
        self._faults: FaultDetector | None = None
        self._lock = asyncio.Lock()
        self.lag: int | None = None

    async def load(self, last_seen: pa.Table | None = None) -> None:
        """Read rules, devices and state; `last_seen`: the newest reading of each series in the readings store."""
        async with self._lock, self._database.unit_of_work() as uow:
            self._last_seen = last_seen
            await self._read_devices(uow)
            await self._rebuild(uow, await WarningRepository(uow.session).all_rules(), keep=False)
            await uow.commit()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._consume())
            group.create_task(self._refresh_forever())

    async def _consume(self) -> None:
        while True:
            try:
                # One at a time: waiting for a second message would delay the first.
                messages = await self._bus.pull_readings(CONSUMER, 1, 1.0)
            except (Unavailable, NatsError, OSError) as error:
                log.warning("readings cannot be pulled: %s", error)
                await asyncio.sleep(0.5)
                continue
            for message in messages:
                await self._take(message)

    async def _take(self, message: Msg) -> None:
        try:
            table = decode(message.data)
        except UnreadableBatchError:
            log.exception("a batch on the log is unreadable and passed over")
        else:
            await self._evaluate_until_kept(table)
        try:
            await message.ack()
        except (NatsError, OSError) as error:
            log.warning("ack lost, the batch will come again: %s", error)

    async def _evaluate_until_kept(self, table: pa.Table) -> None:
        while True:
            try:
                await self.evaluate(table)
            except (SQLAlchemyError, OSError) as error:
                log.warning("warnings wait for the database: %s", error)
                await asyncio.sleep(0.5)
            else:
                return

    async def evaluate(self, table: pa.Table) -> list[Step]:
        """Evaluate one batch and commit what it caused; where that fails, memory goes back to what is stored."""
        async with self._lock:
            if self._evaluator is None or self._faults is None:
                await self._reload()
            assert self._evaluator is not None
            assert self._faults is not None
            rows = self._evaluator.index.read(table)
            if rows.unknown_devices and await self._take_up_devices():
                rows = self._evaluator.index.read(table)
            steps = self._evaluator.evaluate(rows)
            if steps:
                try:
                    async with self._database.unit_of_work() as uow:
                        facts = await _facts(uow, {step.state.device_id for step in steps})
                        await service.record_steps(uow, steps, self._rules, facts)
                        await uow.commit()
                except BaseException:
                    self._evaluator = None
                    raise
            self._faults.observe(rows)
            return steps

    async def _take_up_devices(self) -> bool:
        """The gateways take in readings of a device as soon as it is registered, so this must not lag behind them."""
        async with self._database.unit_of_work() as uow:
            if not await self._read_devices(uow):
                return False
            await self._rebuild(uow, await WarningRepository(uow.session).all_rules(), keep=True)
            await uow.commit()
            return True

    async def _reload(self) -> None:
        async with self._database.unit_of_work() as uow:
            await self._rebuild(uow, await WarningRepository(uow.session).all_rules(), keep=False)
            await uow.commit()

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError, Unavailable, NatsError) as error:
                log.warning("rules and faults wait: %s", error)

    async def refresh(self) -> None:
        """Take up changed rules and devices, then look for faults."""
        self.lag = await self._bus.lag(READINGS, CONSUMER)
        async with self._lock, self._database.unit_of_work() as uow:
            rules = await WarningRepository(uow.session).all_rules()
            devices_changed = await self._read_devices(uow)
            if devices_changed or {rule.id: rule for rule in rules} != self._rules or self._faults is None:
                await self._rebuild(uow, rules, keep=True)
            assert self._faults is not None
            before = self._faults.known()
            now = _milliseconds(self._clock.now())
            steps = self._faults.sweep(now, missing=self.lag == 0)
            presence = self._faults.presence(now) if self.lag == 0 else None
            try:
                if steps:
                    facts = await _facts(uow, {step.device_id for step in steps})
                    await service.record_faults(uow, steps, facts)
                if presence is not None:
                    await note_presence(uow, presence.came, presence.went)
                await uow.commit()
            except BaseException:
                self._faults.restore(before)
                raise
            if presence is not None:
                self._faults.settle(presence)

    async def _read_devices(self, uow: UnitOfWork) -> bool:
        if self._devices_read is None:
            await self._read_all(uow)
            return True
        changed, self._devices_read = await DeviceRepository(uow.session).changed_since(self._devices_read)
        fresh = {
            device.id: _Registered(device.class_code, device.interval_seconds, device.life.on_duty)
            for device in changed
        }
        different = any(self._devices.get(device) != registered for device, registered in fresh.items())
        self._devices |= fresh
        return different

    async def _read_all(self, uow: UnitOfWork) -> None:
        """The first time; most devices are alike, and share what is known of them."""
        since = await DeviceRepository(uow.session).horizon()
        alike: dict[tuple[str, float, str], _Registered] = {}
        async for part in RosterRepository(uow.session).all():
            for each in part:
                key = each.class_code, each.interval_seconds, each.life
                if key not in alike:
                    alike[key] = _Registered(each.class_code, each.interval_seconds, Life(each.life).on_duty)
                self._devices[each.id] = alike[key]
        self._devices_read = since

    async def _rebuild(self, uow: UnitOfWork, rules: Iterable[ThresholdRule], *, keep: bool) -> None:
        """Make the evaluator anew from what is stored; `keep` what only memory knows."""
        repository = WarningRepository(uow.session)
        self._rules = {rule.id: rule for rule in rules}
        classes = device_classes()
        index = SeriesIndex(
            ((device, registered.class_code) for device, registered in self._devices.items()),
            {code: list(each.metrics) for code, each in classes.items()},
        )
        evaluator = Evaluator(self._rules.values(), index)
        await service.drop_orphans(uow, evaluator.restore(await repository.states()))
        stuck = {
            (code, metric.code): metric.stuck_seconds
            for code, each in classes.items()
            for metric in each.metrics.values()
            if metric.stuck_seconds is not None
        }
        intervals = {device: registered.interval_seconds for device, registered in self._devices.items()}
        now = _milliseconds(self._clock.now())
        off = frozenset(device for device, registered in self._devices.items() if not registered.on_duty)
        online = await DeviceRepository(uow.session).online() if self._faults is None else ()
        faults = FaultDetector(index, Duty(stuck, intervals, off), await repository.open_faults(), now, online)
        if keep and self._evaluator is not None:
            evaluator.carry_from(self._evaluator)
        if self._faults is not None:
            faults.carry_from(self._faults)
        elif self._last_seen is not None:
            seen = self._last_seen.group_by("device").aggregate([("time", "max")])
            faults.remember(seen.column("device").to_pylist(), pc.cast(seen.column("time_max"), pa.int64()).to_pylist())
            self._last_seen = None
        self._evaluator, self._faults = evaluator, faults


async def _facts(uow: UnitOfWork, ids: set[str]) -> dict[str, DeviceFacts]:
    return {device.id: _fact(device) for device in await DeviceRepository(uow.session).by_ids(Scope(), list(ids))}


def _fact(device: Device) -> DeviceFacts:
    metrics = device_classes()[device.class_code].metrics
    return DeviceFacts(
        id=device.id,
        name=device.name,
        division_code=device.division_code,
        unit_id=device.unit_id,
        lon=device.lon if device.place_ok else None,
        lat=device.lat if device.place_ok else None,
        metric_names={code: metric.name_zh for code, metric in metrics.items()},
        metric_units={code: metric.unit for code, metric in metrics.items()},
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
