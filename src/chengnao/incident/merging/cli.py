"""`chengnao merge`: which rows of a file are about one matter, without starting anything."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from chengnao.incident.merging import records
from chengnao.incident.merging.model import Matter, default_weights
from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.lines import lines_of
from chengnao.kernel.messages import message

if TYPE_CHECKING:
    from chengnao.incident.merging.groups import Group


def merge(
    file: Annotated[str, typer.Argument(help="JSON lines; - reads standard input")],
    threshold: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="从此概率起并为一组 / from this probability on", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object a line; so it is wherever the output is no terminal")
    ] = False,
) -> None:
    """一事多人：找出说同一件事的诉求 / Find the reports that are about one matter.

    每行一个 JSON 对象，任何字段都可以缺 / One JSON object a line; any field may be missing:

    id; text, content, description, title, descriptor; category, complaint_type, sr_type, service_code, type;
    created, created_at, created_date, received_at, requested_datetime, opened_at, time; closed_at;
    lon, lng, longitude; lat, latitude; address, street_name, block, location; source, device_id, reporter.

    输出每组的成员和每对的概率与理由；单独的行不输出 / Out come groups of two and more, with the probability and the
    reasons of their pairs.
    """
    # Imported here: numpy and scipy would slow down every other command.
    from chengnao.incident.merging.groups import group  # noqa: PLC0415

    try:
        matters = _read(file)
        groups = group(matters, threshold=threshold)
        show = _print_json if as_json or not sys.stdout.isatty() else _print_text
        for number, found in enumerate(groups, start=1):
            show(number, found, matters)
        joined = sum(len(found.members) for found in groups)
        _complain("merge_done", rows=len(matters), groups=len(groups), joined=joined, alone=len(matters) - joined)
    except ChengnaoError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _read(file: str) -> list[Matter]:
    matters = []
    for number, line in enumerate(lines_of(file, "读取 / reading"), start=1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"a JSON {type(record).__name__}, not an object")
        except ValueError as error:
            _complain("merge_line_invalid", line=number, reason=str(error))
            continue
        matter, unread = records.matter_from(record, number)
        for each in unread:
            _complain("merge_value_unread", line=number, field=each.field, value=each.value[:80])
        matters.append(matter)
    if not matters:
        raise Invalid("merge_no_rows", field="file", file=file)
    return matters


def _complain(code: str, **params: Any) -> None:
    typer.echo(f"{message(code, 'zh', **params)} / {message(code, 'en', **params)}", err=True)


def _print_json(number: int, found: "Group", matters: list[Matter]) -> None:
    typer.echo(
        orjson.dumps(
            {
                "group": number,
                "members": [matters[row].id for row in found.members],
                "score": round(found.probability, 4),
                "automatic": found.probability >= default_weights().settings.automatic,
                "pairs": [
                    {
                        "a": matters[link.one].id,
                        "b": matters[link.other].id,
                        "score": round(link.probability, 4),
                        "reasons": [reason.zh for reason in link.reasons],
                        "reasons_en": [reason.en for reason in link.reasons],
                    }
                    for link in found.links
                ],
            }
        )
    )


def _print_text(number: int, found: "Group", matters: list[Matter]) -> None:
    typer.echo(f"#{number} · {len(found.members)} 件 · {found.probability:.0%}")
    for row in found.members:
        link = max((each for each in found.links if each.other == row), key=lambda each: each.probability, default=None)
        why = f"  ← {'，'.join(reason.zh for reason in link.reasons)}" if link else ""
        typer.echo(f"  {matters[row].id:<14} {' '.join(matters[row].text.split())[:40]}{why}")
