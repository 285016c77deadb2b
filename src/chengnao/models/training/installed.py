"""Models in use that were put in place without a training job are entered in the registry as well."""

from pathlib import Path

from chengnao.kernel.database import UnitOfWork
from chengnao.models.training.recipe import recipes
from chengnao.models.training.results import register_installed


class Installed:
    """Looks at the files of models in use; one that has not changed since the last look costs nothing."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: dict[str, tuple[int, int]] = {}

    async def enter(self, uow: UnitOfWork) -> None:
        """Enter what is new; the caller commits."""
        for recipe in recipes().values():
            if recipe.installed is None:
                continue
            try:
                found = recipe.installed(self._home).stat()
            except OSError:
                continue
            state = (found.st_mtime_ns, found.st_size)
            if self._seen.get(recipe.kind) != state:
                await register_installed(uow, self._home, recipe)
                self._seen[recipe.kind] = state
