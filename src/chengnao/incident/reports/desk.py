"""The desk of an installation: what its data folder holds that reports are taken in with."""

from functools import cache
from pathlib import Path

from chengnao.incident.reports.service import Desk, nothing_understood
from chengnao.kernel.privacy.vault import Vault


@cache
def desk_at(home: Path) -> Desk:
    """The desk of the data folder, one in a process."""
    return Desk(Vault.of(home), nothing_understood)
