"""What the centre wants of an edge, taken up on trial: what cuts the edge off from the centre is taken back."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.files import write_atomically
from chengnao.sensing.edge.configuration import EdgeSettings, Tuning
from chengnao.sensing.edge.model import Change

log = logging.getLogger(__name__)

CONFIRM_SECONDS = 60.0
UPDATE_CONFIRM_SECONDS = 300.0
RESTART = 75
"""The exit code with which an edge asks whoever runs it to start it again."""
_UPDATE_SECONDS = 1800.0
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,39}")

Tell = Callable[[Change, dict[str, Any]], None]


class RestartError(Exception):
    """The edge is to be started again."""


@dataclass
class _Tuned:
    revision: int = 0
    tuning: dict[str, Any] | None = None
    trial: bool = False
    before: dict[str, Any] | None = None
    error: str = ""


class TuningKeeper:
    """The tuning from the centre, kept on disk."""

    def __init__(self, settings: EdgeSettings, file: Path, apply: Callable[[EdgeSettings], None], tell: Tell) -> None:
        self._settings = settings
        self._file = file
        self._apply = apply
        self._tell = tell
        self._since = time.monotonic()
        self._kept = _read(file)
        if self._kept.tuning is not None:
            apply(settings.tuned(Tuning.model_validate(self._kept.tuning)))

    @property
    def shown(self) -> dict[str, Any]:
        return {"revision": self._kept.revision, "trial": self._kept.trial, "error": self._kept.error}

    def want(self, revision: int, wanted: dict[str, Any]) -> None:
        """Take up a revision that is another than the one here."""
        if revision == self._kept.revision:
            return
        before = self._kept.tuning
        try:
            settings = self._settings.tuned(Tuning.model_validate(wanted))
            self._apply(settings)
        except (ValidationError, ChengnaoError, OSError, ValueError) as error:
            reason = str(error).replace("\n", " ")[:300]
            self._keep(_Tuned(revision, before, error=reason))
            self._tell(Change.FAILED, {"revision": revision, "reason": reason})
            return
        self._since = time.monotonic()
        self._keep(_Tuned(revision, wanted, trial=True, before=before))

    def confirm(self) -> None:
        """The centre was reached since: what is on trial stands."""
        if self._kept.trial:
            self._keep(_Tuned(self._kept.revision, self._kept.tuning))
            self._tell(Change.APPLIED, {"revision": self._kept.revision})

    def check(self, seconds: float = CONFIRM_SECONDS) -> None:
        """Take back what has been on trial for too long."""
        if not self._kept.trial or time.monotonic() - self._since < seconds:
            return
        revision, before = self._kept.revision, self._kept.before
        self._apply(self._settings.tuned(Tuning.model_validate(before or {})))
        error = ChengnaoError("edge_config_reverted", revision=revision, seconds=int(seconds))
        self._keep(_Tuned(revision, before, error=error.text("zh")))
        self._tell(Change.FAILED, {"revision": revision, "reason": error.text("zh")})

    def _keep(self, tuned: _Tuned) -> None:
        self._kept = tuned
        write_atomically(self._file, orjson.dumps(tuned))


def _read(file: Path) -> _Tuned:
    try:
        return _Tuned(**orjson.loads(file.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return _Tuned()


class Updater:
    """Changes the version by the command that the operator has set; the command gets the version as its last word."""

    def __init__(self, command: list[str], version: str, file: Path, tell: Tell) -> None:
        self._command = command
        self._version = version
        self._file = file
        self._tell = tell
        self._began = time.monotonic()
        kept: dict[str, str] = {}
        with suppress(FileNotFoundError, ValueError, TypeError):
            kept = dict(orjson.loads(file.read_bytes()))
        self._failed = kept.get("failed", "")
        self._trial = kept if "to" in kept else None
        if self._trial is not None and self._trial["to"] != version:
            self._fail(self._trial["to"], kept.get("reason") or f"{version} is still there after the start")

    async def want(self, version: str | None) -> None:
        """Update where another version is wanted; raises RestartError once the command has done its work."""
        if version is None or version in (self._version, self._failed) or self._trial is not None:
            return
        if not _VERSION.fullmatch(version):
            return
        if not self._command:
            self._fail(version, ChengnaoError("edge_update_unset").text("zh"))
            return
        reason = await self._run(version)
        if reason:
            self._fail(version, reason)
            return
        write_atomically(self._file, orjson.dumps({"from": self._version, "to": version}))
        raise RestartError

    def confirm(self) -> None:
        """The centre was reached with this version: it stands."""
        if self._trial is not None:
            self._trial = None
            self._file.unlink(missing_ok=True)
            self._tell(Change.APPLIED, {"version": self._version})

    async def check(self, seconds: float = UPDATE_CONFIRM_SECONDS) -> None:
        """Go back to the former version where the centre cannot be reached with this one; raises RestartError."""
        if self._trial is None or time.monotonic() - self._began < seconds:
            return
        former = self._trial["from"]
        self._trial = None
        reason = await self._run(former)
        if reason:
            log.error("the way back to %s failed: %s", former, reason)
            self._file.unlink(missing_ok=True)
            return
        reason = f"the centre could not be reached for {seconds:.0f} s"
        write_atomically(self._file, orjson.dumps({"from": former, "to": self._version, "reason": reason}))
        raise RestartError

    def _fail(self, version: str, reason: str) -> None:
        self._trial = None
        self._failed = version
        write_atomically(self._file, orjson.dumps({"failed": version}))
        error = ChengnaoError("edge_update_failed", version=version, reason=reason)
        log.warning("%s", error.text("en"))
        self._tell(Change.FAILED, {"version": version, "reason": error.text("zh")})

    async def _run(self, version: str) -> str:
        """What went wrong; empty where nothing did."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, version, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            try:
                async with asyncio.timeout(_UPDATE_SECONDS):
                    output, _ = await process.communicate()
            except TimeoutError:
                process.kill()
                return f"no end after {_UPDATE_SECONDS:.0f} s"
        except OSError as error:
            return str(error)
        return "" if process.returncode == 0 else f"code {process.returncode}: {output[-200:].decode(errors='replace')}"
