"""`chengnao ask`: a question to a folder of documents, with nothing started."""

import asyncio
import json
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.settings import load_settings
from chengnao.knowledge.grounding.model import NOT_FOUND, NOT_FOUND_EN, Citation, Grounded
from chengnao.knowledge.model import About, Source
from chengnao.models.client import ModelClient

_TOGETHER = 2
_FILES = 2_000

out = Console()
err = Console(stderr=True)


@dataclass(frozen=True)
class BadFile:
    """A file that could not be used."""

    name: str
    error: ChengnaoError


def ask_command(
    question: Annotated[str, typer.Argument(help="问题 / the question", show_default=False)],
    docs: Annotated[
        Path,
        typer.Option("--docs", exists=True, file_okay=False, help="文档目录 / folder of documents", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")] = False,
    model: Annotated[
        bool,
        typer.Option("--model/--no-model", help="平台在运行时由模型组织回答 / let a running platform's model word it"),
    ] = True,
) -> None:
    """依据目录中的文档回答，逐句注明出处；没有依据时退出码为 1.

    Answer from a folder of documents, with sources; exit code 1 where there is no basis.
    """
    answer, bad = asyncio.run(_ask(question, _files(docs), docs, quiet=as_json, model=model))
    if as_json:
        print(json.dumps(_as_json(question, answer, bad), ensure_ascii=False))
    else:
        _show(answer, bad)
    if not answer.found:
        raise typer.Exit(1)


def _files(docs: Path) -> list[Path]:
    """The files of the folder and those below it, without hidden ones and what editors leave behind."""
    shown = (path for path in docs.rglob("*") if not _hidden(path.relative_to(docs)))
    return sorted(path for path in shown if path.is_file())[:_FILES]


async def _ask(
    question: str, files: list[Path], docs: Path, *, quiet: bool, model: bool
) -> tuple[Grounded, list[BadFile]]:
    # Imported here: they take long to load, and other commands need none of them.
    from chengnao.knowledge.reading.work import ReadDocument, read_file  # noqa: PLC0415
    from chengnao.knowledge.shelf import Shelf  # noqa: PLC0415

    bad: list[BadFile] = []
    read: dict[str, ReadDocument] = {}
    turn = asyncio.Semaphore(_TOGETHER)
    with tempfile.TemporaryDirectory(prefix="chengnao-ask-") as scratch:
        with nullcontext() if quiet else Progress(console=err, transient=True) as progress:
            task = None if progress is None else progress.add_task("读取文档 / reading", total=len(files))

            async def one(path: Path) -> None:
                name = str(path.relative_to(docs))
                async with turn:
                    try:
                        data = await asyncio.to_thread(path.read_bytes)
                        read[name] = await read_file(name, path.name, data, Path(scratch))
                    except ChengnaoError as error:
                        bad.append(BadFile(name, error))
                    except OSError as error:
                        bad.append(BadFile(name, Invalid("knowledge_file_damaged", file=name, reason=str(error))))
                if progress is not None and task is not None:
                    progress.advance(task)

            await asyncio.gather(*map(one, files))
        if not read:
            for each in bad:
                err.print(f"✗ {each.name}: {each.error.text('zh')}", highlight=False)
            raise Invalid("knowledge_folder_empty", folder=str(docs))
        shelf = Shelf(Path(scratch) / "index")
        for name in sorted(read):
            shelf.add(Source(name, "", About(title=name)), read[name].passages, read[name].vectors)
        shelf.close()
        settings = load_settings()
        # A platform that was never started has no key to its gateway, and none is made for a question.
        asked = model and _has_key(settings.home)
        async with ModelClient(settings) as client:
            chosen = client if asked and await client.available("chat") else None
            answer = await shelf.ask(question, datetime.now(CST).date(), chosen)
    return answer, sorted(bad, key=lambda each: each.name)


def _has_key(home: Path) -> bool:
    return (home / "secrets.json").is_file()


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "~$")) for part in path.parts)


def _show(answer: Grounded, bad: list[BadFile]) -> None:
    for each in bad:
        err.print(f"✗ {each.name}: {each.error.text('zh')}", highlight=False, markup=False)
        err.print(f"  {each.error.text('en')}", style="dim", highlight=False, markup=False)
    if not answer.found:
        out.print(f"[bold]{NOT_FOUND}[/] [dim]{NOT_FOUND_EN}[/]", highlight=False)
    for number, sentence in enumerate(answer.sentences, start=1):
        out.print(f"{sentence.text} [{number}]", highlight=False, markup=False)
    for number, sentence in enumerate(answer.sentences, start=1):
        for citation in sentence.citations:
            out.print(f"[{number}] {_where(citation)}", style="cyan", highlight=False, markup=False)
            if citation.quote != sentence.text:
                out.print(f"    “{citation.quote}”", style="dim", highlight=False, markup=False)
    for conflict in answer.conflicts:
        first, second = conflict.amounts
        zh = f"! 说法不一：{_where(conflict.first)} 为 {first}，{_where(conflict.second)} 为 {second}，请人工核实"
        out.print(zh, style="yellow", highlight=False, markup=False)
        out.print("  two texts differ; a person must decide", style="dim", highlight=False)
    for hit in answer.suspects:
        zh = f"! {hit.source.about.title} {hit.passage.label} 含有针对模型的指令，未采用"
        out.print(zh, style="yellow", highlight=False, markup=False)
        out.print("  this passage gives orders to machines and was left out", style="dim", highlight=False)


def _where(citation: Citation) -> str:
    return f"{citation.hit.source.about.title} {citation.hit.passage.label}".strip()


def _as_json(question: str, answer: Grounded, bad: list[BadFile]) -> dict[str, object]:
    def cited(citation: Citation) -> dict[str, object]:
        passage = citation.hit.passage
        return {
            "file": citation.hit.source.id,
            "passage_id": passage.id,
            "where": passage.label,
            "page": passage.page,
            "quote": citation.quote,
        }

    return {
        "question": question,
        "found": answer.found,
        "text": answer.text,
        "by": answer.by,
        "confidence": round(answer.confidence, 3),
        "sentences": [
            {"text": each.text, "citations": [cited(one) for one in each.citations]} for each in answer.sentences
        ],
        "conflicts": [
            {"first": cited(each.first), "second": cited(each.second), "amounts": each.amounts}
            for each in answer.conflicts
        ],
        "suspects": [hit.source.id for hit in answer.suspects],
        "bad_files": [{"file": each.name, **each.error.to_dict()} for each in bad],
    }
