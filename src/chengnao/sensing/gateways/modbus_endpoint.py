"""One address of the network that is polled by Modbus TCP: its connection, the devices behind it, commands to them."""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.register_maps import Read, Register, RegisterMap
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.shape import Command, Receipt, Refusal, Report, Value
from chengnao.sensing.quarantine.model import Form
from chengnao.sensing.readings.model import Quality

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 60.0
MAX_CONNECTING = 64
MAX_ORDERS = 100
_READERS = {"holding": "read_holding_registers", "input": "read_input_registers", "coil": "read_coils",
            "discrete": "read_discrete_inputs"}  # fmt: skip
_FRAMINGS = {"tcp": FramerType.SOCKET, "rtu": FramerType.RTU, "ascii": FramerType.ASCII}
_ILLEGAL_ADDRESS = 2


@dataclass(frozen=True, slots=True)
class Target:
    """What a device's settings say: `host`, `port` (502), `framing` (`tcp`, or `rtu` and `ascii` where a serial line is
    passed on byte by byte), `unit` (1), `map`, `seconds` between polls (the device's interval), `timeout` of a request
    in seconds (3), `retries` of a request (1)."""

    host: str
    port: int
    framing: FramerType
    unit: int
    map: RegisterMap
    seconds: float
    timeout: float
    retries: int


def target_of(entry: Entry, maps: Mapping[str, RegisterMap]) -> Target:
    """Raises Invalid naming the setting that cannot be used."""
    settings = entry.settings
    host, name = settings.get("host"), settings.get("map")
    if not isinstance(host, str) or not host:
        raise _wrong("host", host)
    if not isinstance(name, str) or name not in maps:
        raise _wrong("map", name, ", ".join(maps))
    framing = settings.get("framing", "tcp")
    if framing not in _FRAMINGS:
        raise _wrong("framing", framing, ", ".join(_FRAMINGS))
    return Target(
        host,
        int(_number(settings, "port", 502, 1, 65535)),
        _FRAMINGS[framing],
        int(_number(settings, "unit", 1, 0, 255)),
        maps[name],
        _number(settings, "seconds", entry.interval_seconds, 0.1, 86_400 * 31),
        _number(settings, "timeout", 3.0, 0.05, 60),
        int(_number(settings, "retries", 1, 0, 5)),
    )


@dataclass(slots=True)
class _Polled:
    """One device, and how it has fared."""

    entry: Entry
    settings: Mapping[str, Any]
    target: Target
    due: float
    failures: int = 0
    apart: frozenset[str] = frozenset()
    """Points that the device refuses to have read together with others."""
    wrong: frozenset[str] = frozenset()
    """Points that it refuses altogether, and that were told."""


class Common:
    """What all endpoints of a gateway share."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.of_device: dict[str, Endpoint] = {}
        """The connections that stand, by the ids of the devices behind them."""
        self.connecting = asyncio.Semaphore(MAX_CONNECTING)

    def hold(self, entry: Entry, refusal: Refusal) -> None:
        scope = Scope(entry.division_code, entry.unit_id)
        peer = f"{entry.settings.get('host')}:{entry.settings.get('port', 502)}"
        self.intake.desk.hold(
            Protocol.MODBUS, peer, entry.address, refusal.code, refusal.params, refusal.raw, Form.FRAME, scope
        )


@dataclass(slots=True)
class _Order:
    device_id: str
    command: Command
    point: str
    register: Register
    words: list[int] = field(default_factory=list)


class Endpoint:
    """One address of the network and its connection."""

    def __init__(self, common: Common, host: str, port: int) -> None:
        self._common = common
        self._host, self._port = host, port
        self._devices: dict[str, _Polled] = {}
        self._orders: asyncio.Queue[_Order] = asyncio.Queue(MAX_ORDERS)
        self._client: AsyncModbusTcpClient | None = None
        self._failures = 0
        self._awake = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def serve(self, devices: Mapping[str, tuple[Entry, Target]]) -> None:
        """Poll these devices from now on."""
        for device_id in self._devices.keys() - devices.keys():
            del self._devices[device_id]
            self._common.of_device.pop(device_id, None)
        for device_id, (entry, target) in devices.items():
            polled = self._devices.get(device_id)
            if polled is None or polled.settings != entry.settings or polled.target.seconds != target.seconds:
                # Not all at once: the first poll of each falls somewhere in its first interval, but soon.
                due = time.monotonic() + random.uniform(0, min(target.seconds, 5.0))  # noqa: S311
                self._devices[device_id] = _Polled(entry, entry.settings, target, due)
                self._awake.set()

    def order(self, device_id: str, command: Command) -> bool:
        polled = self._devices.get(device_id)
        if polled is None or self._orders.full():
            return False
        registers = polled.target.map.registers
        if command.name != "write":
            raise Invalid("command_unknown", field="name", value=command.name, known="write")
        point, value = command.arguments.get("point"), command.arguments.get("value")
        register = registers.get(point) if isinstance(point, str) else None
        if register is None or not register.writable:
            known = ", ".join(name for name, each in registers.items() if each.writable)
            raise _wrong("point", point, known)
        if isinstance(value, bool):
            value = float(value)
        if not isinstance(value, int | float):
            raise _wrong("value", value)
        words = register.words(float(value), polled.target.map.order)
        self._orders.put_nowait(_Order(device_id, command, str(point), register, words))
        self._awake.set()
        return True

    async def _run(self) -> None:
        try:
            while True:
                await self._wait()
                if not await self._connected():
                    continue
                while not self._orders.empty():
                    await self._write(self._orders.get_nowait())
                polled = min(self._devices.values(), key=lambda each: each.due, default=None)
                if polled is not None and polled.due <= time.monotonic():
                    await self._poll(polled)
        finally:
            self._drop()

    async def _wait(self) -> None:
        """Until the next device is due or a command comes."""
        self._awake.clear()
        if not self._orders.empty():
            return
        due = min((each.due for each in self._devices.values()), default=time.monotonic() + LOOK_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._awake.wait()

    async def _connected(self) -> bool:
        """Whether the connection stands now; one that fails is tried again after a pause that grows."""
        if self._client is not None and self._client.connected:
            return True
        self._drop()
        first = next(iter(self._devices.values()), None)
        if first is None:
            return False
        target = first.target
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=target.framing,
            timeout=target.timeout,
            retries=target.retries,
            reconnect_delay=0,
        )
        async with self._common.connecting:
            try:
                fine = await client.connect()
            except (OSError, ModbusException):
                fine = False
        if not fine:
            client.close()
            self._failures += 1
            pause = min(LONGEST_PAUSE, 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
            if self._failures == 1:
                log.info("Modbus: %s:%d does not answer", self._host, self._port)
            await asyncio.sleep(pause)
            return False
        self._failures = 0
        self._client = client
        self._common.of_device |= dict.fromkeys(self._devices, self)
        return True

    def _drop(self) -> None:
        for device_id in self._devices:
            self._common.of_device.pop(device_id, None)
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _poll(self, polled: _Polled) -> None:
        target = polled.target
        polled.due = max(polled.due + target.seconds, time.monotonic())
        values: list[Value] = []
        answered = False
        for read in target.map.reads(polled.apart):
            if set(read.points) <= polled.wrong and not self._anew(polled):
                continue
            answer = await self._ask(_READERS[read.table], target.unit, read.address, count=read.size)
            if answer is None:
                break
            answered = True
            if isinstance(answer, ExceptionResponse):
                self._refused(polled, read, answer)
                continue
            words = answer.registers if read.table in {"holding", "input"} else [int(bit) for bit in answer.bits]
            if len(words) < read.size:
                continue
            polled.wrong -= set(read.points)
            values += [
                Value(point, value, Quality.GOOD if good else Quality.SENTINEL)
                for point, value, good in target.map.values(read, words)
            ]
        if answered:
            polled.failures = 0
        else:
            # A unit that is silent holds up its neighbours for a time-out each time: it has its turn less often.
            polled.failures += 1
            pause = min(LONGEST_PAUSE, 2.0 ** min(polled.failures, 10))
            polled.due = time.monotonic() + max(target.seconds, pause)
        if values:
            await self._commit(polled.entry, values)

    def _anew(self, polled: _Polled) -> bool:
        """Points that were refused are tried again now and then: the device may have been set up since."""
        return random.random() < min(1.0, polled.target.seconds / 600)  # noqa: S311

    def _refused(self, polled: _Polled, read: Read, answer: ExceptionResponse) -> None:
        if len(read.points) > 1 and answer.exception_code == _ILLEGAL_ADDRESS:
            polled.apart |= set(read.points)
            polled.due = time.monotonic()
            return
        if not set(read.points) <= polled.wrong:
            polled.wrong |= set(read.points)
            params = {"field": ", ".join(read.points)[:200], "value": answer.exception_code, "address": read.address}
            self._common.hold(polled.entry, Refusal("modbus_exception", b"", params | {"table": read.table}))

    async def _ask(self, method: str, unit: int, address: int, *arguments: Any, **named: Any) -> ModbusPDU | None:
        """The answer; None where there is none in time, or the connection is gone."""
        if self._client is None:
            return None
        try:
            answer: ModbusPDU = await getattr(self._client, method)(address, *arguments, device_id=unit, **named)
        except (ModbusException, OSError, TimeoutError):
            return None
        return answer

    async def _commit(self, entry: Entry, values: list[Value]) -> None:
        """Put the values on the log, however long it is away: this endpoint is not polled meanwhile."""
        intake = self._common.intake
        if not intake.limiter.take(entry.index, len(values)):
            return
        rows = rows_of(Report(values, None, b""), entry, intake.now_ms())
        if isinstance(rows, Refusal) or not len(rows):
            return
        delay = 0.2
        while True:
            try:
                await asyncio.shield(intake.committer.add_rows(rows))
                return
            except Unavailable as error:
                log.warning("Modbus waits with %d readings: %s", len(rows), error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _write(self, order: _Order) -> None:
        polled = self._devices.get(order.device_id)
        if polled is None:
            return
        unit, register = polled.target.unit, order.register
        if register.table == "coil":
            answer = await self._ask("write_coil", unit, register.address, bool(order.words[0]))
        elif register.size == 1:
            answer = await self._ask("write_register", unit, register.address, order.words[0])
        else:
            answer = await self._ask("write_registers", unit, register.address, order.words)
        ok, detail = False, {"point": order.point}
        if answer is None:
            detail["error"] = "no_answer"
        elif isinstance(answer, ExceptionResponse):
            detail["exception"] = str(answer.exception_code)
        else:
            ok, found = await self._read_back(polled, order)
            detail |= found
        self._common.intake.receipts(order.device_id, Receipt(order.command.key, ok, detail))

    async def _read_back(self, polled: _Polled, order: _Order) -> tuple[bool, dict[str, Any]]:
        """What stands in the registers after the write; a device may take a write and do nothing."""
        register, target = order.register, polled.target
        read = Read(register.table, register.address, register.size, (order.point,))
        answer = await self._ask(_READERS[read.table], target.unit, read.address, count=read.size)
        if answer is None or isinstance(answer, ExceptionResponse):
            return True, {"read_back": "none"}
        words = answer.registers if read.table == "holding" else [int(answer.bits[0])]
        found = [value for _, value, _ in target.map.values(read, words)]
        await self._commit(polled.entry, [Value(order.point, value) for value in found])
        return words == order.words, {"value": found[0] if found else None}


def _number(settings: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _wrong(name, value, f"{low:g}…{high:g}")
    return float(value)


def _wrong(field: str, value: Any, known: str = "") -> Invalid:
    return Invalid("modbus_setting", field=field, value=str(value)[:80], known=known)
