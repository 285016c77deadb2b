"""Messages of MQTT into readings, by their topics: templates, Sparkplug B, network servers of LoRaWAN."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lorawan import TOPICS as LORAWAN_TOPICS
from chengnao.sensing.gateways.lorawan import LorawanGateway, event_of, is_uplink
from chengnao.sensing.gateways.reporting import Reporter, row_of
from chengnao.sensing.gateways.topics import Template
from chengnao.sensing.protocols.shape import Now, Refusal, Report
from chengnao.sensing.protocols.sparkplug import NAMESPACE, decode, read_topic
from chengnao.sensing.protocols.sparkplug_session import Rebirth, Sessions
from chengnao.sensing.quarantine.model import Form, Held

SPARKPLUG_TOPICS = f"{NAMESPACE}/#"
_COMMANDS = frozenset({"NCMD", "DCMD"})


@dataclass(slots=True)
class Taken:
    """What messages held: rows still to be judged, readings that are judged, and what is to be published."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    judged: Rows = field(default_factory=Rows)
    replies: list[Rebirth] = field(default_factory=list)


class MessageReader:
    """Reads the messages of one broker, in the order in which they came."""

    def __init__(self, intake: Intake, templates: Sequence[Template]) -> None:
        self.intake = intake
        self.templates = templates
        self.sessions = Sessions()
        self.lorawan = LorawanGateway(intake)
        self._sparkplug = Reporter(intake, Protocol.SPARKPLUG)

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        return [*dict.fromkeys(each.filter for each in self.templates), SPARKPLUG_TOPICS, *LORAWAN_TOPICS]

    async def read(self, topic: str, payload: bytes, into: Taken) -> None:
        """Add what the message holds; what cannot be taken is held.

        Raises Unavailable where a device may be registered and cannot be looked up; the message is to be read again.
        """
        if topic.startswith(NAMESPACE + "/"):
            await self._read_sparkplug(topic, payload, into)
        elif is_uplink(topic):
            event = event_of(topic)
            found = await self.lorawan.rows(payload, event, Scope())
            if isinstance(found, Refusal):
                self.lorawan.hold(found, topic, event, Scope())
            else:
                into.judged.extend(found)
        else:
            try:
                into.rows += self.template_rows(topic, payload, self.intake.clock.now())
            except Invalid as error:
                self._hold(topic, payload, error)

    async def read_again(self, piece: Held) -> Taken:
        """What a held message holds now; raises Invalid with what is still wrong with it."""
        taken = Taken()
        scope = Scope(piece.division_code, piece.unit_id)
        if piece.source is Protocol.MQTT:
            taken.rows = self.template_rows(piece.peer, piece.payload, piece.received_at)
        elif piece.source is Protocol.LORAWAN:
            found = await self.lorawan.rows(piece.payload, event_of(piece.peer), scope, limited=False)
            _add(found, taken)
        else:
            topic, payload = read_topic(piece.peer), decode(piece.payload)
            if topic is None or isinstance(payload, Refusal):
                raise Invalid("message_unreadable", field="payload", reason_zh="不是 Sparkplug B 消息",
                              reason_en="this is no message of Sparkplug B")  # fmt: skip
            # Its names and types are those of the message itself: which birth it followed is not known any more.
            for act in Sessions().hear(topic, payload, Now(piece.received_at, 0.0)):
                if isinstance(act, Report):
                    _add(await self._sparkplug.rows(act, scope, limited=False), taken)
        return taken

    def template_rows(self, topic: str, payload: bytes, now: datetime) -> list[dict[str, Any]]:
        """The rows of a message by the first template whose topic it has; raises Invalid where it says nothing."""
        for template in self.templates:
            said = template.match(topic)
            if said is not None:
                rows = template.rows(said, payload, now)
                return [row for each in rows if (row := row_of(self.intake.cache, Protocol.MQTT, each)) is not None]
        raise Invalid("topic_unknown", field="topic", value=topic)

    async def _read_sparkplug(self, name: str, raw: bytes, into: Taken) -> None:
        topic = read_topic(name)
        if topic is None:
            return  # the state of host applications
        if topic.message in _COMMANDS:
            return
        payload = decode(raw)
        if isinstance(payload, Refusal):
            self._sparkplug.hold(payload, name, topic.address, Scope())
            return
        await self._sparkplug.find(topic.address)  # before the session moves on: the message may have to be read again
        for act in self.sessions.hear(topic, payload, Now(self.intake.clock.now(), time.monotonic())):
            if isinstance(act, Rebirth):
                into.replies.append(act)
                continue
            found = await self._sparkplug.rows(act, Scope())
            if isinstance(found, Refusal):
                self._sparkplug.hold(found, name, topic.address, Scope())
            else:
                into.judged.extend(found)

    def _hold(self, topic: str, payload: bytes, error: Invalid) -> None:
        said = next((said for each in self.templates if (said := each.match(topic)) is not None), {})
        self.intake.desk.hold(
            Protocol.MQTT, topic, said.get("device", "")[:64], error.code, error.params, payload, Form.MESSAGE, Scope()
        )


def _add(found: Rows | Refusal, taken: Taken) -> None:
    if isinstance(found, Refusal):
        raise Invalid(found.code, **found.params)
    taken.judged.extend(found)
