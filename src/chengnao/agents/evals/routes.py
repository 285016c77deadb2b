"""Evaluation sets and runs over HTTP."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.evals import service
from chengnao.agents.evals.model import EvalRun, EvalSet, EvalState, Item, Mode, Result, Scorers, SetFile
from chengnao.agents.evals.repository import EvalRepository
from chengnao.agents.runtime.service import may_read, run_of
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, RepeatableDep, UowDep, require

router = APIRouter(tags=["agents"])

Reader = Annotated[Principal, Depends(require("agent.read"))]
Evaluator = Annotated[Principal, Depends(require("agent.evaluate"))]


class SetOut(BaseModel):
    """`builtin`: comes with the platform and cannot be changed; `named`: the one that publishing asks for."""

    id: str
    name: str
    name_en: str
    purpose: str
    builtin: bool
    named: bool
    items: int
    created_by_name: str
    created_at: datetime

    @classmethod
    def of(cls, made: EvalSet, items: int, named: str | None) -> Self:
        plain = {name: getattr(made, name) for name in cls.model_fields if name not in ("items", "named")}
        return cls(**plain, items=items, named=made.id == named)


class EvalRunOut(BaseModel):
    """`total` and `done` count results: items times versions. `summary` grows while it runs."""

    id: str
    set_id: str
    agent_id: str
    versions: list[int]
    mode: Mode
    mode_name: str
    split: str
    state: EvalState
    state_name: str
    total: int
    done: int
    asked_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    summary: dict[str, Any] | None
    error: dict[str, Any] | None

    @classmethod
    def of(cls, run: EvalRun) -> Self:
        derived = {
            "mode_name": run.mode.zh,
            "state_name": run.state.zh,
            "asked_by_name": run.principal.name,
            "versions": list(run.versions),
        }
        return cls(**{name: getattr(run, name) for name in cls.model_fields if name not in derived}, **derived)


class ResultOut(BaseModel):
    """What one version made of one item; `run_id` leads to the run's trace. Without a score it is not run yet."""

    version: int
    item: dict[str, Any]
    run_id: str | None
    score: float | None
    passed: bool | None
    reasons: list[str]
    answer: dict[str, Any] | None
    by: str | None
    tokens: int
    money: float
    milliseconds: int

    @classmethod
    def of(cls, result: Result) -> Self:
        plain = asdict(result) | {"item": result.item.model_dump(mode="json")}
        return cls(**{name: plain[name] for name in cls.model_fields})


@router.get("/agents/{agent_id}/evals")
async def list_sets(agent_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[SetOut]:
    """The sets of an agent, and the one of the platform that it names."""
    definition, own = await service.sets_of(uow, principal, agent_id)
    named = None if definition.evals is None else definition.evals.set
    found = await EvalRepository(uow.session).sets_for(agent_id if own else "", named, page)
    return PageOf.of(found, [SetOut.of(made, items, named) for made, items in found.items])


@router.post("/agents/{agent_id}/evals", status_code=201)
async def create_set(agent_id: Id, body: SetFile, principal: Evaluator, uow: UowDep, context: ContextDep) -> SetOut:
    """Make a set of the agent; personal details in its items are hidden before they are kept."""
    made = await service.create_set(uow, context.authority, principal, agent_id, body)
    definition, _ = await service.sets_of(uow, principal, agent_id)
    await uow.commit()
    return SetOut.of(made, len(body.items), None if definition.evals is None else definition.evals.set)


@router.get("/agents/{agent_id}/evals/{set_id}/items")
async def list_items(agent_id: Id, set_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[Item]:
    """The items of a set."""
    _, own = await service.sets_of(uow, principal, agent_id)
    made = await service.require_set(uow, agent_id, set_id)
    if not (own or made.builtin):
        raise NotFound("not_found", kind="测评集 evaluation set", id=set_id)
    found = await EvalRepository(uow.session).items(set_id, page)
    return PageOf.of(found, list(found.items))


class ItemsIn(BaseModel):
    """Items to add or change, or a run to make one of: `expected` is what a person says is right."""

    items: Annotated[list[Item], Field(max_length=500)] = []
    from_run: Id | None = None
    expected: dict[str, Any] | None = None
    scorer: Scorers | None = None


@router.post("/agents/{agent_id}/evals/{set_id}/items", status_code=201)
async def put_items(
    agent_id: Id, set_id: Id, body: ItemsIn, principal: Evaluator, uow: UowDep, context: ContextDep
) -> list[Item]:
    """Add items, or change those of the same id; a real run becomes one with its personal details hidden."""
    items = list(body.items)
    if body.from_run is not None:
        vault = Vault.of(context.settings.home)
        run = await run_of(uow, Scope.of(principal), body.from_run, vault if await _may(uow, principal, body) else None)
        items.append(service.from_run(run, body.scorer, body.expected))
    if not items:
        raise Invalid("eval_item_invalid", field="items", reason="0")
    kept = await service.put_items(uow, context.authority, principal, agent_id, set_id, items)
    await uow.commit()
    return kept


async def _may(uow: UnitOfWork, principal: Principal, body: ItemsIn) -> bool:
    """Whether the texts of the run, where they are sensitive, are the asker's to see."""
    return may_read(principal, await run_of(uow, Scope.of(principal), body.from_run or ""))


@router.delete("/agents/{agent_id}/evals/{set_id}/items/{item_id}", status_code=204)
async def drop_item(
    agent_id: Id, set_id: Id, item_id: Id, principal: Evaluator, uow: UowDep, context: ContextDep
) -> None:
    """Take an item out; evaluations of the past keep it."""
    await service.drop_item(uow, context.authority, principal, agent_id, set_id, item_id)
    await uow.commit()


class EvalIn(BaseModel):
    """One version, or two to compare; none means the latest. `split`: figures are given of `test`."""

    versions: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=service.SIDES)] = []
    mode: Mode = Mode.MODEL
    split: Literal["dev", "test", "all"] = "test"


@router.post("/agents/{agent_id}/evals/{set_id}/run", status_code=202)
async def start_eval(
    agent_id: Id,
    set_id: Id,
    body: EvalIn,
    principal: Evaluator,
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> EvalRunOut:
    """Run the versions over the set, item by item as trial runs; follow it at `/evals/runs/{id}`."""
    if (known := await repeatable.known(EvalRunOut)) is not None:
        return known
    run = await service.start_eval(
        uow, context.authority, principal, agent_id, set_id, body.versions, mode=body.mode, split=body.split
    )
    answer = await repeatable.keep(EvalRunOut.of(run))
    await uow.commit()
    return answer


@router.get("/evals/runs")
async def list_evals(agent_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[EvalRunOut]:
    """The evaluations of an agent, the newest first."""
    record, own = await catalogue.seen(uow, principal, agent_id)
    found = await EvalRepository(uow.session).runs_of(agent_id if own or record.builtin else "", page)
    return PageOf.of(found, [EvalRunOut.of(each) for each in found.items])


@router.get("/evals/runs/{eval_run_id}")
async def read_eval(eval_run_id: Id, principal: Reader, uow: UowDep) -> EvalRunOut:
    """Progress and figures of an evaluation: each version's score with its 95 % interval, and their comparison."""
    return EvalRunOut.of(await service.require_run(uow, principal, eval_run_id))


@router.get("/evals/runs/{eval_run_id}/results")
async def list_results(eval_run_id: Id, principal: Reader, uow: UowDep, page: PageDep) -> PageOf[ResultOut]:
    """What each version made of each item, item by item."""
    await service.require_run(uow, principal, eval_run_id)
    found = await EvalRepository(uow.session).results(eval_run_id, page)
    return PageOf.of(found, [ResultOut.of(each) for each in found.items])


@router.post("/evals/runs/{eval_run_id}/cancel")
async def cancel_eval(eval_run_id: Id, principal: Evaluator, uow: UowDep, context: ContextDep) -> EvalRunOut:
    """Stop after the items under way; what is known stays."""
    run = await service.cancel_eval(uow, context.authority, principal, eval_run_id)
    answer = EvalRunOut.of(run)
    await uow.commit()
    return answer
