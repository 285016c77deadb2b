"""Shows how the platform comes up or goes down, one line for each step."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console

from chengnao.app.status import both
from chengnao.kernel.status import PlatformStatus


class Progress:
    """Prints a line whenever a process has reached its state, and names the step under way in between."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._began = time.monotonic()
        self._seen: set[str] = set()
        self._spinner = console.status(both(title))
        self._wanted = "stopped" if title == "progress_stop" else "ready"

    def see(self, status: PlatformStatus) -> None:
        """Take in the newest status."""
        for process in status.processes:
            if process.state == self._wanted and process.name not in self._seen:
                self._seen.add(process.name)
                seconds = f"{time.monotonic() - self._began:.1f} s"
                self._console.print(f"  [green]✓[/] {process.name:<10} {seconds:>7}", highlight=False)
        self._spinner.update(f"{both(self._title)} {status.step}")

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spinner.stop()
