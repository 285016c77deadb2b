"""Refuses to build a distribution without the web console in it."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):  # type: ignore[type-arg]
    """An editable install may do without: its server shows a page that says how to build the console."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        page = Path(self.root) / "src" / "chengnao" / "console" / "static" / "index.html"
        if version != "editable" and not page.exists():
            raise RuntimeError(f"{page} is missing: run `make console` first, then build again")
