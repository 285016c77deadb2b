"""Use cases of evaluation sets and runs. None of them commits."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import ValidationError

from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.catalogue.builtin import folders, texts
from chengnao.agents.catalogue.definition import read_plain
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.catalogue.publishing import Proof
from chengnao.agents.evals.model import EvalRun, EvalSet, EvalState, Item, Mode, Result, SetFile, Source
from chengnao.agents.evals.repository import EvalRepository
from chengnao.agents.evals.statistics import compare, wilson
from chengnao.agents.model import Agent
from chengnao.agents.runtime.model import Run, digest_of
from chengnao.agents.runtime.prompt import masked
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY

log = logging.getLogger(__name__)

SIDES = 2
"""Versions in one run at most: they are compared in pairs."""

WHOLE = "all"


async def sets_of(uow: UnitOfWork, principal: Principal, agent_id: str) -> tuple[Agent, bool]:
    """The agent's definition that names a set, and whether the sets of its own may be seen; raises NotFound."""
    record, own = await catalogue.seen(uow, principal, agent_id)
    version = await catalogue.version_of(uow, agent_id, record.published_version or record.latest_version)
    return version.definition, own


async def require_set(uow: UnitOfWork, agent_id: str, set_id: str, *, lock: bool = False) -> EvalSet:
    """A set of the agent or of the platform; raises NotFound for that of another agent."""
    found = await EvalRepository(uow.session).get_set(set_id, lock=lock)
    if found is None or found.agent_id not in (None, agent_id):
        raise NotFound("not_found", kind="测评集 evaluation set", id=set_id)
    return found


async def create_set(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    agent_id: str,
    made: SetFile,
) -> EvalSet:
    """Make a set of the agent with its first items; raises Conflict where the id is taken."""
    record = await catalogue.require_own(uow, authority, actor, agent_id, "agent.evaluate")
    new = EvalSet(
        id=made.id,
        agent_id=agent_id,
        name=made.name.zh,
        name_en=made.name.en,
        purpose=made.purpose,
        division_code=record.division_code,
        unit_id=record.unit_id,
        created_at=uow.clock.now(),
        created_by_name=actor.name,
    )
    repository = EvalRepository(uow.session)
    if not await repository.add_set(new):
        raise Conflict("eval_set_taken", field="id", id=made.id)
    await repository.put_items(made.id, [hidden(each) for each in made.items])
    await access.record_act(uow, actor, "agent.evaluate", agent=agent_id, set=made.id, items=len(made.items))
    return new


async def put_items(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, set_id: str, items: Sequence[Item]
) -> list[Item]:
    """Add items to a set of the agent, or change those of the same id; personal details are hidden first."""
    await _own_set(uow, authority, actor, agent_id, set_id)
    kept = [hidden(each) for each in items]
    await EvalRepository(uow.session).put_items(set_id, kept)
    await access.record_act(uow, actor, "agent.evaluate", agent=agent_id, set=set_id, put=[each.id for each in kept])
    return kept


async def drop_item(
    uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, set_id: str, item_id: str
) -> None:
    """Take an item out of a set; past runs keep it. Raises NotFound."""
    await _own_set(uow, authority, actor, agent_id, set_id)
    if not await EvalRepository(uow.session).drop_items(set_id, item_id):
        raise NotFound("not_found", kind="测评项 item", id=item_id)
    await access.record_act(uow, actor, "agent.evaluate", agent=agent_id, set=set_id, dropped=item_id)


async def _own_set(uow: UnitOfWork, authority: Authority, actor: Principal, agent_id: str, set_id: str) -> EvalSet:
    await catalogue.require_own(uow, authority, actor, agent_id, "agent.evaluate")
    found = await require_set(uow, agent_id, set_id, lock=True)
    if found.builtin:
        raise Conflict("eval_set_builtin", id=set_id)
    return found


def from_run(run: Run, scorer: Any, expected: dict[str, Any] | None) -> Item:
    """An item out of a real run: its input, and what a person says is right, or else what was answered.

    Raises Conflict where the run's texts are gone, Invalid where item and scorer do not fit.
    """
    if not run.input:
        raise Conflict("eval_run_empty", id=run.id)
    wanted = run.result if expected is None else expected
    try:
        return Item(
            id=f"run-{run.id[-12:]}",
            input=run.input,
            expected=wanted or {},
            scorer=scorer or {"kind": "exact"},
            source=Source(kind="run", id=run.id),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(
            "eval_item_invalid", field=".".join(str(each) for each in first["loc"]) or "item", reason=first["msg"]
        ) from error


def hidden(item: Item) -> Item:
    """The item with personal details hidden: a set is read by many, for long."""
    return item.model_copy(update={"input": masked(item.input), "expected": masked(item.expected)})


async def start_eval(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    agent_id: str,
    set_id: str,
    versions: Sequence[int],
    *,
    mode: Mode = Mode.MODEL,
    split: str = "test",
) -> EvalRun:
    """Queue an evaluation of one version, or of two to compare; the `agents` process takes it up once committed.

    The items are taken as they are now. Raises Invalid where the set has none, Conflict where too many items wait.
    """
    record = await catalogue.require_own(uow, authority, actor, agent_id, "agent.evaluate")
    await require_set(uow, agent_id, set_id)
    wanted = list(dict.fromkeys(versions)) or [record.latest_version]
    if len(wanted) > SIDES:
        raise Invalid("eval_versions_many", field="versions", count=len(wanted), limit=SIDES)
    found = [await catalogue.version_of(uow, agent_id, each) for each in wanted]
    repository = EvalRepository(uow.session)
    items = await repository.every_item(set_id, split)
    if not items:
        raise Invalid("eval_set_empty", field="split", set=set_id, split=split)
    run = EvalRun(
        id=new_id(),
        set_id=set_id,
        agent_id=agent_id,
        versions=tuple(wanted),
        digests=tuple(each.digest for each in found),
        mode=mode,
        split=split,
        state=EvalState.QUEUED,
        total=len(items) * len(wanted),
        done=0,
        principal=actor,
        division_code=record.division_code,
        unit_id=record.unit_id,
        created_at=uow.clock.now(),
    )
    # Item by item through both versions: what is known of both grows together.
    pending = [Result(run.id, version, item) for item in items for version in wanted]
    await repository.add_run(run, pending)
    await access.record_act(
        uow, actor, "agent.evaluate", agent=agent_id, set=set_id, run=run.id, versions=wanted, mode=mode.value
    )
    return run


async def cancel_eval(uow: UnitOfWork, authority: Authority, actor: Principal, run_id: str) -> EvalRun:
    """Stop an evaluation after the items under way; raises Conflict where it has ended."""
    run = await require_run(uow, actor, run_id)
    await catalogue.require_own(uow, authority, actor, run.agent_id, "agent.evaluate")
    if run.state.ended:
        raise Conflict("eval_run_ended", id=run_id, state=run.state.zh, state_en=run.state.en)
    await EvalRepository(uow.session).change_run(run_id, cancel=True)
    await access.record_act(uow, actor, "agent.evaluate", run=run_id, cancelled=True)
    return await require_run(uow, actor, run_id)


async def require_run(uow: UnitOfWork, principal: Principal, run_id: str) -> EvalRun:
    """The evaluation, where the principal sees its agent from the own side, or agent and set are the platform's.

    Raises NotFound.
    """
    run = await EvalRepository(uow.session).get_run(run_id)
    if run is not None and await _may_see(uow, principal, run):
        return run
    raise NotFound("not_found", kind="测评运行 evaluation run", id=run_id)


async def _may_see(uow: UnitOfWork, principal: Principal, run: EvalRun) -> bool:
    try:
        record, own = await catalogue.seen(uow, principal, run.agent_id)
    except NotFound:
        return False
    return own or (record.builtin and (await require_set(uow, run.agent_id, run.set_id)).builtin)


def summary(run: EvalRun, results: Sequence[Result]) -> dict[str, Any]:
    """The figures of what has been run so far: each version's, and the comparison where there are two."""
    by_version = {
        each: [one for one in results if one.version == each and one.score is not None] for each in run.versions
    }
    found: dict[str, Any] = {"versions": [_figures(each, by_version[each]) for each in run.versions]}
    if len(run.versions) == SIDES:
        first, second = ({one.item.id: bool(one.passed) for one in by_version[each]} for each in run.versions)
        both = [each for each in first if each in second]
        compared = compare([first[each] for each in both], [second[each] for each in both])
        found["comparison"] = {"first": run.versions[0], "second": run.versions[1]} | asdict(compared)
    return found


def _figures(version: int, results: Sequence[Result]) -> dict[str, Any]:
    count = len(results)
    passed = sum(1 for each in results if each.passed)
    low, high = wilson(passed, count)
    times = sorted(each.milliseconds for each in results)
    return {
        "version": version,
        "items": count,
        "synthetic": sum(1 for each in results if each.item.synthetic),
        "passed": passed,
        "score": passed / count if count else 0.0,
        "low": low,
        "high": high,
        "mean": sum(each.score or 0.0 for each in results) / count if count else 0.0,
        "by": {
            name: sum(1 for each in results if each.by == name) for name in sorted({each.by or "-" for each in results})
        },
        "tokens": sum(each.tokens for each in results),
        "money": sum(each.money for each in results),
        "p50_milliseconds": times[len(times) // 2] if times else 0,
    }


async def proof_for(uow: UnitOfWork, version: AgentVersion) -> Proof | None:
    """The latest finished evaluation of this very definition on the set that it names; None where there is none."""
    need = version.definition.evals
    if need is None:
        return None
    run = await EvalRepository(uow.session).latest_done(version.agent_id, need.set, version.digest)
    if run is None or run.summary is None:
        return None
    number = run.versions[run.digests.index(version.digest)]
    score = next(each["score"] for each in run.summary["versions"] if each["version"] == number)
    return Proof(run.id, need.set, version.digest, score)


async def install_sets(uow: UnitOfWork) -> int:
    """Put the sets that come with the platform and its packs into the database; returns how many have changed.

    A file that is no set is left out, and the log says why: one bad pack stops nothing.
    """
    repository = EvalRepository(uow.session)
    changed = 0
    for folder in folders():
        evals = folder / "evals"
        for name, text in texts(evals) if evals.is_dir() else ():
            try:
                read = SetFile.model_validate(read_plain(text))
            except ValueError as error:
                log.error("evaluation set %s is left out: %s", name, error)
                continue
            changed += await _install(repository, uow, read)
    return changed


async def _install(repository: EvalRepository, uow: UnitOfWork, read: SetFile) -> bool:
    plain = orjson.loads(read.model_dump_json())
    digest = digest_of(plain)
    known = await repository.get_set(read.id, lock=True)
    if known is not None and (not known.builtin or known.digest == digest):
        return False
    words = {"name": read.name.zh, "name_en": read.name.en, "purpose": read.purpose, "digest": digest}
    if known is None:
        made = EvalSet(
            id=read.id,
            agent_id=None,
            division_code=CITY,
            unit_id=None,
            created_at=uow.clock.now(),
            created_by_name=SYSTEM.name,
            **words,
        )
        await repository.add_set(made)
    else:
        await repository.change_set(read.id, **words)
        await repository.drop_items(read.id)
    await repository.put_items(read.id, read.items)
    return True
