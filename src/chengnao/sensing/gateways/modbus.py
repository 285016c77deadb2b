"""Modbus TCP: the platform asks. Each address of the network is polled by itself, so that one that is away, slow or
wrong stops no other; devices behind one address (a gateway to a serial line) take turns on its one connection."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.register_maps import RegisterMap
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.modbus_endpoint import LOOK_SECONDS, Common, Endpoint, Target, target_of
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.shape import Command, Refusal

_QUIET = logging.getLogger("pymodbus.logging")


class ModbusGateway:
    """Polls all devices of the protocol and writes to those whose map allows it."""

    def __init__(self, intake: Intake, maps: Mapping[str, RegisterMap]) -> None:
        self.maps = maps
        self._common = Common(intake)
        self._endpoints: dict[tuple[str, int], Endpoint] = {}
        self._targets: dict[str, tuple[Mapping[str, Any], int, Target | None]] = {}

    @property
    def of_device(self) -> Mapping[str, Endpoint]:
        """The connections that stand, by the ids of the devices behind them."""
        return self._common.of_device

    async def run(self) -> None:
        """Poll until cancelled."""
        _QUIET.setLevel(logging.CRITICAL)  # it writes an error for each device that does not answer
        try:
            while True:
                self._arrange()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            tasks = [endpoint.task for endpoint in self._endpoints.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def command(self, device_id: str, command: Command) -> bool:
        """`write` of a `point` that the map marks writable to a `value`; its receipt tells what was read back.

        False where the device is not connected here; raises Invalid for what cannot be written.
        """
        endpoint = self.of_device.get(device_id)
        return endpoint is not None and endpoint.order(device_id, command)

    def _arrange(self) -> None:
        """Bring the endpoints to what the registry says."""
        wanted: dict[tuple[str, int], dict[str, tuple[Entry, Target]]] = {}
        for entry in self._common.intake.cache.speaking(Protocol.MODBUS).values():
            target = self._target(entry)
            if target is None:
                continue
            wanted.setdefault((target.host, target.port), {})[entry.id] = entry, target
        for key in self._endpoints.keys() - wanted.keys():
            self._endpoints.pop(key).task.cancel()
        for key, devices in wanted.items():
            endpoint = self._endpoints.get(key)
            if endpoint is None:
                endpoint = self._endpoints[key] = Endpoint(self._common, *key)
            endpoint.serve(devices)

    def _target(self, entry: Entry) -> Target | None:
        """What the device's settings say; those that cannot be used are told once."""
        known = self._targets.get(entry.id)
        if known is not None and known[0] is entry.settings and known[1] == entry.interval_seconds:
            return known[2]
        target: Target | None = None
        try:
            target = target_of(entry, self.maps)
        except Invalid as error:
            if known is None or known[0] != entry.settings:
                self._common.hold(entry, Refusal(error.code, b"", dict(error.params)))
        self._targets[entry.id] = entry.settings, entry.interval_seconds, target
        return target
