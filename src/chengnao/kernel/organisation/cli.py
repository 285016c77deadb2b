"""`chengnao divisions FILE`: what a division file says, and which of its lines cannot be used."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import read_divisions


def divisions(
    file: Annotated[Path, typer.Argument(help="CSV 区划文件 / division file")],
    as_json: Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")] = False,
) -> None:
    """检查区划文件 / Check a division file, line by line."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("file_unreadable", field="file", file=str(file), reason=str(error)) from error
    table = Table("代码 code", "名称 name", "结果 result")
    for read in read_divisions(lines, file.name):
        if isinstance(read, Invalid):
            if as_json:
                typer.echo(json.dumps({"ok": False, "error": read.to_dict()}, ensure_ascii=False))
            table.add_row("", "", f"[red]{read.text('zh')}[/]\n[dim]{read.text('en')}[/]")
        else:
            fields = {"code": read.code, "name": read.name, "tier": read.tier, "parent_code": read.parent_code}
            if as_json:
                typer.echo(json.dumps({"ok": True, "fields": fields}, ensure_ascii=False))
            table.add_row(read.code, read.name, "✓")
    if not as_json:
        Console().print(table)
