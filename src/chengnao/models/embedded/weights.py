"""Where the weights of an embedded model lie, and what to do where they do not."""

from importlib import import_module
from pathlib import Path
from typing import Any

from chengnao.kernel.errors import Unavailable
from chengnao.models.card import builtin_cards, model_folder
from chengnao.models.pull import digest_of, is_installed


def weights(home: Path, model_id: str) -> Path:
    """The folder of a model that `chengnao models pull` has fetched; its digests are checked each time.

    Raises Unavailable where it was never fetched, or is not what its card says.
    """
    card = builtin_cards()[model_id]
    folder = model_folder(home, model_id)
    if not is_installed(home, card):
        raise Unavailable(
            "embedded_not_pulled", retry_after=3600, id=model_id, name_zh=card.name.zh, name_en=card.name.en
        )
    for file in card.files:
        found = digest_of(folder / file.name)
        if found != file.sha256:
            raise Unavailable("embedded_damaged", retry_after=3600, id=model_id, file=str(folder / file.name))
    return folder


def onnx_session(model: bytes | Path) -> Any:
    """An ONNX model ready to run, on one thread: several requests share the machine's cores."""
    onnxruntime = import_module("onnxruntime")  # 0.2 s, and only where a model runs
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
