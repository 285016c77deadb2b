"""Sensing on the command line: decode recorded frames without starting anything."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import orjson
import typer

from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.lines import lines_of
from chengnao.kernel.messages import message
from chengnao.sensing.protocols import hj212_stream


def _decode_hj212(raw: bytes) -> dict[str, Any]:
    report = hj212_stream.read_recording(raw)
    if not report.frames:
        if not report.refused:
            return _refused("truncated", {"need_bytes": 6})
        return _refused(report.refused[0].code, report.refused[0].params)
    if report.kind != "frame":
        return {"ok": True, "fields": report.fields()}
    frame = report.frames[0]
    result: dict[str, Any] = {"ok": True, "fields": frame.fields()}
    return result | ({"warnings": list(frame.warnings)} if frame.warnings else {})


DECODERS: dict[str, Callable[[bytes], dict[str, Any]]] = {"hj212": _decode_hj212}


def decode(
    protocol: Annotated[str, typer.Argument(help="hj212")],
    file: Annotated[str, typer.Argument(help='JSON lines with "hex" or "text"; - reads standard input')],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """解码现场设备报文 / Decode recorded frames of field devices."""
    try:
        decoder = DECODERS.get(protocol)
        if decoder is None:
            raise Invalid("protocol_unknown", field="protocol", protocol=protocol, known=", ".join(DECODERS))
        show = _print_json if as_json else _print_row
        for result in _results(decoder, file):
            show(result)
    except ChengnaoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _results(decoder: Callable[[bytes], dict[str, Any]], file: str) -> Iterator[dict[str, Any]]:
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
        results = [decoder(raw) for raw in candidates]
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
        text = f"{fields['frames']} 帧 CN={','.join(fields['CN'])}"
        skipped = sum(piece["bytes"] for piece in fields["skipped"])
        typer.echo(f"{name:<14} ✓ {fields['stream']:<14} {text}" + (f"，跳过 {skipped} 字节" if skipped else ""))
        return
    values = " ".join(
        f"{code}={next(iter(parts.values()), '')}{parts.get('Flag', '')}" for code, parts in fields["factors"].items()
    )
    typer.echo(f"{name:<14} ✓ CN={fields['CN']:<11} MN={fields.get('MN', '')} {values}".rstrip())
