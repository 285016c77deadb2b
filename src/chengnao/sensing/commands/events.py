"""What happened to commands."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@domain_event("command.changed")
@dataclass(frozen=True, kw_only=True)
class CommandChanged(DomainEvent):
    """`subject` is the command."""

    device_id: str
    name: str
    effect: str
    state: str
