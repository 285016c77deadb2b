"""The agents that come with the platform: YAML files of this package, and those that packs name by an entry point."""

import logging
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from chengnao.agents.catalogue.definition import read_yaml
from chengnao.agents.model import Agent

log = logging.getLogger(__name__)

_OWN = "chengnao.agents.general"
_AN_AGENT = re.compile(r"^id:", re.MULTILINE)
"""What the file of an agent has and a file of rules beside it has not."""


def builtin_agents() -> list[Agent]:
    """The agents of the folder `agents/general`, and of each package that an entry point of the group
    `chengnao.agents` names.

    A file that cannot be read is left out, and the log says where it is wrong: one bad pack stops nothing.
    """
    found: dict[str, Agent] = {}
    for folder in folders():
        for name, text in texts(folder):
            if not _AN_AGENT.search(text):
                continue
            checked = read_yaml(text)
            if checked.definition is None:
                for each in checked.problems:
                    log.error("agent %s is left out: line %s, %s: %s", name, each.line, each.path, each.en)
            elif found.setdefault(checked.definition.id, checked.definition) is not checked.definition:
                log.error("agent %s is left out: %s is defined twice", name, checked.definition.id)
    return list(found.values())


def folders() -> Iterator[Traversable]:
    """The folder of the general agents, and that of each pack."""
    for package in (_OWN, *(point.value for point in entry_points(group="chengnao.agents"))):
        try:
            yield files(package)
        except Exception:
            log.exception("the agents of %s are left out", package)


def texts(folder: Traversable) -> Iterator[tuple[str, str]]:
    """The YAML files of a folder, by name."""
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".yaml") and entry.is_file():
            yield entry.name, entry.read_text("utf-8")
