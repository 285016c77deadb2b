"""Sensing on the command line: decode recorded frames without starting anything."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer

from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.lines import lines_of
from chengnao.kernel.messages import message
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Wire
from chengnao.sensing.protocols.wires import wire, wire_names


def _decoded(spoken: Wire[Any], raw: bytes) -> dict[str, Any]:
    recording = read_recording(spoken.framer(), raw)
    if not recording.frames:
        if not recording.refused:
            return _refused("truncated", {"need_bytes": 1})
        return _refused(recording.refused[0].code, recording.refused[0].params)
    if recording.kind != "frame":
        return {"ok": True, "fields": recording.fields(spoken)}
    frame = recording.frames[0]
    result: dict[str, Any] = {"ok": True, "fields": frame.fields()}
    return result | ({"warnings": list(frame.warnings)} if frame.warnings else {})


def decode(
    protocol: Annotated[str, typer.Argument(help=", ".join(wire_names()))],
    file: Annotated[str, typer.Argument(help='JSON lines with "hex" or "text"; - reads standard input')],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """解码现场设备报文 / Decode recorded frames of field devices."""
    try:
        spoken = wire(protocol)
        show = _print_json if as_json else _print_row
        for result in _results(spoken, file):
            show(result)
    except ChengnaoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _results(spoken: Wire[Any], file: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines_of(file, "解码 / decoding"), start=1):
        if not line.strip():
            continue
        identity = None
        try:
            record = orjson.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"a JSON {type(record).__name__}, not an object")
            identity = record.get("id")
            candidates = _input_bytes(record)
        except ValueError as error:
            refused = _refused("input_line_invalid", {"line": number, "reason": str(error)})
            yield {"id": identity, "line": number} | refused
            continue
        results = [_decoded(spoken, raw) for raw in candidates]
        best = next((result for result in results if result["ok"]), results[0])
        yield {"id": number if identity is None else identity} | best


def _input_bytes(record: dict[str, Any]) -> list[bytes]:
    """The bytes that the record may stand for; more than one where its text is not ASCII."""
    coded, text = record.get("hex"), record.get("text")
    if isinstance(coded, str):
        try:
            return [bytes.fromhex(coded)]
        except ValueError:
            raise ValueError("hex holds something else than pairs of hexadecimal digits") from None
    if not isinstance(text, str):
        raise ValueError("neither hex nor text is given as a string")
    raws = []
    for encoding in ("utf-8", "gb18030", "latin-1"):
        try:
            raws.append(text.encode(encoding))
        except UnicodeEncodeError:
            continue
    return list(dict.fromkeys(raws))


def _refused(code: str, params: dict[str, Any]) -> dict[str, Any]:
    texts = {"message": message(code, "zh", **params), "message_en": message(code, "en", **params)}
    return {"ok": False, "error": {"code": code, **texts, **params}}


def _print_json(result: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(result))


def _print_row(result: dict[str, Any]) -> None:
    name = str(result["id"] if result["id"] is not None else f"#{result['line']}")
    if not result["ok"]:
        error = result["error"]
        typer.echo(f"{name:<14} ✗ {error['code']:<14} {error['message']}")
        return
    fields = result["fields"]
    if "stream" in fields:
        text = f"{fields['frames']} 帧 {_plain(fields, {'frames', 'stream', 'decoded', 'skipped'})}"
        skipped = sum(piece["bytes"] for piece in fields["skipped"])
        typer.echo(f"{name:<14} ✓ {fields['stream']:<14} {text}" + (f"，跳过 {skipped} 字节" if skipped else ""))
        return
    typer.echo(f"{name:<14} ✓ {_plain(fields, set())}".rstrip())


def _plain(fields: Mapping[str, Any], without: set[str]) -> str:
    """The fields on one line; what is nested is shown as short as it can be."""
    shown = {key: value for key, value in fields.items() if key not in without and value not in (None, "", {}, [])}
    return " ".join(
        f"{key}={value if isinstance(value, str) else orjson.dumps(value, default=str).decode()}"
        for key, value in shown.items()
    )[:400]
