"""Which files may be weights: judged by their content, whatever their names say.

Pickle and what is built on it (joblib, PyTorch's .pt) run code of the file's maker when they are read; such a file is
refused. What else comes in must be what its card says.
"""

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from chengnao.kernel.errors import Invalid
from chengnao.models.card import Card, ModelFormat

TRUSTED = frozenset(
    {
        "numpy.float32",
        "scipy.sparse._dia.dia_matrix",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
"""Types beyond skops' own list that a file may hold: containers of numbers."""
_HEAD = 1 << 16
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4", b"\x78": "zlib"}
_WEIGHTS = {
    ModelFormat.GGUF: ".gguf",
    ModelFormat.ONNX: ".onnx",
    ModelFormat.SKOPS: ".skops",
    ModelFormat.SAFETENSORS: ".safetensors",
    ModelFormat.CTRANSLATE2: "model.bin",
}


def check_files(card: Card, folder: Path) -> None:
    """Return where every file of the card in the folder is safe and what it should be; raises Invalid otherwise."""
    ending = _WEIGHTS.get(card.format)
    own = [each for each in card.files if each.inside is None]
    for each in own:
        path = folder / each.name
        head = _head(path)
        _refuse_pickle(path, head)
        if ending is not None and each.name.endswith(ending):
            _CHECKS[card.format](path, head)
        elif ending is not None:
            _check_beside(path)
    if ending is not None and own and not any(each.name.endswith(ending) for each in own):
        raise Invalid(
            "model_file_format", field="files", file=str(folder), format=card.format.en, reason=f"no {ending}"
        )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise Invalid("file_unusable", field="file", file=str(path), reason=error.strerror or str(error)) from error


def _refuse_pickle(path: Path, head: bytes) -> None:
    kind = None
    if path.suffix.lower() in _PICKLE_NAMES:
        kind = path.suffix
    elif head[:1] == b"\x80" and head[1:2] <= b"\x05" and len(head) > 1:
        kind = "pickle"
    elif zipfile.is_zipfile(path) and _holds_pickle(path):
        kind = "PyTorch (zip, pickle)"
    elif _is_old_pickle(head):
        kind = "pickle"
    else:
        kind = next((f"joblib? ({name})" for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
    if kind is not None:
        raise Invalid("model_file_pickle", field="file", file=path.name, kind=kind)


def _holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith((*_PICKLE_NAMES, "/data.pkl")) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_old_pickle(head: bytes) -> bool:
    """Whether it reads as a pickle of the protocols that have no mark; texts do not, they break off at once."""
    if head[:1] not in (b"(", b"c", b"]", b"}", b"I", b"F", b"S", b"V", b"L", b"N", b"l", b"d", b"t"):
        return False
    count = 0
    try:
        for _ in pickletools.genops(io.BytesIO(head)):
            count += 1
    except (ValueError, UnicodeDecodeError, struct.error):
        return count > 20
    return count > 1


def _check_gguf(path: Path, head: bytes) -> None:
    # Magic, version 2 or 3, counts of tensors and of metadata, all little-endian.
    if len(head) < 24 or head[:4] != b"GGUF" or struct.unpack_from("<I", head, 4)[0] not in (2, 3):
        raise _wrong(path, ModelFormat.GGUF, "no GGUF header of version 2 or 3")
    if not 0 < struct.unpack_from("<Q", head, 8)[0] < 1_000_000:
        raise _wrong(path, ModelFormat.GGUF, "no tensors")


def _check_onnx(path: Path, head: bytes) -> None:
    # A ModelProto begins with its first field, ir_version, a small number.
    if len(head) < 16 or head[0] != 0x08 or not 3 <= head[1] <= 32:
        raise _wrong(path, ModelFormat.ONNX, "no ONNX model")


def _check_safetensors(path: Path, head: bytes) -> None:
    size = struct.unpack_from("<Q", head)[0] if len(head) >= 8 else 0
    if not 2 <= size <= min(100_000_000, path.stat().st_size - 8) or head[8:9] != b"{":
        raise _wrong(path, ModelFormat.SAFETENSORS, "no safetensors header")
    with path.open("rb") as file:
        file.seek(8)
        try:
            json.loads(file.read(size))
        except ValueError as error:
            raise _wrong(path, ModelFormat.SAFETENSORS, str(error)) from error


def _check_ctranslate2(path: Path, head: bytes) -> None:
    # The version of the binary format, then the name of the model's specification, its length before it.
    if len(head) >= 8:
        version, length = struct.unpack_from("<IH", head)
        if version <= 16 and 4 <= length <= 64 and head[6 : 6 + length].rstrip(b"\0").endswith(b"Spec"):
            return
    raise _wrong(path, ModelFormat.CTRANSLATE2, "no CTranslate2 model")


def _check_skops(path: Path, head: bytes) -> None:
    import skops.io  # type: ignore[import-untyped] # noqa: PLC0415 - large, and needed for such files alone

    try:
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)
    except Exception as error:  # another kind of file fails in the ways of zip and JSON, which all mean the same
        raise _wrong(path, ModelFormat.SKOPS, str(error)) from error
    if foreign:
        raise Invalid("model_file_foreign_types", field="file", file=path.name, types=", ".join(foreign))


def _check_beside(path: Path) -> None:
    """A file beside the weights, such as a tokenizer, is text; JSON where its name says so."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            json.loads(text)
    except ValueError as error:
        raise Invalid("model_file_beside", field="file", file=path.name, reason=str(error)[:200]) from error


_CHECKS: dict[ModelFormat, Callable[[Path, bytes], None]] = {
    ModelFormat.GGUF: _check_gguf,
    ModelFormat.ONNX: _check_onnx,
    ModelFormat.SKOPS: _check_skops,
    ModelFormat.SAFETENSORS: _check_safetensors,
    ModelFormat.CTRANSLATE2: _check_ctranslate2,
}


def _wrong(path: Path, wanted: ModelFormat, reason: str) -> Invalid:
    return Invalid("model_file_format", field="file", file=path.name, format=wanted.en, reason=reason)
