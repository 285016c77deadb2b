"""`chengnao agent`: check the definition of an agent, and run one."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from chengnao.agents.catalogue.check import problems
from chengnao.agents.catalogue.definition import digest, read_yaml
from chengnao.agents.catalogue.model import AgentVersion, Checked, Problem
from chengnao.agents.catalogue.service import invalid_definition, published
from chengnao.agents.model import Agent
from chengnao.agents.runtime.advice import meant, warnings
from chengnao.agents.runtime.model import Run, RunState, Step
from chengnao.agents.runtime.repository import RunRepository
from chengnao.agents.runtime.service import DRAFT, run_of, start_run
from chengnao.agents.tools import rules, tools
from chengnao.kernel.access.model import SYSTEM, Principal, Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Invalid, NotFound, Unavailable
from chengnao.kernel.health import read_health
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings, load_settings
from chengnao.models.gateway.service import FIRST_ROUTES

app = typer.Typer(no_args_is_help=True, help="智能体：检查定义、运行 / Agents: check a definition, run one")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")]

_LOOK_SECONDS = 0.3


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="智能体定义 / the definition, YAML", show_default=False)],
    as_json: Json = False,
) -> None:
    """检查智能体定义：逐条给出位置和改法；有错误时退出码为 2 / Check a definition; exit code 2 where it cannot run.

    不需要启动平台 / The platform need not run.
    """
    checked, doubts = _judged(_text_of(file))
    for problem, level in [*((each, "error") for each in checked.problems), *((each, "warning") for each in doubts)]:
        _show(file, problem, level, as_json)
    if not checked.ok:
        raise typer.Exit(2)
    assert checked.definition is not None
    if not as_json:
        out.print(f"[green]✓[/] {checked.definition.id}：可以运行 / it can run")


def _judged(text: str) -> tuple[Checked, list[Problem]]:
    """The definition with all that is wrong in it, and what may disappoint."""
    offered, ruled = tools(), rules()
    checked = read_yaml(text, lambda agent: [*_hinted(agent, problems(agent, offered, ruled), offered, ruled)])
    if checked.definition is None:
        return checked, []
    effects = {name: tool.effect for name, tool in offered.items()}
    routes = [route.name for route in FIRST_ROUTES]
    doubts = read_yaml(text, lambda agent: warnings(agent, effects, routes)).problems
    return checked, doubts


def _hinted(agent: Agent, found: Iterable[Problem], offered: Iterable[str], ruled: Iterable[str]) -> Iterable[Problem]:
    """The problems, each that is an unknown name with the name that was probably meant."""
    for each in found:
        kind, _, place = each.path.partition(".")
        near = None
        if kind == "tools" and place.isdigit():
            near = _meant(agent.tools[int(place)], offered)
        elif kind == "context" and place.endswith(".tool"):
            near = _meant(agent.context[int(place.split(".")[0])].tool, offered)
        elif each.path == "fallback.rule":
            near = _meant(agent.fallback.rule or "", ruled)
        yield (
            each
            if near is None
            else Problem(each.path, f"{each.zh}是否指 {near}？", f"{each.en} Did you mean {near}?", each.line)
        )


def _meant(name: str, known: Iterable[str]) -> str | None:
    names = list(known)
    return None if name in names else meant(name, names)


def _show(file: Path, problem: Problem, level: str, as_json: bool) -> None:
    if as_json:
        line = {"level": level, "path": problem.path, "line": problem.line}
        print(json.dumps(line | {"message": problem.zh, "message_en": problem.en}, ensure_ascii=False))
        return
    mark = "[red]✗[/]" if level == "error" else "[yellow]![/]"
    where = f"{file}:{problem.line or 1}" + (f" {problem.path}" if problem.path else "")
    err.print(f"{mark} {where}", soft_wrap=True)
    err.print(f"  {problem.zh}\n  {problem.en}", markup=False, soft_wrap=True)


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("agent_file_unreadable", field="file", file=str(file), reason=str(error)) from error


@app.command("run")
def run_command(
    agent: Annotated[str, typer.Argument(help="编号，或定义文件 / an id, or the YAML of a draft", show_default=False)],
    input_file: Annotated[
        Path, typer.Option("--input", help="输入，JSON 文件；- 为标准输入 / the input, JSON; - reads standard input")
    ],
    username: Annotated[
        str | None, typer.Option("--as", help="以此用户的权限运行 / with this user's rights", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="最多等待 / wait at most")] = 300.0,
    as_json: Json = False,
) -> None:
    """运行智能体并显示每一步（平台须在运行）/ Run an agent and show each step (the platform must be running).

    定义文件按草稿试运行：不产生任何影响 / The file of a draft is tried: nothing is done that has an effect.
    """
    settings = load_settings()
    given = _input(input_file)
    health = read_health(settings.home, "agents")
    if health is None or not health.ready:
        raise Unavailable("agents_not_running", home=str(settings.home))
    ended = asyncio.run(_run(settings, agent, given, username, seconds, as_json))
    if not ended.state.ended:
        raise Unavailable("agent_run_goes_on", id=ended.id, state=ended.state.zh, state_en=ended.state.en)
    if ended.state is not RunState.DONE:
        raise typer.Exit(1)


def _input(file: Path) -> dict[str, Any]:
    text = typer.get_text_stream("stdin").read() if str(file) == "-" else _text_of(file)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid("agent_file_unreadable", field="--input", file=str(file), reason=str(error)) from error
    if not isinstance(value, dict):
        raise Invalid("agent_file_unreadable", field="--input", file=str(file), reason="{…}")
    return value


async def _run(
    settings: Settings, agent: str, given: dict[str, Any], username: str | None, seconds: float, as_json: bool
) -> Run:
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
    vault = Vault.of(settings.home)
    try:
        async with database.unit_of_work() as uow:
            principal = await _principal(uow, username)
            version = await _version(uow, principal, agent)
            run = await start_run(uow, principal, version, given, trial=version.version == DRAFT)
            await uow.commit()
        return await _follow(database, vault, run, seconds, as_json)
    finally:
        await database.close()


async def _principal(uow: UnitOfWork, username: str | None) -> Principal:
    if username is None:
        return SYSTEM
    row = await AccessRepository(uow.session).account(username)
    user = None if row is None else await AccessRepository(uow.session).user(Scope(), row.id)
    if user is None or not user.active:
        raise NotFound("not_found", kind="用户 user", id=username)
    return user.principal


async def _version(uow: UnitOfWork, principal: Principal, agent: str) -> AgentVersion:
    file = Path(agent)
    if file.suffix not in (".yaml", ".yml"):
        return await published(uow, agent)
    checked, _ = _judged(_text_of(file))
    if checked.definition is None or checked.problems:
        raise invalid_definition(checked.problems)
    return AgentVersion(
        agent_id=checked.definition.id,
        version=DRAFT,
        digest=digest(checked.definition),
        definition=checked.definition,
        division_code=principal.division_code,
        unit_id=principal.unit_id,
        author=principal.id,
        author_name=principal.name,
        at=uow.clock.now(),
        note="",
    )


async def _follow(database: Database, vault: Vault, run: Run, seconds: float, as_json: bool) -> Run:
    """Print each step as it is kept, and the result; gives the run as it is then."""
    seen, state = 0, RunState.QUEUED
    until = asyncio.get_running_loop().time() + seconds
    while True:
        async with database.unit_of_work() as uow:
            present = await run_of(uow, Scope(), run.id, vault)
            steps = await RunRepository(uow.session, vault).steps(run.id)
        for step in steps[seen:]:
            _print_step(step, as_json)
        seen = len(steps)
        if present.state is RunState.WAITING and state is not RunState.WAITING and not as_json:
            out.print("… 等待审批 / waiting for approval", style="yellow")
        state = present.state
        if state.ended:
            _print_result(present, as_json)
            return present
        if asyncio.get_running_loop().time() >= until:
            return present
        await asyncio.sleep(_LOOK_SECONDS)


def _print_step(step: Step, as_json: bool) -> None:
    tokens = step.prompt_tokens + step.completion_tokens
    code = None if step.error is None else step.error.get("code")
    if as_json:
        line = {"step": step.seq, "kind": step.kind.value, "name": step.name, "milliseconds": step.milliseconds}
        print(json.dumps(line | {"tokens": tokens, "error": code, "output": step.output}, ensure_ascii=False))
        return
    mark = "[green]✓[/]" if code is None else "[red]✗[/]"
    more = f" · {tokens} tokens" if tokens else ""
    out.print(
        f"{mark} {step.seq} {step.kind.zh} {step.name} · {step.milliseconds} ms{more}" + (f" · {code}" if code else "")
    )
    for flag in step.flags:
        out.print(f"  [yellow]![/] {flag['source']} {flag['path']}：“{flag['quote']}”", soft_wrap=True)


def _print_result(run: Run, as_json: bool) -> None:
    if as_json:
        found = {"run": run.id, "state": run.state.value, "by": run.by, "result": run.result, "evidence": run.evidence}
        more = {"confidence": run.confidence, "role": run.role, "error": run.error, "reason": run.reason}
        print(json.dumps(found | more, ensure_ascii=False))
        return
    for problem in (run.reason, run.error):
        if problem is not None:
            out.print(f"{problem['message']}\n{problem['message_en']}", style="yellow", markup=False, soft_wrap=True)
    who = "" if run.by is None else f" · {run.by.zh}"
    out.print(f"[bold]{run.state.zh}[/]{who}" + (f" → {run.role}" if run.role else "") + f" · {run.id}")
    if run.result is not None:
        out.print_json(json.dumps(run.result, ensure_ascii=False), ensure_ascii=False)
        for each in run.evidence:
            out.print(f"  [dim]{each['kind']}[/] {each['title']} ({each['id']})", soft_wrap=True)
    if run.ai_label is not None:
        out.print(run.ai_label, style="dim")
