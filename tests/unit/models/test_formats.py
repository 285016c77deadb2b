"""What may be weights, by content; the hostile files are real ones."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from chengnao.kernel.errors import Invalid
from chengnao.models.card import ModelFile, ModelFormat
from chengnao.models.registry.formats import check_files
from tests.support.models import card


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('code of a model file was run')",)


def torch_file() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model/data.pkl", pickle.dumps(Hostile()))
        file.writestr("model/version", "3")
    return archive.getvalue()


def gguf(version: int = 3, tensors: int = 2) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, 5) + b"\0" * 100


def safetensors() -> bytes:
    head = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + b"\0" * 4


def ctranslate2() -> bytes:
    return struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + b"\0" * 100


ONNX = b"\x08\x09\x12\x04test" + b"\x3a\x10" + b"\0" * 100
SKOPS = skops.io.dumps(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]))
GOOD = [
    (ModelFormat.GGUF, "m.gguf", gguf()),
    (ModelFormat.ONNX, "m.onnx", ONNX),
    (ModelFormat.SAFETENSORS, "m.safetensors", safetensors()),
    (ModelFormat.CTRANSLATE2, "model.bin", ctranslate2()),
    (ModelFormat.SKOPS, "m.skops", SKOPS),
]
PICKLES = {
    **{f"protocol {n}": pickle.dumps({"weights": Hostile()}, protocol=n) for n in range(6)},
    "torch": torch_file(),
    "joblib, zlib": zlib.compress(pickle.dumps(Hostile())),
}


def checked(folder: Path, format: ModelFormat, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    listed = tuple(ModelFile(name=name, sha256="0" * 64, bytes=max(1, len(data))) for name, data in files.items())
    check_files(card(format=format).model_copy(update={"files": listed}), folder)


@pytest.mark.parametrize(("format", "name", "content"), GOOD, ids=[each[0] for each in GOOD])
def test_what_is_what_it_says_passes(tmp_path: Path, format: ModelFormat, name: str, content: bytes) -> None:
    checked(tmp_path, format, {name: content, "config.json": b'{"a": 1}', "vocabulary.txt": "词\n".encode()})


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize(("format", "name"), [(each[0], each[1]) for each in GOOD], ids=[each[0] for each in GOOD])
def test_a_pickle_is_refused_under_every_name(tmp_path: Path, format: ModelFormat, name: str, kind: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(tmp_path, format, {name: PICKLES[kind]})
    assert refused.value.code in ("model_file_pickle", "model_file_format")
    if kind != "torch" or format is not ModelFormat.SKOPS:
        assert refused.value.code == "model_file_pickle", "the reason is told"


@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_beside_good_weights_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Invalid):
        checked(tmp_path, ModelFormat.GGUF, {"m.gguf": gguf(), "tokenizer.json": PICKLES[kind]})
    with pytest.raises(Invalid):
        checked(tmp_path, ModelFormat.PACKAGE, {"anything.dat": PICKLES[kind]})


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.pth", "MODEL.PICKLE"])
def test_names_of_such_formats_are_refused_whatever_is_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(tmp_path, ModelFormat.GGUF, {"m.gguf": gguf(), name: b"harmless"})
    assert refused.value.code == "model_file_pickle"
    assert name in refused.value.text()


@pytest.mark.parametrize(
    ("format", "name", "content"),
    [
        (ModelFormat.GGUF, "m.gguf", b""),
        (ModelFormat.GGUF, "m.gguf", b"GGUF"),
        (ModelFormat.GGUF, "m.gguf", gguf(version=1)),
        (ModelFormat.GGUF, "m.gguf", gguf(tensors=0)),
        (ModelFormat.GGUF, "m.gguf", ONNX),
        (ModelFormat.ONNX, "m.onnx", gguf()),
        (ModelFormat.ONNX, "m.onnx", b"<html>not found</html>"),
        (ModelFormat.SAFETENSORS, "m.safetensors", struct.pack("<Q", 2**40) + b"{"),
        (ModelFormat.SAFETENSORS, "m.safetensors", struct.pack("<Q", 4) + b"{no}"),
        (ModelFormat.CTRANSLATE2, "model.bin", gguf()),
        (ModelFormat.SKOPS, "m.skops", b"PK\x03\x04broken"),
        (ModelFormat.GGUF, "other.txt", b"no weights at all"),
    ],
)
def test_what_is_not_what_it_says_is_refused(tmp_path: Path, format: ModelFormat, name: str, content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        checked(tmp_path, format, {name: content})
    assert refused.value.code == "model_file_format"


def test_a_skops_file_with_foreign_types_is_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        checked(tmp_path, ModelFormat.SKOPS, {"m.skops": skops.io.dumps(FunctionTransformer(np.frompyfunc(id, 1, 1)))})
    assert refused.value.code in ("model_file_foreign_types", "model_file_format")
    hostile = skops.io.dumps({"a": Path("x")})
    with pytest.raises(Invalid) as foreign:
        checked(tmp_path, ModelFormat.SKOPS, {"m.skops": hostile})
    assert foreign.value.code == "model_file_foreign_types"
    assert "Path" in foreign.value.text()


def test_broken_json_beside_the_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        checked(tmp_path, ModelFormat.GGUF, {"m.gguf": gguf(), "config.json": b"{"})
    assert refused.value.code == "model_file_beside"
