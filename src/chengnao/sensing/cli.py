"""Sensing on the command line: decode recorded frames, and play devices."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.lines import chunks_of, lines_of
from chengnao.kernel.messages import message
from chengnao.sensing.protocols.capture import read_capture
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Refusal, Wire
from chengnao.sensing.protocols.wires import wire, wire_names
from chengnao.sensing.simulators.runner import Load, Tally, simulate
from chengnao.sensing.simulators.simulations import simulation, simulation_names


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
    stream: Annotated[
        bool, typer.Option("--stream", help="FILE 是线路的原始字节，每帧一个 JSON / FILE is a raw capture of a line")
    ] = False,
    chunk: Annotated[int, typer.Option(min=1, max=16_777_216, help="--stream: 每次读取的字节 / bytes a read")] = 65_536,
) -> None:
    """解码现场设备报文 / Decode recorded frames of field devices."""
    try:
        spoken = wire(protocol)
        if stream:
            _show_capture(spoken, file, chunk)
            return
        show = _print_json if as_json else _print_row
        for result in _results(spoken, file):
            show(result)
    except ChengnaoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def simulate_devices(
    protocol: Annotated[str, typer.Argument(help=", ".join(simulation_names()))],
    to: Annotated[str, typer.Option("--to", help="host:port 网关地址 / of the gateway")] = "",
    count: Annotated[int, typer.Option(min=1, max=50_000, help="设备数 / devices")] = 1,
    rate: Annotated[
        float, typer.Option(min=0, help="全部设备每秒上报数，0 为不限 / reports a second of all; 0: as acknowledged")
    ] = 1.0,
    seconds: Annotated[float, typer.Option(min=0, help="持续秒数 / for so long")] = 60.0,
    first: Annotated[int, typer.Option(min=0, help="第一台的编号 / number of the first device")] = 0,
    addresses: Annotated[
        bool, typer.Option("--addresses", help="只列出要登记的设备 / only list what is to be registered")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """模拟现场设备 / Play field devices over real sockets.

    退出码 1：没有一条上报得到确认 / exit code 1: no report was acknowledged.
    """
    played = simulation(protocol)
    if addresses:
        for number in range(first, first + count):
            address = played.make(number).address
            _print_json({"address": address, "protocol": protocol, "class_code": played.class_code})
        return
    host, _, port = to.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise Invalid(
            "invalid_value",
            field="to",
            value=to,
            reason_zh="应为 主机:端口，如 127.0.0.1:8612",
            reason_en="host:port is wanted, such as 127.0.0.1:8612",
        )
    load = Load(played, host.strip("[]"), int(port), count, first, rate or None, seconds=seconds)
    with Console(stderr=True).status("连接 / connecting") as status:
        tally = asyncio.run(simulate(load, lambda now: status.update(_progress(now))))
    if as_json:
        shown = {"protocol": protocol, "devices": count, "rate": round(tally.sent / max(seconds, 0.001), 1)}
        _print_json(shown | {name: value for name, value in vars(tally).items() if value != ""})
    else:
        typer.echo(_progress(tally) + (f"\n{tally.last_error}" if tally.last_error else ""))
    if tally.acknowledged == 0:
        raise typer.Exit(1)


def _progress(tally: Tally) -> str:
    return (
        f"{tally.seconds:.0f} s · 已连接 connected {tally.connected:,} · 已发送 sent {tally.sent:,}"
        f" · 已确认 acknowledged {tally.acknowledged:,} · 错误 errors {tally.errors:,}"
    )


def _show_capture(spoken: Wire[Any], file: str, chunk: int) -> None:
    frames = skips = 0
    for offset, piece in read_capture(spoken.framer(), chunks_of(file, "解码 / decoding", chunk)):
        shown: dict[str, Any] = {"offset": offset, "bytes": len(piece.raw)}
        if isinstance(piece, Refusal):
            skips += 1
            _print_json(shown | _refused(piece.code, piece.params))
            continue
        frames += 1
        shown |= {"ok": True, "fields": piece.fields()}
        _print_json(shown | ({"warnings": list(piece.warnings)} if piece.warnings else {}))
    typer.echo(f"{frames} 帧 frames, {skips} 处跳过 skips", err=True)


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
        # A text may be written in several ways; the one that is right in every respect goes first.
        best = min(results, key=lambda result: (not result["ok"], "warnings" in result))
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
