"""The agents that come with the platform: YAML files of this package, and those that packs name by an entry point."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from chengnao.agents.catalogue.definition import digest, read_yaml
from chengnao.agents.catalogue.model import AgentRecord, Shares, Step
from chengnao.agents.catalogue.publishing import put_in_use
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.catalogue.service import FIRST, add_version, new_version
from chengnao.agents.model import Agent
from chengnao.kernel.access.model import SYSTEM
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import CITY

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


async def install_builtin(uow: UnitOfWork, definitions: Sequence[Agent]) -> int:
    """Put the agents that come with the platform into the catalogue, for everybody; returns how many versions are new.

    A new version comes into use at once, unless a person has chosen which version people use, or retired the agent.
    """
    added = 0
    for definition in definitions:
        added += await _install(uow, definition)
    return added


async def _install(uow: UnitOfWork, definition: Agent) -> bool:
    repository = CatalogueRepository(uow.session)
    record = await repository.any(definition.id, lock=True)
    if record is None:
        record = AgentRecord(
            id=definition.id,
            division_code=CITY,
            unit_id=None,
            builtin=True,
            created_at=uow.clock.now(),
            created_by=SYSTEM.id,
            created_by_name=SYSTEM.name,
            latest_version=FIRST,
        )
        await repository.add(record)
        await repository.put_shares(record.id, Shares(division_codes=(CITY,)))
        version = new_version(uow, record, FIRST, definition, SYSTEM, "")
        await repository.add_version(version)
        record = replace(record, published_by=SYSTEM.id)
    elif not record.builtin or await repository.version_with(record.id, digest(definition)) is not None:
        return False
    else:
        version = await add_version(uow, record, definition, SYSTEM, "")
    if record.published_by == SYSTEM.id and record.retired_at is None:
        await put_in_use(uow, SYSTEM, record, Step.PUBLISH, version.version, "")
    return True
