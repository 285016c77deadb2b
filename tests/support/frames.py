"""The public set of recorded frames: as bytes, and whether the platform agrees with what is said of them."""

from typing import Any

import orjson

from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.wires import wire
from tests.support.shared import SHARED


def recorded(protocol: str) -> list[bytes]:
    """All records of the protocol, right and wrong ones; none where the set is absent."""
    path = SHARED / "frames" / f"{protocol}.jsonl"
    if not path.exists():
        return []
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [bytes.fromhex(each["hex"]) if "hex" in each else each["text"].encode("gb18030") for each in records]


UNSAID = {"note", "tolerant", "recover", "topic"}
"""What a record says for people, and what its bytes alone do not tell."""


def agrees(protocol: str, record: dict[str, Any]) -> bool:
    """Whether the record is decoded to every field that it is said to have, or refused or flagged as it is said.

    Where a habit of real devices is accepted, its name stands in the warnings; of an untidy stream the good frames
    must be as many as said. Fields that are told beyond those do not count.
    """
    spoken = wire(protocol)
    encodings = [record["text"].encode(each) for each in ("utf-8", "gb18030")] if "text" in record else []
    raws = encodings or [bytes.fromhex(record["hex"])]
    recording = max((read_recording(spoken.framer(), raw) for raw in raws), key=lambda each: len(each.frames))
    expect = {name: value for name, value in record["expect"].items() if name not in UNSAID}
    error = expect.pop("error", None)
    if len(recording.frames) != expect.pop("frames", len(recording.frames)):
        return False
    if not recording.frames:
        first = recording.refused[0]
        return bool(error == first.code and _within(expect, first.params))
    if error is not None:
        named = {recording.kind, *(code for frame in recording.frames for code in frame.warnings)}
        return error in named | {bad.code for bad in recording.refused}
    told = recording.frames[0].fields() if len(recording.frames) == 1 else recording.fields(spoken)
    return not recording.refused and _within(expect, told)


def _within(said: Any, told: Any) -> bool:
    if isinstance(said, dict):
        return isinstance(told, dict) and all(name in told and _within(said[name], told[name]) for name in said)
    if isinstance(said, list):
        same = isinstance(told, list | tuple) and len(said) == len(told)
        return same and all(_within(one, other) for one, other in zip(said, told, strict=True))
    return bool(said == told)
