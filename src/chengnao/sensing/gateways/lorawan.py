"""Uplinks of LoRaWAN devices, as network servers tell them over HTTP and MQTT."""

import asyncio

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.reporting import Reporter
from chengnao.sensing.protocols.lorawan_codecs import uplink_values
from chengnao.sensing.protocols.lorawan_uplink import Uplink, read_uplink
from chengnao.sensing.protocols.objects import personal_points
from chengnao.sensing.protocols.shape import Refusal, Report

TOPICS = ("application/+/device/+/event/+", "v3/+/devices/+/up")
"""ChirpStack v4, The Things Stack v3."""

_WITH_READINGS = frozenset({"up", "status"})


class LorawanGateway:
    """A device's address is its DevEUI in lower case."""

    def __init__(self, intake: Intake) -> None:
        self.reporter = Reporter(intake, Protocol.LORAWAN)

    async def rows(self, raw: bytes, event: str, scope: Scope, *, limited: bool = True) -> Rows | Refusal:
        """The readings of one event (none for a join and the like).

        Raises Unavailable where the device may be registered and cannot be looked up.
        """
        uplink = read_uplink(raw, event)
        if isinstance(uplink, Refusal):
            return uplink
        if uplink.event not in _WITH_READINGS:
            return Rows()
        entry = await self.reporter.find(uplink.dev_eui)
        try:
            values = uplink_values(uplink, {} if entry is None else entry.settings)
        except Invalid as error:
            return Refusal(error.code, raw, dict(error.params))
        if isinstance(values, Refusal):
            return values
        report = Report(values, uplink.time, raw, device=uplink.dev_eui, personal=personal_points(values))
        return await self.reporter.rows(report, scope, limited=limited)

    async def take(self, raw: bytes, event: str, peer: str, scope: Scope, only: str | None) -> int | Refusal:
        """How many readings are on the log's disk; what was refused is held. `only`: the sender is this device."""
        found = await self.rows(raw, event, scope)
        if not isinstance(found, Refusal) and only is not None and set(found.device) - {only}:
            found = Refusal("device_not_yours", raw, {"field": "device", "value": found.device[0]})
        if isinstance(found, Refusal):
            self.hold(found, peer, event, scope)
            return found
        if len(found):
            await asyncio.shield(self.reporter.intake.committer.add_rows(found))
        return len(found)

    def hold(self, refusal: Refusal, peer: str, event: str, scope: Scope) -> None:
        """Keep an event that was refused, under the device that it seems to be of."""
        uplink = read_uplink(refusal.raw, event)
        self.reporter.hold(refusal, peer, uplink.dev_eui if isinstance(uplink, Uplink) else "", scope)


def event_of(topic: str) -> str:
    """The kind of event that the topic of ChirpStack tells; empty for The Things Stack, whose text tells it."""
    levels = topic.split("/")
    return levels[5] if levels[0] == "application" and len(levels) == 6 else ""


def is_uplink(topic: str) -> bool:
    levels = topic.split("/")
    chirpstack = len(levels) == 6 and (levels[0], levels[2], levels[4]) == ("application", "device", "event")
    return chirpstack or (len(levels) == 5 and (levels[0], levels[2], levels[4]) == ("v3", "devices", "up"))
