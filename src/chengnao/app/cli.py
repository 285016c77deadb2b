"""The `chengnao` command."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chengnao.agents.runtime.cli import app as agents
from chengnao.app import control, doctor, settings_file
from chengnao.app.progress import Progress
from chengnao.app.status import all_ready, both, status_lines, status_table
from chengnao.app.supervisor import main as supervise
from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.cli import classify_command, train_app
from chengnao.incident.drafts.rotation import app as keys
from chengnao.incident.importing.cli import app as reports
from chengnao.incident.merging.cli import merge
from chengnao.kernel.access.cli import app as accounts
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.messages import message
from chengnao.kernel.organisation.cli import divisions
from chengnao.kernel.settings import Settings, load_settings
from chengnao.knowledge.cli import ask_command
from chengnao.models.cli import app as models
from chengnao.models.embedded.cli import ocr, transcribe
from chengnao.models.training.cli import add_training_commands
from chengnao.sensing.cli import decode, simulate_devices
from chengnao.sensing.devices.importing.cli import app as devices
from chengnao.sensing.edge.cli import app as edge
from chengnao.sensing.readings.cli import readings
from chengnao.supervision.evaluation.cli import show_indicators

PLATFORM = "运行平台 / Run the platform"
FILES = "在文件上试用 / Try a capability on a file"
DEMONSTRATION_SPEED = 30.0

app = typer.Typer(
    name="chengnao",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")]


@app.callback()
def tour(
    home: Annotated[
        Path | None,
        typer.Option(envvar="CHENGNAO_HOME", help="数据目录 / data folder", show_default=False),
    ] = None,
) -> None:
    """城脑 Chengnao: 城市治理平台 / a city governance platform.

    从一条读数、一件诉求，到真正办结的事件，再到更好的规则。

    From a reading or a report to a solved incident and a better rule.

    [bold]第一次来 / New here[/]

      [cyan]chengnao up --demo[/]          启动平台和演示城市 / start, with a city to watch

      [cyan]chengnao status[/]             各进程是否健康 / is each process well

      [cyan]chengnao doctor[/]             哪里不对、怎么办 / what is wrong, what to do

      [cyan]chengnao decode hj212 FILE[/]  直接解码报文 / decode frames, nothing started

      [cyan]chengnao down[/]               停止 / stop
    """
    if home is not None:
        os.environ["CHENGNAO_HOME"] = str(home.expanduser().resolve())


@app.command(rich_help_panel=PLATFORM)
def up(
    demo: Annotated[
        bool | None,
        typer.Option("--demo/--no-demo", help="开启或关闭演示城市 / with or without the demonstration city"),
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="在前台运行，供服务管理器使用 / stay in front, for service managers")
    ] = False,
) -> None:
    """启动平台 / Start the platform."""
    settings = load_settings()
    if demo is not None and demo != settings.demonstration:
        settings = _set_demonstration(settings, demo)
        control.reload(settings.home)
    if control.running_pid(settings.home) is not None:
        _say("up_already", home=settings.home)
        _welcome(settings)
        return
    wrong = doctor.preflight(settings)
    if wrong:
        for each in wrong:
            _show(each)
        raise typer.Exit(2)
    if foreground:
        supervise()
        return
    began = time.monotonic()
    with Progress(out, "progress_start") as progress:
        control.start_detached(settings, progress.see)
    _say("up_done", seconds=f"{time.monotonic() - began:.1f}", home=settings.home)
    _welcome(settings)


@app.command(rich_help_panel=PLATFORM)
def down() -> None:
    """停止平台 / Stop the platform."""
    settings = load_settings()
    with Progress(out, "progress_stop") as progress:
        stopped = control.stop(settings.home, progress.see)
    _say("down_done" if stopped else "down_already", home=settings.home)


@app.command(rich_help_panel=PLATFORM)
def status(as_json: Json = False) -> None:
    """各进程的状态；不全就绪时退出码为 1 / The processes; exit code 1 where not all are ready."""
    settings = load_settings()
    found = control.current_status(settings.home)
    if as_json:
        for line in status_lines(found):
            print(line)
    elif found is None:
        _say("status_stopped", home=settings.home)
    else:
        out.print(status_table(found))
    if not all_ready(found):
        raise typer.Exit(1)


@app.command("doctor", rich_help_panel=PLATFORM)
def examine(as_json: Json = False) -> None:
    """找出问题并告诉怎么办；有问题时退出码为 1 / Find what is wrong; exit code 1 where something is."""
    wrong = False
    for finding in doctor.examine(load_settings()):
        wrong = wrong or finding.level == "error"
        if as_json:
            texts = {"message": finding.text("zh"), "message_en": finding.text("en")}
            print(json.dumps({"check": finding.check, "level": finding.level, **texts}, ensure_ascii=False))
        else:
            _show(finding, out)
    if wrong:
        raise typer.Exit(1)


@app.command(rich_help_panel=PLATFORM)
def demo(
    switch: Annotated[str | None, typer.Argument(help="on | off", show_default=False)] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=1, max=600, help="城市时间的倍速 / city seconds in a real second", show_default=False),
    ] = None,
) -> None:
    """演示城市：查看、开关、调速 / The demonstration city: look, switch, set its speed."""
    settings = load_settings()
    if switch not in (None, "on", "off"):
        raise ChengnaoError("demo_switch", value=switch)
    if switch is not None or speed is not None:
        on = settings.demonstration if switch is None else switch == "on"
        settings = _set_demonstration(settings, on, speed)
        control.reload(settings.home)
    found = control.current_status(settings.home)
    state = next((each.state for each in found.processes if each.name == "city"), "stopped") if found else "stopped"
    out.print(
        f"{both('demo_title')}: {both('demo_on' if settings.demonstration else 'demo_off')}"
        f" · {both('demo_speed')} ×{settings.clock_speed:g}"
        f" · {both(f'state_{state}')}"
    )


app.command("decode", rich_help_panel=FILES)(decode)
app.command("simulate-devices", rich_help_panel=FILES)(simulate_devices)
app.command("merge", rich_help_panel=FILES)(merge)
app.command("classify", rich_help_panel=FILES)(classify_command(training_rows))
add_training_commands(train_app)
app.add_typer(train_app, name="train", rich_help_panel=FILES)
app.command("ocr", rich_help_panel=FILES)(ocr)
app.command("transcribe", rich_help_panel=FILES)(transcribe)
app.command("ask", rich_help_panel=FILES)(ask_command)
app.command("divisions", rich_help_panel=FILES)(divisions)
app.command("indicators", rich_help_panel=PLATFORM)(show_indicators)
app.add_typer(agents, name="agent", rich_help_panel=PLATFORM)
app.add_typer(accounts, name="user", rich_help_panel=PLATFORM)
app.add_typer(keys, name="secrets", rich_help_panel=PLATFORM)
app.add_typer(reports, name="reports", rich_help_panel=PLATFORM)
app.add_typer(devices, name="devices", rich_help_panel=PLATFORM)
app.add_typer(models, name="models", rich_help_panel=PLATFORM)
app.add_typer(edge, name="edge", rich_help_panel=PLATFORM)
app.add_typer(readings, name="readings", rich_help_panel=PLATFORM)


def _set_demonstration(settings: Settings, on: bool, speed: float | None = None) -> Settings:
    """Write the switch to the settings file; a city without a speed of its own gets one that is worth watching."""
    values: dict[str, bool | float] = {"demonstration": on}
    if speed is not None:
        values["clock_speed"] = speed
    elif on and settings.clock_speed == 1.0:
        values["clock_speed"] = DEMONSTRATION_SPEED
    elif not on:
        values["clock_speed"] = 1.0
    settings_file.set_values(settings.home, values)
    changed = load_settings()
    for key, value in values.items():
        if getattr(changed, key) != value:
            raise ChengnaoError("setting_overridden", field=key, env=f"CHENGNAO_{key.upper()}")
    return changed


def _welcome(settings: Settings) -> None:
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104  (compared, not listened on)
    out.print(f"  {both('address')}: [bold cyan]http://{host}:{settings.port('web')}[/]", highlight=False)
    if settings.demonstration:
        # Imported here: an installation in operation may lack what the demonstration needs.
        from chengnao.demonstration.people import PASSWORD, accounts  # noqa: PLC0415

        out.print(f"  {both('demo_accounts')} [bold]{PASSWORD}[/]", highlight=False)
        for account in accounts():
            out.print(f"    [cyan]{account.username:<8}[/] {account.display_name}", highlight=False)


def _say(code: str, **params: object) -> None:
    out.print(message(code, "zh", **params), highlight=False)
    out.print(message(code, "en", **params), style="dim", highlight=False)


def _show(finding: doctor.Finding, console: Console = err) -> None:
    mark = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}[finding.level]
    console.print(f"{mark} {finding.text('zh')}", highlight=False)
    console.print(f"  {finding.text('en')}", style="dim", highlight=False)


def main() -> None:
    """Run the command; an error goes to standard error with exit code 2."""
    try:
        app()
    except ChengnaoError as error:
        if error.params.get("tail"):
            print(error.params["tail"], file=sys.stderr)
        print(f"{error.text('zh')}\n{error.text('en')}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
