"""All simulated devices by the name of their protocol."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from chengnao.kernel.errors import Invalid
from chengnao.sensing import simulators
from chengnao.sensing.protocols.wires import wire_names
from chengnao.sensing.simulators.shape import Simulation


@cache
def simulation_names() -> tuple[str, ...]:
    present = {module.name for module in iter_modules(simulators.__path__)}
    return tuple(name for name in wire_names() if name in present)


def simulation(name: str) -> Simulation:
    """The simulation of the protocol; raises Invalid naming the known ones."""
    if name not in simulation_names():
        known = ", ".join(simulation_names())
        raise Invalid("protocol_unknown", field="protocol", protocol=name, known=known)
    found: Simulation = import_module(f"chengnao.sensing.simulators.{name}").SIMULATION
    return found
