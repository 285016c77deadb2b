"""Reports of devices that speak by messages rather than over a line of their own: found, judged, put on the log."""

import time
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.registry import Entry, RegistryCache, may_write
from chengnao.sensing.gateways.topics import Row, metric_name
from chengnao.sensing.protocols.objects import is_position
from chengnao.sensing.protocols.shape import Refusal, Report
from chengnao.sensing.quarantine.model import Form

_ASK_AGAIN_SECONDS = 1.0


class Reporter:
    """One protocol's way from reports to readings; what cannot be taken is held for the stewards."""

    def __init__(self, intake: Intake, protocol: Protocol) -> None:
        self.intake = intake
        self.protocol = protocol
        self._asked = -60.0

    async def find(self, address: str) -> Entry | None:
        """The device with this address, which may have been registered a moment ago.

        Raises Unavailable where it is not known here and the database is away.
        """
        entry = self.intake.cache.of_address(self.protocol, address)
        # A flood of strangers must not hold up the messages behind them: the registry is asked once a second.
        if entry is not None or time.monotonic() - self._asked < _ASK_AGAIN_SECONDS:
            return entry
        await self.intake.feed.refresh()
        self._asked = time.monotonic()
        return self.intake.cache.of_address(self.protocol, address)

    async def rows(self, report: Report, scope: Scope, *, limited: bool = True) -> Rows | Refusal:
        """The readings of a report that names its device; refused what its sender, rate or time forbids.

        Raises Unavailable where the device may be registered and cannot be looked up.
        """
        address = report.device or ""
        entry = await self.find(address)
        if entry is None:
            return Refusal("unknown_device", report.raw, {"field": "address", "value": address})
        if not may_write(scope, entry):
            return Refusal("device_not_yours", report.raw, {"field": "address", "value": address})
        if limited and not self.intake.limiter.take(entry.index, max(1, len(report.values))):
            params = {"field": "address", "value": address, "limit": int(self.intake.limiter.rate), "retry_after": 1}
            return Refusal("rate_limited", report.raw, params)
        return rows_of(report, entry, self.intake.now_ms())

    def hold(self, refusal: Refusal, peer: str, address: str, scope: Scope) -> None:
        """Keep a message that was refused; one of a known device is its stewards' to see."""
        entry = self.intake.cache.of_address(self.protocol, address)
        if entry is not None and refusal.code != "device_not_yours":
            scope = Scope(entry.division_code, entry.unit_id)
        self.intake.desk.hold(
            self.protocol, peer, address, refusal.code, refusal.params, refusal.raw, Form.MESSAGE, scope
        )


def row_of(cache: RegistryCache, protocol: Protocol, row: Row) -> dict[str, Any] | None:
    """A row of a body under its device's id, its point mapped as the device or its class says.

    None for a part of a place that nothing maps: where a device hangs on a person that would be a trajectory.
    """
    entry = cache.of_address(protocol, row.device) if isinstance(row.device, str) else None
    point = None if entry is None or not isinstance(row.point, str) else entry.points.get(row.point)
    metric, value = row.point, row.value
    if point is not None:
        metric = point.metric
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = value * point.factor + point.offset
    elif not row.native and isinstance(row.point, str):
        if is_position(row.point):
            return None
        metric = metric_name(row.point)
    return {"device": row.device if entry is None else entry.id, "metric": metric, "time": row.time, "value": value}
