"""What happened to edge gateways."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class EdgeEvent(DomainEvent):
    """`subject` is the edge."""

    name: str


@domain_event("edge.silent")
@dataclass(frozen=True, kw_only=True)
class EdgeSilent(EdgeEvent):
    """It has not been heard for half a minute."""


@domain_event("edge.back")
@dataclass(frozen=True, kw_only=True)
class EdgeBack(EdgeEvent):
    """It is heard again."""


@domain_event("edge.changed")
@dataclass(frozen=True, kw_only=True)
class EdgeChanged(EdgeEvent):
    """It switched lines, dropped readings, or took up what was wanted of it, or not."""

    kind: str
