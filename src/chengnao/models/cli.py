"""`chengnao models`: the models of an installation, from the command line; the platform need not run."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from chengnao.kernel.messages import message
from chengnao.kernel.settings import default_home
from chengnao.models.card import Card, ModelFormat, builtin_cards, dump_card, known_card, local_cards
from chengnao.models.pull import Step, is_installed, missing_packages
from chengnao.models.pull import pull as fetch

app = typer.Typer(help="模型 / models", no_args_is_help=True)
out = Console()

_LEGEND = (
    "● 可用 ready  ↓ 可下载 chengnao models pull ID  ! 需安装 install  ✗ 缺文件 files missing  ◆ 远程 remote\n"
    "许可后的 ? 表示未核对 / ? after a licence: not verified"
)

Json = Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")]
ModelId = Annotated[str, typer.Argument(help="模型编号，见 chengnao models list / its id", show_default=False)]


@app.callback()
def models() -> None:
    """模型：查看、下载、加入、试运行 / Models: see, fetch, add and try them."""


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """已知的模型，哪些可用 / The models that are known, and which can be used."""
    home = default_home()
    cards = {card.id: card for card in (*builtin_cards().values(), *local_cards(home))}
    if as_json:
        for card in cards.values():
            print(json.dumps(_line(home, card), ensure_ascii=False))
        return
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("", "模型 model", "种类 kind", "等级 grade", "许可 licence", "MiB"):
        table.add_column(column, justify="right" if column == "MiB" else "left", no_wrap=True)
    for card in sorted(cards.values(), key=lambda each: (each.kind, each.id)):
        licence = card.licence.spdx or "—"
        table.add_row(
            _mark(home, card),
            card.id,
            card.kind.zh,
            card.grade.value,
            licence if card.licence.verified else f"{licence} ?",
            f"{card.bytes / 2**20:,.1f}" if card.bytes else "—",
        )
    out.print(table)
    out.print(_LEGEND, style="dim", highlight=False)
    for extra in sorted({each.extra for card in cards.values() for each in missing_packages(card) if each.extra}):
        out.print(f'! pip install "chengnao[{extra}]"', style="dim", markup=False, highlight=False)


@app.command()
def pull(model_id: ModelId) -> None:
    """下载模型的文件；中断后重新执行即可继续 / Fetch a model's files; run it again to go on after a break."""
    home = default_home()
    card = known_card(home, model_id)
    licence = card.licence.spdx or "?"
    out.print(f"{card.name.zh} / {card.name.en}", highlight=False)
    out.print(f"  {message('pull_licence', 'zh', licence=licence)} / {message('pull_licence', 'en', licence=licence)}")
    if card.licence.note is not None:
        out.print(f"  {card.licence.note.zh}\n  {card.licence.note.en}", style="dim", highlight=False)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=out
    ) as bars:
        tasks: dict[str, Any] = {}

        def see(step: Step) -> None:
            if step.name not in tasks:
                tasks[step.name] = bars.add_task(step.name, total=step.total)
            bars.update(tasks[step.name], completed=step.done, description=f"{step.name} {step.part}/{step.parts}")

        folder = fetch(home, card, see)
    out.print(f"[green]✓[/] {folder}", highlight=False)
    for requirement in missing_packages(card):
        extra = f"chengnao[{requirement.extra}]" if requirement.extra else requirement.package
        for language in ("zh", "en"):
            out.print(message("model_needs_package", language, package=requirement.package, extra=extra), markup=False)


@app.command("card")
def show_card(model_id: ModelId, as_json: Json = False) -> None:
    """模型的卡片：来源、许可、测评、局限 / A model's card: source, licence, evaluations, limits."""
    card = known_card(default_home(), model_id)
    print(json.dumps(card.model_dump(mode="json"), ensure_ascii=False) if as_json else dump_card(card), end="")
    if as_json:
        print()


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="GGUF 文件 / a GGUF file", show_default=False)],
    model_id: Annotated[str, typer.Option("--id", help="编号 / its id", show_default=False)],
    link: Annotated[bool, typer.Option("--link", help="只建链接，不复制 / link instead of copying")] = False,
) -> None:
    """加入自己的 GGUF 模型 / Add a GGUF model of your own."""
    from chengnao.models.adding import add_model  # noqa: PLC0415 - with what it checks by, slow to import

    card = add_model(default_home(), file, model_id, link=link)
    out.print(f"[green]✓[/] {card.id}@{card.version}  sha256 {card.files[0].sha256}", highlight=False)
    for language in ("zh", "en"):
        out.print(message("model_added", language, id=card.id), style="dim", highlight=False)


@app.command()
def serve(
    model_id: ModelId,
    port: Annotated[int, typer.Option(min=1, max=65535, help="端口 / port")] = 8080,
    threads: Annotated[
        int | None, typer.Option(min=1, help="线程数 / threads", show_default="处理器数 / processors")
    ] = None,
) -> None:
    """在本机单独运行一个模型，OpenAI 兼容接口，仅限 127.0.0.1 / Serve one model on 127.0.0.1, OpenAI-compatible."""
    from chengnao.models import serving  # noqa: PLC0415 - only the process that serves needs it

    what = serving.serving(default_home(), model_id, None, port, threads or len(os.sched_getaffinity(0)))
    print(f"{what.name} …", file=sys.stderr)
    serving.serve(what)


def _line(home: Path, card: Card) -> dict[str, Any]:
    return {
        "id": card.id,
        "version": card.version,
        "kind": card.kind.value,
        "format": card.format.value,
        "grade": card.grade.value,
        "licence": card.licence.spdx,
        "licence_verified": card.licence.verified,
        "bytes": card.bytes,
        "installed": is_installed(home, card) and not missing_packages(card),
    }


def _mark(home: Path, card: Card) -> str:
    if card.format is ModelFormat.REMOTE:
        return "[blue]◆[/]"
    if not is_installed(home, card):
        return "[yellow]↓[/]" if card.pulled else "[red]✗[/]"
    return "[yellow]![/]" if missing_packages(card) else "[green]●[/]"
