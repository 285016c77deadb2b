"""The platform's status as a table or as JSON."""

import json
from dataclasses import asdict

from rich.table import Table

from chengnao.kernel.messages import message
from chengnao.kernel.status import PlatformStatus, ProcessStatus

_MARKS = {"ready": "[green]●[/]", "unhealthy": "[red]▲[/]", "restarting": "[red]▲[/]"}


def status_lines(status: PlatformStatus | None) -> list[str]:
    """JSON lines: the platform as a whole, then each process, which has a `name`."""
    if status is None:
        return [json.dumps({"platform": "stopped"})]
    whole = asdict(status)
    processes = whole.pop("processes")
    return [json.dumps(each, ensure_ascii=False) for each in ({"platform": whole.pop("state"), **whole}, *processes)]


def all_ready(status: PlatformStatus | None) -> bool:
    """Whether the platform runs and each of its processes is ready."""
    return status is not None and status.state == "running" and all(p.state == "ready" for p in status.processes)


def status_table(status: PlatformStatus) -> Table:
    """One row for each process, engines that run elsewhere included."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in ("process", "state", "pid", "port", "memory", "restarts", "lag", "detail"):
        numeric = column in ("pid", "port", "memory", "restarts", "lag")
        table.add_column(both(f"column_{column}"), justify="right" if numeric else "left", no_wrap=column != "detail")
    for process in status.processes:
        table.add_row(*_row(process))
    for name in status.external:
        table.add_row(name, f"[blue]◆[/] {both('state_external')}")
    total = sum(each.memory_mb or 0 for each in status.processes)
    table.add_section()
    table.add_row(both("row_total"), "", "", "", f"{total:,.0f} MB")
    return table


def both(code: str) -> str:
    """A short text in both languages."""
    return f"{message(code, 'zh')} {message(code, 'en')}"


def _row(process: ProcessStatus) -> list[str]:
    mark = _MARKS.get(process.state, "[yellow]◐[/]")
    return [
        process.name,
        f"{mark} {both(f'state_{process.state}')}",
        _text(process.pid),
        _text(process.port),
        "-" if process.memory_mb is None else f"{process.memory_mb:,.0f} MB",
        str(process.restarts),
        _text(process.lag),
        process.detail,
    ]


def _text(value: object) -> str:
    return "-" if value is None else str(value)
