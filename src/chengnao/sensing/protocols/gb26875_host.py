"""A fire alarm host's states: each stands while any of its systems or components has it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chengnao.sensing.protocols.gb26875_adu import Item
from chengnao.sensing.protocols.shape import Value

MAX_STANDING = 10_000
"""So many systems and components are told apart in each state."""

_STANDING = ("fire", "fault", "shield", "supervise", "start", "feedback", "delay", "power_fault")
_OWN = ("normal", "main_power_fault", "backup_power_fault", "bus_fault", "manual")
_EVENTS = ("config_changed", "reset")

_Key = tuple[int, int, int]


@dataclass(slots=True)
class Host:
    """Which systems and components stand in which state, as far as one connection has told."""

    standing: dict[str, set[_Key]] = field(default_factory=lambda: {name: set() for name in _STANDING})

    def system(self, item: Item, flags: dict[str, bool]) -> list[Value]:
        """What a system says of itself; where it is well, so are its components."""
        system = _system(item)
        told = [name for name in _STANDING if name in flags]
        for name in told:
            if flags[name]:
                self._put(name, (*system, -1))
            else:
                self._clear(name, system)
        own = [Value(name, float(flags[name])) for name in _OWN]
        return [*own, *self._states(told), *(Value(name, 1) for name in _EVENTS if flags[name])]

    def component(self, item: Item, flags: dict[str, bool]) -> list[Value]:
        """What a component says: its own state as a number, and what stands for the host now."""
        system, address = _system(item), item.numbers["component_address"]
        for name in _STANDING:
            if flags[name]:
                self._put(name, (*system, address))
            else:
                self.standing[name].discard((*system, address))
        own = Value(f"state.{system[0]}.{item.numbers['component_type']}.{address}", item.numbers["status"])
        return [own, *self._states(_STANDING)]

    def reset(self, item: Item) -> list[Value]:
        """A person has reset a system: what had stood there has ended."""
        system = _system(item)
        ended = [name for name, keys in self.standing.items() if any(key[:2] == system for key in keys)]
        for name in ended:
            self._clear(name, system)
        return self._states(ended)

    def _put(self, name: str, key: _Key) -> None:
        if len(self.standing[name]) < MAX_STANDING:
            self.standing[name].add(key)

    def _clear(self, name: str, system: tuple[int, int]) -> None:
        self.standing[name] = {key for key in self.standing[name] if key[:2] != system}

    def _states(self, names: Iterable[str]) -> list[Value]:
        return [Value(name, float(bool(self.standing[name]))) for name in names]


def _system(item: Item) -> tuple[int, int]:
    return item.numbers["system_type"], item.numbers["system_addr"]
