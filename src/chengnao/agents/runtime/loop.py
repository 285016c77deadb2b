"""One run from its input to its end: what is read first, the model's part within its limits, and the fallback."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import filled
from chengnao.agents.offered import Offered, offered
from chengnao.agents.runtime.calls import Caller, InputWrong, WaitFor, current
from chengnao.agents.runtime.journal import Durable, Journal, Outcome, RunCancelled, RunChanged
from chengnao.agents.runtime.model import By, Run, RunState, Step, StepKind, digest_of
from chengnao.agents.runtime.prompt import citable, fenced, flags_in, instructions, masked
from chengnao.agents.runtime.reply import TEXT_LIMIT, Given, Wrong, reply_schema, wrong_result
from chengnao.agents.runtime.repository import RunRepository
from chengnao.agents.runtime.schema import first_fault
from chengnao.agents.runtime.service import end_run
from chengnao.agents.tools import Answer, Call, Evidence, Rule
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.client import ChatRequest, ModelClient

Offer = Callable[[UnitOfWork], Awaitable[Offered]]
"""Gives what agents can use at this moment."""

_ANSWER_TOKENS = 1_500
_LEAST_TOKENS = 32
_TOKENS_A_CHARACTER = 0.7
"""Of Chinese text; an estimate that keeps a hopeless call from being made, no measure."""

_RULE_SECONDS = 60.0
_CHINESE = range(0x4E00, 0xA000)


class _Stop(Exception):
    """The model's part is over; `error` says why, as the API shows errors."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("code"))
        self.error = error


def _stop(code: str, **params: Any) -> _Stop:
    return _Stop(ChengnaoError(code, **params).to_dict())


_LIMITS = {"tokens": "词元数", "seconds": "时间", "money": "费用", "steps": "步数"}


class Loop:
    """Runs agents, one after another or many at once."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        authority: Authority,
        client: ModelClient,
        offer: Offer = offered,
    ) -> None:
        self._database = database
        self._settings = settings
        self._authority = authority
        self._client = client
        self._offer = offer
        self._vault = Vault.of(settings.home)

    async def run(
        self, run: Run, version: AgentVersion, durable: Durable, cancelled: asyncio.Event, wait_for: WaitFor
    ) -> tuple[Run, list[Step]]:
        """The run as it ended, and its trace; it is kept, and told, before this returns."""
        journal = Journal(self._database, self._vault, run, durable, cancelled)
        offer = await journal.patient(self._offered)
        caller = Caller(journal, run, version, self._settings, self._authority, offer.tools, wait_for)
        one = _One(self, run, version, journal, caller, offer.rules)
        try:
            ended = await one.answer()
        except RunCancelled:
            ended = replace(run, state=RunState.CANCELLED)
        except RunChanged as error:
            ended = replace(
                run, state=RunState.FAILED, error=ChengnaoError("agent_run_changed", why=str(error)).to_dict()
            )
        ended = replace(
            ended, tokens=journal.spent.tokens, money=journal.spent.money, ended_at=self._database.clock.now()
        )
        await journal.patient(lambda: self.end(ended))
        return ended, journal.steps

    async def end(self, run: Run) -> None:
        async with self._database.unit_of_work() as uow:
            await end_run(uow, run, RunRepository(uow.session, self._vault))
            await uow.commit()

    async def _offered(self) -> Offered:
        async with self._database.unit_of_work() as uow:
            return await self._offer(uow)

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def client(self) -> ModelClient:
        return self._client


def failed(run: Run, error: ChengnaoError) -> Run:
    return replace(run, state=RunState.FAILED, error=error.to_dict())


class _One:
    """The part of a run that leads to its answer."""

    def __init__(
        self,
        loop: Loop,
        run: Run,
        version: AgentVersion,
        journal: Journal,
        caller: Caller,
        rules: Mapping[str, Rule],
    ) -> None:
        self._loop = loop
        self._run = run
        self._agent = version.definition
        self._journal = journal
        self._caller = caller
        self._rules = rules
        self._mark = digest_of(run.id)[:6]
        self._sent = 0
        self._called: set[str] = set()
        self._ends: Exception | None = None

    async def answer(self) -> Run:
        pieces = [self._piece("输入", self._run.input)]
        for call in self._agent.context:
            step = await self._caller.read(call.tool, filled(call, self._run.input), self._seconds())
            if step is not None and step.output is not None:
                pieces.append(self._piece(call.tool, self._caller.sources.named(step.output["answer"])))
        try:
            given = await self._model(pieces)
        except _Stop as stop:
            return await self._fall_back(stop.error)
        return replace(
            self._run,
            state=RunState.DONE,
            by=By.MODEL,
            result=given.result,
            evidence=[each.model_dump() for each in self._cited(given)],
            confidence=given.confidence,
            model=next((step.model for step in reversed(self._journal.steps) if step.model), None),
        )

    def _seconds(self) -> float:
        return max(0.01, self._agent.limits.seconds - self._journal.spent.milliseconds / 1000)

    def _piece(self, source: str, value: Any) -> str:
        if self._run.data is not DataClass.SENSITIVE:
            value = masked(value)
        return fenced(self._mark, source, value)

    async def _model(self, pieces: list[str]) -> Given:
        """The model's answer, checked; raises _Stop where there is none."""
        tools = self._caller.allowed
        required = self._agent.evidence == "required"
        if required and not tools and not self._caller.sources.names:
            raise _stop("agent_nothing_to_cite")
        # Imported here: the library takes seconds that no other process of the platform should pay.
        from chengnao.agents.runtime import language  # noqa: PLC0415

        prompt = "\n".join([*pieces, self._list()])
        text = instructions(self._agent, self._mark, tools)
        try:
            return await language.converse(
                text, prompt, tools, self._agent.model.route, self._think, self._call, self._judge
            )
        except language.Nonsense as error:
            raise _stop("agent_model_nonsense", fault=error.code) from error
        except Exception:
            # What ended the model's part may come wrapped by the library.
            if self._ends is not None:
                raise self._ends from None
            raise

    def _list(self) -> str:
        sources = self._caller.sources
        named = [(name, sources.get(name)) for name in sources.names]
        return citable([(name, each.title) for name, each in named if each is not None])

    async def _think(self, messages: list[dict[str, Any]]) -> str:
        try:
            return await self._ask(messages)
        except (_Stop, RunCancelled, RunChanged) as error:
            self._ends = error
            raise

    async def _ask(self, messages: list[dict[str, Any]]) -> str:
        agent, spent, run = self._agent, self._journal.spent, self._run
        if limit := spent.reached(agent.limits):
            raise _stop("agent_limit", limit=limit, limit_zh=_LIMITS[limit])
        told = round(sum(len(each["content"]) for each in messages) * _TOKENS_A_CHARACTER)
        room = min(_ANSWER_TOKENS, agent.limits.tokens - spent.tokens - told)
        if room < _LEAST_TOKENS:
            raise _stop("agent_limit", limit="tokens", limit_zh=_LIMITS["tokens"])
        required = agent.evidence == "required"
        seconds = self._seconds()
        request = ChatRequest(
            messages=messages,
            purpose=agent.id,
            route=agent.model.route,
            schema=reply_schema(agent.output, self._caller.allowed, self._caller.sources.names, required=required),
            max_tokens=room,
            temperature=0.0,
            data=run.data.value,
            unit_id=run.unit_id,
            division_code=run.division_code,
            trace=run.id,
            seconds=seconds,
        )
        flags = flags_in("input", run.input) if self._sent == 0 else []

        async def work() -> Outcome:
            try:
                reply = await self._loop.client.chat(request)
            except ChengnaoError as error:
                return Outcome(error=error.to_dict(), flags=flags)
            return Outcome(
                output=reply.text[: TEXT_LIMIT + 1],
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                money=reply.money,
                model=reply.model,
                flags=flags,
            )

        new, self._sent = messages[self._sent :], len(messages)
        step = await self._journal.think(agent.model.route, {"messages": new}, seconds + 3.0, work)
        if step.error is not None:
            raise _Stop(step.error)
        if limit := spent.over(agent.limits):
            raise _stop("agent_limit", limit=limit, limit_zh=_LIMITS[limit])
        return str(step.output)

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        asked = digest_of(name, arguments)
        if asked in self._called:  # small models go round in circles, and a second note would be a second write
            return "未执行：同样的调用已经做过，结果见上文。请直接作答，或换一个做法。"
        try:
            step = await self._caller.call(name, arguments, self._seconds())
            if limit := self._journal.spent.over(self._agent.limits):
                raise _stop("agent_limit", limit=limit, limit_zh=_LIMITS[limit])
        except InputWrong as error:
            raise ValueError(str(error)) from error
        except (_Stop, RunCancelled, RunChanged) as error:
            self._ends = error
            raise
        if step.error is not None:
            return f"未执行：{step.error['message']}"
        self._called.add(asked)
        if step.kind is StepKind.APPROVAL:
            return f"未执行：审批结果为 {step.output['answer']['state']}"
        answer = self._caller.sources.named(step.output["answer"])
        return f"{self._piece(name, answer)}\n{self._list()}"

    def _cited(self, given: Given) -> list[Evidence]:
        found = (self._caller.sources.get(name) for name in given.evidence)
        return [each for each in found if each is not None]

    def _judge(self, given: Given) -> Wrong | None:
        """Why the answer cannot be shown."""
        chinese = any(ord(each) in _CHINESE for each in self._agent.instructions)
        if wrong := wrong_result(given.result, self._agent.output, chinese=chinese):
            return wrong
        names = self._caller.sources.names
        made_up = [name for name in given.evidence if self._caller.sources.get(name) is None]
        if made_up:
            return Wrong("evidence_made_up", f"证据 {made_up[0]} 不存在，只能从 {'、'.join(names) or '（无）'} 中选。")
        if self._agent.evidence == "required" and not given.evidence:
            return Wrong("no_evidence", f"缺少证据：请从 {'、'.join(names) or '（无）'} 中选填 evidence。")
        return None

    async def _fall_back(self, why: dict[str, Any]) -> Run:
        fallback = self._agent.fallback
        if fallback.rule is None:
            return replace(self._run, state=RunState.DONE, by=By.HUMAN, role=fallback.human, reason=why)
        rule = self._rules.get(fallback.rule)
        if rule is None:
            error = ChengnaoError("agent_rule_unknown", rule=fallback.rule).to_dict()
            return replace(self._run, state=RunState.FAILED, error=error, reason=why)
        step = await self._by_rule(rule)
        if step.output is None:
            return replace(self._run, state=RunState.FAILED, error=step.error, reason=why)
        answer = Answer.model_validate(step.output)
        return replace(
            self._run,
            state=RunState.DONE,
            by=By.RULE,
            result=answer.result,
            evidence=[each.model_dump() for each in answer.evidence],
            confidence=answer.confidence,
            reason=why,
        )

    async def _by_rule(self, rule: Rule) -> Step:
        run = self._run
        key = f"{run.id}:{self._journal.next_call}"

        async def work(uow: UnitOfWork) -> Outcome:
            principal = await current(uow, run.principal)
            call = Call(uow, principal, self._loop.settings, run.agent_id, run.id, key)
            answer = await rule.run(call, run.input)
            if fault := first_fault(answer.result, self._agent.output, TEXT_LIMIT):
                raise Conflict("agent_rule_wrong", rule=rule.name, field=fault.path, reason=fault.text)
            evidence = answer.evidence or [Evidence(kind="rule", id=rule.name, title=rule.zh)]
            return Outcome(output=answer.model_copy(update={"evidence": evidence}).model_dump(mode="json"))

        return await self._journal.act(StepKind.RULE, rule.name, None, digest_of(key), _RULE_SECONDS, work)
