"""The general agents over their evaluation sets: with models off, with a scripted model, and with a real one.

    python -m benchmarks.agents [--model URL] [--sample N] [--seconds N] [--only SET …] [--split dev|test|all] [--wrong]

Starts PostgreSQL in a data folder of its own, with divisions, a table of responsibilities, the sample texts of
`knowledge/evals` as public documents, and a first classifier (a minute of training). Every item goes through the
platform's own loop: context calls, prompt, schema, checks, limits, fallback. "off" is the fallback rule; "scripted"
answers what the rule proposes in the form that is asked for, and shows that the plumbing carries it; `--model` goes
through the model gateway to an OpenAI-compatible address, and what the model could not answer is the rule's, counted
apart. All items are made up. Scores are the share of items judged right, with a 95 % interval (Wilson).
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from chengnao.agents.catalogue.builtin import builtin_agents
from chengnao.agents.catalogue.definition import digest, read_plain
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.evals.model import Item, SetFile
from chengnao.agents.evals.scoring import Given, judge
from chengnao.agents.evals.statistics import wilson
from chengnao.agents.model import Agent
from chengnao.agents.runtime.loop import Loop
from chengnao.agents.runtime.model import By, Run
from chengnao.agents.runtime.service import start_run
from chengnao.agents.tools import Call, rules
from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.migrate import migrate
from chengnao.app.spec import Spec
from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.installed import ensure_classifier
from chengnao.incident.classification.model import classifier_path
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Role
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.settings import Settings, load_settings
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.keeping import Handed, add_base, add_document
from chengnao.knowledge.model import About, DocumentKind, Ownership
from chengnao.knowledge.worker import KnowledgeWorker
from chengnao.models.client import ChatReply, ChatRequest, ModelClient
from chengnao.models.gateway.model import Target
from tests.support.gateway import GatewayProcess, put_provider, put_route
from tests.support.ports import free_block
from tests.support.stack import Stack, make_home, remove_home

OFFICER = Principal("benchmark", "测评", "user", frozenset({Role.DUTY_OFFICER, Role.DISPATCHER}), CITY)
SMALL_SETS = {"complaints": "incident-triage", "extraction": "call-transcription", "dispatching": "incident-triage"}
"""The sets of the notes beside the agents' own, and which agent is asked."""
CLASSIFIER = Path(tempfile.gettempdir()) / "chengnao-benchmark-classifier.skops"
_LONGEST = 600.0
err = Console(stderr=True)


@dataclass
class Figures:
    """What one way of answering made of one set."""

    right: int = 0
    asked: int = 0
    by_model: int = 0
    seconds: float = 0.0

    @property
    def shown(self) -> str:
        if not self.asked:
            return "—"
        low, high = wilson(self.right, self.asked)
        return f"{self.right}/{self.asked} {self.right / self.asked:.0%} [{low:.0%}, {high:.0%}]"


class Scripted(ModelClient):
    """A model that says what the rule proposes, in the form that is asked for."""

    def __init__(self, settings: Settings, agent: Agent, database: Database) -> None:
        super().__init__(settings)
        self._agent = agent
        self._database = database
        self.item: Item | None = None

    async def chat(self, request: ChatRequest) -> ChatReply:
        assert self.item is not None
        assert request.schema is not None
        async with self._database.unit_of_work() as uow:
            call = Call(uow, OFFICER, load_settings(self._home), self._agent.id, "", "")
            answer = await rules()[str(self._agent.fallback.rule)].run(call, dict(self.item.input))
        asked = self._agent.output["properties"]
        cited = request.schema["properties"]["evidence"].get("items", {}).get("enum", [])
        said = {
            "answer": {name: answer.result[name] for name in asked if name in answer.result},
            "evidence": cited[:1],
            "confidence": answer.confidence,
        }
        return ChatReply(
            text=json.dumps(said, ensure_ascii=False),
            prompt_tokens=1,
            completion_tokens=1,
            money=0.0,
            model="scripted",
            target="scripted",
        )


def sets() -> dict[str, SetFile]:
    """The sets of the package, by id."""
    folder = files("chengnao.agents.general") / "evals"
    found = [SetFile.model_validate(read_plain(each.read_text("utf-8"))) for each in folder.iterdir()]
    return {each.id: each for each in found}


def read_sample(text: str) -> tuple[dict[str, Any], str]:
    """What a sample text says of itself, and the text."""
    _, said, body = text.split("---\n", 2)
    return yaml.safe_load(said), body


async def prepare(database: Database, settings: Settings) -> None:
    """Divisions, public texts that can be searched, and a classifier."""
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await uow.commit()
    target = classifier_path(settings.home)
    target.parent.mkdir(parents=True, exist_ok=True)
    if CLASSIFIER.exists():
        shutil.copyfile(CLASSIFIER, target)
    else:
        ensure_classifier(settings.home, training_rows, database.clock.now())
        shutil.copyfile(target, CLASSIFIER)
    public = Ownership(CITY, None, DataClass.PUBLIC)
    async with database.unit_of_work() as uow:
        base = await add_base(uow, SYSTEM, "测评用公开文件", "", public)
        known: dict[str, str] = {}
        texts = sorted((files("chengnao.knowledge") / "evals" / "texts").iterdir(), key=lambda each: each.name)
        for each in texts:
            said, text = read_sample(each.read_text("utf-8"))
            about = About(
                said["title"],
                DocumentKind(said["kind"]),
                said["issuer"],
                said["number"],
                valid_from=said["valid_from"],
                supersedes=known.get(said.get("supersedes", "")),
                synthetic=True,
            )
            file = Handed(each.name, text.encode())
            made = await add_document(uow, settings.home, SYSTEM, base, about, public, file)
            known[each.name.removesuffix(".md")] = made.id
        await uow.commit()
    worker = KnowledgeWorker(database, settings.home)
    while await worker.read_step() or await worker.index_step():
        pass


async def once(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A step of a run whose process does not end."""
    await work()


async def never(approval_id: str) -> None:
    raise AssertionError("an agent of these sets asks for no leave")


async def ask(loop: Loop, database: Database, agent: Agent, item: Item) -> Run:
    """The run of one item, ended."""
    async with database.unit_of_work() as uow:
        version = AgentVersion(agent.id, 0, digest(agent), agent, CITY, None, "", "", uow.clock.now(), "")
        run = await start_run(uow, OFFICER, version, dict(item.input), trial=True)
        await uow.commit()
    ended, _ = await loop.run(run, version, once, asyncio.Event(), never)
    return ended


async def measure(
    database: Database, settings: Settings, agent: Agent, items: Sequence[Item], client: ModelClient, *, wrong: bool
) -> Figures:
    figures, loop = Figures(), Loop(database, settings, Authority.load(), client)
    began = time.monotonic()
    for item in items:
        if isinstance(client, Scripted):
            client.item = item
        ended = await ask(loop, database, agent, item)
        score = judge(item, Given(ended.result, ended.evidence))
        figures.asked += 1
        figures.right += score.passed
        figures.by_model += ended.by is By.MODEL
        left = not isinstance(client, Scripted) and ended.reason is not None and ended.reason["code"] != "models_off"
        if wrong and (left or not score.passed):
            why = ended.reason["message"] if ended.reason else ""
            told = f"{agent.id} {item.id} {item.split} {ended.by} {why}: {'；'.join(score.reasons)[:300]}"
            err.print(told, markup=False, soft_wrap=True)
    figures.seconds = (time.monotonic() - began) / max(1, len(items))
    return figures


@asynccontextmanager
async def gateway(database: Database, url: str, model: str) -> AsyncIterator[ModelClient]:
    """The platform's model gateway with the address as its one vendor."""
    process = GatewayProcess(database.engine.url.render_as_string(hide_password=False))
    try:
        await put_provider(database, process.home, "benchmark", model)
        await put_route(
            database,
            Target("provider:benchmark", "model", data=DataClass.SENSITIVE, seconds=_LONGEST),
            seconds=_LONGEST,
        )
        process.start()
        settings = load_settings(process.home, base_port=process.base_port)
        async with ModelClient(settings) as client:
            yield client
    finally:
        process.close()


def sampled(found: SetFile, split: str, count: int | None) -> list[Item]:
    items = [each for each in found.items if split == "all" or each.split == split]
    return items if count is None else items[:: max(1, len(items) // count)][:count]


async def run(options: argparse.Namespace) -> None:
    home = make_home()
    (home / "chengnao.toml").write_text(f"base_port = {free_block()}\nmodels = false\n")
    settings = load_settings(home)
    try:
        with Stack(home) as stack:
            server = Postgres(home)
            stack.start(Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL))
            url = database_url(settings)
            migrate(url)
            database = Database.connect(url, SystemClock())
            try:
                err.print("preparing: divisions, texts, classifier")
                await prepare(database, settings)
                if options.model:
                    async with gateway(database, url, options.model) as client:
                        await table(database, settings, options, client)
                else:
                    await table(database, settings, options, None)
            finally:
                await database.close()
    finally:
        remove_home(home)


async def table(
    database: Database, settings: Settings, options: argparse.Namespace, model_client: ModelClient | None
) -> None:
    agents = {each.id: each for each in builtin_agents()}
    shown = Table("set", "agent", "models off", "scripted", "model", "of these by the model", "s/item")
    for set_id, found in sorted(sets().items(), key=lambda each: (each[0] in SMALL_SETS, each[0])):
        agent = agents[SMALL_SETS.get(set_id, set_id)]
        if options.seconds:
            agent = agent.model_copy(update={"limits": agent.limits.model_copy(update={"seconds": options.seconds})})
        if options.only and set_id not in options.only:
            continue
        items = sampled(found, options.split, None)
        async with ModelClient(settings) as client:
            off = await measure(database, settings, agent, items, client, wrong=options.wrong and not options.model)
        scripted = await measure(database, settings, agent, items, Scripted(settings, agent, database), wrong=False)
        row = [set_id, agent.id, off.shown, f"{scripted.shown} ({scripted.by_model} by it)"]
        if model_client is not None:
            asked = sampled(found, options.split, options.sample)
            model = await measure(database, settings, agent, asked, model_client, wrong=options.wrong)
            row += [model.shown, f"{model.by_model}/{model.asked}", f"{model.seconds:.1f}"]
        else:
            row += ["not run: no model", "—", f"{off.seconds:.2f}"]
        shown.add_row(*row)
        err.print("  ".join(row), markup=False, soft_wrap=True)
    Console(width=170).print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="URL", help="an OpenAI-compatible address, such as http://127.0.0.1:8080/v1")
    parser.add_argument("--sample", type=int, metavar="N", help="so many items of each set with the model")
    parser.add_argument("--seconds", type=float, metavar="N", help="time for an item, for a machine that is busy")
    parser.add_argument("--only", nargs="*", default=[], metavar="SET")
    parser.add_argument("--split", choices=["dev", "test", "all"], default="all")
    parser.add_argument("--wrong", action="store_true", help="tell what was judged wrong, and why")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
