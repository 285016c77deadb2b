"""`chengnao ocr` and `chengnao transcribe`: files into text, each worked on in a process of its own."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from chengnao.kernel.apart import run_apart
from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.settings import default_home

_OCR = "chengnao.models.embedded.ocr:pages_apart"
_SPEECH = "chengnao.models.embedded.speech:segments_apart"
_SIZE_LIMIT = 500 * 2**20
_SECONDS = 3600

Files = Annotated[list[Path], typer.Argument(help="文件，可以多个 / one or more files")]
Json = Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")]
Show = Callable[[Path, dict[str, Any]], None]


def ocr(files: Files, as_json: Json = False) -> None:
    """图片或 PDF 转文字，逐行给出页码和置信度 / Pictures or PDFs into lines with page and confidence.

    一个文件读不了不影响其他文件；有读不了的，退出码为 2。

    One bad file does not stop the others; the exit code is 2 where there was one.
    """
    _each(files, _OCR, _page_as_json if as_json else _page_as_text, as_json)


def transcribe(
    files: Files,
    as_json: Json = False,
    language: Annotated[str, typer.Option(help="语种代码 / code of the language")] = "zh",
) -> None:
    """录音或视频转文字，逐句给出时间和置信度 / Recordings into sentences with times and confidence.

    一个文件听不了不影响其他文件；有听不了的，退出码为 2。

    One bad file does not stop the others; the exit code is 2 where there was one.
    """
    options = {"language": language} if language == "zh" else {"language": language, "prompt": ""}
    _each(files, _SPEECH, _segment_as_json if as_json else _segment_as_text, as_json, options)


def _each(files: list[Path], work: str, show: Show, as_json: bool, options: dict[str, Any] | None = None) -> None:
    wrong = False
    for file in files:
        try:
            asyncio.run(_one(file, work, show, options))
        except ChengnaoError as error:
            wrong = True
            if as_json:
                print(json.dumps({"file": str(file), "error": error.to_dict()}, ensure_ascii=False))
            typer.echo(f"{file}: {error.text('zh')}\n{file}: {error.text('en')}", err=True)
    if wrong:
        raise typer.Exit(2)


async def _one(file: Path, work: str, show: Show, options: dict[str, Any] | None) -> None:
    def seen(item: dict[str, Any]) -> None:
        show(file, item)

    await run_apart(work, _content(file), home=default_home(), seconds=_SECONDS, options=options, seen=seen)


def _content(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > _SIZE_LIMIT:
            limit = _SIZE_LIMIT >> 20
            raise Invalid("foreign_file_too_large", field="file", size_mb=size >> 20, limit_mb=limit)
        return file.read_bytes()
    except OSError as error:
        raise Invalid("file_unusable", field="file", file=str(file), reason=error.strerror or str(error)) from error


def _page_as_text(file: Path, page: dict[str, Any]) -> None:
    print(f"# {file} 第 {page['number']} 页 / page {page['number']}")
    for line in page["lines"]:
        sure = "     " if line["confidence"] is None else f"{line['confidence']:5.2f}"
        print(f"{sure}  {line['text']}", flush=True)


def _page_as_json(file: Path, page: dict[str, Any]) -> None:
    for line in page["lines"]:
        print(json.dumps({"file": str(file), "page": page["number"]} | line, ensure_ascii=False), flush=True)


def _segment_as_text(file: Path, segment: dict[str, Any]) -> None:
    if "seconds" in segment:
        print(f"# {file} {_time(segment['seconds'])}")
        return
    times = f"{_time(segment['start'])}-{_time(segment['end'])}"
    print(f"{times}  {segment['confidence']:.2f}  {segment['text']}", flush=True)


def _segment_as_json(file: Path, segment: dict[str, Any]) -> None:
    if "seconds" not in segment:
        print(json.dumps({"file": str(file)} | segment, ensure_ascii=False), flush=True)


def _time(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{seconds % 60:04.1f}"
