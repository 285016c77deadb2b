"""Recorded frames of the public set, held against every field that they are said to have."""

from typing import Any

import orjson

from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.wires import wire
from tests.support.shared import shared


def differences(protocol: str, *unsaid: str) -> dict[str, dict[str, Any]]:
    """What differs, by the record's id. `unsaid`: what the bytes alone do not tell (a topic)."""
    wrong = {}
    for line in shared("frames", f"{protocol}.jsonl").read_text("utf-8").splitlines():
        record = orjson.loads(line)
        raw = bytes.fromhex(record["hex"]) if "hex" in record else record["text"].encode()
        expect = {name: value for name, value in record["expect"].items() if name not in unsaid}
        found = told(protocol, raw)
        differing = {name: (value, found.get(name)) for name, value in expect.items() if found.get(name) != value}
        if differing or ("error" in found) != ("error" in expect):
            wrong[record["id"]] = differing
    return wrong


def told(protocol: str, raw: bytes) -> dict[str, Any]:
    """All that is told of recorded bytes; `error` is the code of a wrong frame or the kind of an untidy stream."""
    spoken = wire(protocol)
    recording = read_recording(spoken.framer(), raw)
    if not recording.frames:
        return {"error": recording.refused[0].code, **recording.refused[0].params}
    if recording.kind != "frame":
        return {"error": recording.kind, **recording.fields(spoken)}
    fields: dict[str, Any] = recording.frames[0].fields()
    return fields
