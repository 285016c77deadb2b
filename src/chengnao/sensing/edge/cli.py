"""`chengnao edge`: run, set up and look at an edge gateway."""

import os
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from chengnao.kernel.health import read_health
from chengnao.kernel.settings import default_home
from chengnao.sensing.edge.configuration import load_edge_settings, write_edge_settings

app = typer.Typer(help="边缘网关 / The edge gateway beside the devices", invoke_without_command=True)

Home = Annotated[Path | None, typer.Option("--home", help="边缘网关的目录 / its folder", show_default=False)]


def _folder(home: Path | None) -> Path:
    return (home or default_home()).expanduser().resolve()


@app.callback()
def run(context: typer.Context, home: Home = None) -> None:
    """在前台运行边缘网关，直到被停止 / Run the edge gateway in front until it is stopped."""
    if context.invoked_subcommand is not None:
        return
    folder = _folder(home)
    load_edge_settings(folder)  # what is wrong is told before anything is started
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # few threads, little memory
    os.execv(sys.executable, [sys.executable, "-m", "chengnao.sensing.edge", str(folder)])  # noqa: S606


@app.command()
def init(
    token: Annotated[str, typer.Option(prompt=True, help="登记时得到的令牌 / given when it was registered")],
    primary: Annotated[str, typer.Option(prompt=True, help="主线地址 / http://CENTRE:8610")],
    standby: Annotated[str | None, typer.Option(help="备线地址 / the same centre by another way")] = None,
    home: Home = None,
) -> None:
    """写出 edge.toml / Write edge.toml."""
    file = write_edge_settings(_folder(home), token, primary, standby)
    typer.echo(f"已写入 {file}；按现场改好端口后运行 chengnao edge")
    typer.echo(f"{file} is written; set the ports of the place, then run chengnao edge")


@app.command()
def status(home: Home = None) -> None:
    """正在用哪条线、还有多少等着 / Which line is in use, how much waits; exit code 1 where it does not run."""
    health = read_health(_folder(home), "edge")
    if health is None:
        typer.echo("没有运行 / not running")
        raise typer.Exit(1)
    typer.echo(orjson.dumps({"ready": health.ready, "waiting": health.lag, "detail": health.detail}))
