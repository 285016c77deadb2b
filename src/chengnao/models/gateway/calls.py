"""A call on its way: reserved, tried at one target after another, settled."""

import asyncio
import math
import random
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeVar

import orjson

from chengnao.kernel.errors import ChengnaoError, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.errors import ModelUnavailable
from chengnao.models.gateway.answers import Understood
from chengnao.models.gateway.attempts import Attempts
from chengnao.models.gateway.directory import Directory
from chengnao.models.gateway.metering.budgets import Amount, Hold, covering
from chengnao.models.gateway.metering.ledger import Ledger, Settlement
from chengnao.models.gateway.model import Caller, ModelRoute, Outcome, Target
from chengnao.models.gateway.protocol import Asked
from chengnao.models.gateway.run import Run
from chengnao.models.gateway.streams import Stream
from chengnao.models.gateway.targets import Failed, Health, arranged, eligible

T = TypeVar("T")

LONGEST = 600.0
"""Seconds that a call may take at most."""
_GRACE = timedelta(seconds=60)
"""After its deadline a hold waits so long for its settlement before it is taken for lost."""
_KEPT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Reply:
    """An answer in one piece, ready to be passed on."""

    raw: bytes
    content_type: str
    request_id: str
    target: str
    model: str
    money: int


class Calls:
    """What the gateway does with a request, whatever it came by."""

    def __init__(self, directory: Directory, ledger: Ledger, attempts: Attempts, vault: Vault) -> None:
        self.directory = directory
        self.health = Health()
        self._ledger = ledger
        self._attempts = attempts
        self._vault = vault
        self._chance = random.Random()  # noqa: S311 - shares load, keeps no secret

    async def answer(self, asked: Asked, caller: Caller, data: DataClass, seconds: float | None) -> Reply:
        """The answer of the first target that gives a usable one.

        Raises NotFound for an unknown route, BudgetSpent, ModelUnavailable, and Invalid where the vendor refuses the
        request itself.
        """
        run = self._begin(asked, caller, data, seconds)
        target, (raw, content_type, understood) = await self._first(run, self._attempts.whole)
        money = self._settle(run, target, understood, Outcome.DONE)
        model = understood.model or target.model
        return Reply(raw, content_type, run.request_id, target.name, model, money)

    async def stream(self, asked: Asked, caller: Caller, data: DataClass, seconds: float | None) -> "Streaming":
        """An answer that has begun; raises as `answer` does, until it has."""
        run = self._begin(asked, caller, data, seconds)
        target, stream = await self._first(run, self._attempts.stream)
        return Streaming(self, run, target, stream)

    def available(self, route: ModelRoute) -> bool:
        """Whether the route has a target that can be reached and is not known to be down."""
        return any(not self.health.open(each) and self._attempts.reachable(each) for each in route.targets)

    def _begin(self, asked: Asked, caller: Caller, data: DataClass, seconds: float | None) -> Run:
        route = self.directory.known.routes.get(asked.route)
        if route is None or route.kind is not asked.kind:
            raise NotFound("model_route_unknown", route=asked.route, kind=asked.kind.zh, kind_en=asked.kind.en)
        targets = eligible(route, data)
        if not targets:
            raise ModelUnavailable("model_no_target", route=route.name, data=data.zh, data_en=data.en, retry_after=300)
        self.health.retries[route.name].count_call(monotonic())
        wanted = min(seconds or route.seconds, LONGEST)
        return Run(asked, caller, data, route, targets, monotonic() + wanted)

    async def _reserve(self, run: Run, requests: int) -> None:
        """Reserve what the call may cost at the most expensive of its targets."""
        asked, out = run.asked, run.asked.most_out(run.route)
        most_in = max(asked.most_in(each) for each in run.targets)
        worst = Amount(requests, most_in + out, max(each.price(asked.most_in(each), out) for each in run.targets))
        now = datetime.now(UTC)
        budgets = covering(self.directory.known.budgets, run.caller, run.route.name)
        expires = now + timedelta(seconds=run.seconds_left) + _GRACE
        hold = Hold(
            new_id() if run.hold else run.request_id,
            run.request_id,
            now,
            expires,
            run.caller,
            run.route.name,
            run.data,
            worst,
            budgets,
        )
        await self._ledger.reserve(hold)
        run.hold, run.settled, run.began = hold, False, monotonic()

    async def _first(self, run: Run, attempt: Callable[[Run, Target], Awaitable[T]]) -> tuple[Target, T]:
        """The first target that answers, and its answer; what failed ones have used is settled."""
        last: Failed | None = None
        waits: list[float] = []
        for target in self._usable(run, waits):
            if last is not None and not self._again(run, last):
                break
            if run.hold is None or run.settled:
                await self._reserve(run, 0 if run.hold else 1)
            circuit = self.health.circuit(target)
            circuit.begin(monotonic())
            try:
                found = await attempt(run, target)
            except Failed as failure:
                if failure.counts:
                    circuit.fail(monotonic())
                else:
                    circuit.abandon()
                last, failed_at = failure, target
                if not failure.free:
                    self._settle_failure(run, target, failure)
            except BaseException:
                circuit.abandon()
                self._settle(run, target, None, Outcome.CANCELLED)
                raise
            else:
                circuit.succeed()
                return target, found
        if last is None:
            if not waits and (why := self._attempts.why_unreachable(run.targets)) is not None:
                raise ModelUnavailable(why.code, **why.params)
            raise ModelUnavailable("model_all_down", route=run.route.name, retry_after=math.ceil(min(waits, default=5)))
        if not run.settled:
            self._settle_failure(run, failed_at, last)
        raise _explained(run, failed_at, last)

    def _usable(self, run: Run, waits: list[float]) -> Iterator[Target]:
        """The targets to try, in their order; of those that rest after failures, `waits` gets how long they will."""
        for target in arranged(run.targets, self._chance):
            if not self._attempts.reachable(target):
                continue
            now = monotonic()
            if self.health.circuit(target).allows(now):
                yield target
            else:
                waits.append(self.health.circuit(target).wait(now))

    def _again(self, run: Run, last: Failed) -> bool:
        """Whether another target is asked after this failure; counts it where it is."""
        if not last.again or run.seconds_left <= 0:
            return False
        if not self.health.retries[run.route.name].take(monotonic()):
            return False
        run.retries += 1
        return True

    def _settle_failure(self, run: Run, target: Target, failure: Failed) -> None:
        if failure.free or failure.tokens is not None:
            self._settle(run, target, Understood(failure.tokens or (0, 0), "", ""), failure.outcome, failure.free)
        else:
            self._settle(run, target, None, failure.outcome)

    def _settle(self, run: Run, target: Target, found: Understood | None, outcome: Outcome, free: bool = False) -> int:
        """Settle the present hold; returns the money. Where the tokens are not told, the most possible counts."""
        if run.hold is None or run.settled:
            return 0
        run.settled = True
        tokens = found.tokens if found is not None else None
        estimated = tokens is None
        if tokens is None:
            most = run.asked.most_out(run.route)
            said = most if found is None else min(most, len(found.text.encode()))
            tokens = (run.asked.most_in(target), said)
        money = 0 if free else target.price(*tokens)
        text = found.text if found is not None else ""
        self._ledger.settle(
            Settlement(
                hold_id=run.hold.id,
                target=target.name,
                model=(found.model if found is not None else "") or target.model,
                requests=run.hold.worst.requests,
                tokens_in=tokens[0],
                tokens_out=tokens[1],
                money=money,
                milliseconds=round((monotonic() - run.began) * 1000),
                outcome=outcome,
                retries=run.retries,
                estimated=estimated,
                sealed=self._sealed(run, text) if outcome is Outcome.DONE else None,
            )
        )
        return money

    def _sealed(self, run: Run, text: str) -> bytes | None:
        """Prompt and answer as they are kept: compressed, sealed for this call; None where the class is not kept."""
        if run.hold is None or self.directory.known.retention.get(run.data, 0) <= 0:
            return None
        kept = orjson.dumps(run.asked.kept() | {"answer": text}, option=orjson.OPT_NON_STR_KEYS)
        return self._vault.seal_bytes(run.hold.id, zlib.compress(kept[:_KEPT_BYTES], 1))

    def end_stream(self, run: Run, target: Target, stream: Stream, outcome: Outcome, *, counts: bool) -> None:
        """Settle a stream that has ended, however it did; `counts` where that speaks against the target."""
        self._settle(run, target, Understood(stream.tokens, stream.model, stream.text), outcome)
        if counts:
            self.health.circuit(target).fail(monotonic())


class Streaming:
    """An answer that comes in events; `events` must be read to its end or closed."""

    def __init__(self, calls: Calls, run: Run, target: Target, stream: Stream) -> None:
        self._calls = calls
        self._run = run
        self._target = target
        self._stream = stream
        self.request_id = run.request_id
        self.target = target.name
        self.model = stream.model or target.model

    def leave(self) -> None:
        """The caller has gone away: cut the vendor off too."""
        self._stream.leave()

    async def send_to(self, send: Callable[[bytes], Awaitable[None]]) -> ChengnaoError | None:
        """Pass each event on as it comes; gives the error, where the answer broke off."""
        stream, outcome, counts = self._stream, Outcome.CANCELLED, False
        error: ChengnaoError | None = None
        try:
            async with asyncio.timeout(self._run.seconds_left):
                await stream.pump(send, self._target.seconds)
            outcome = Outcome.DONE
        except TimeoutError:
            outcome, counts = Outcome.TOO_SLOW, self._run.seconds_left > 0
            error = ModelUnavailable("model_target_too_slow", route=self._run.route.name, target=self._target.name)
        except Failed as failure:
            if not stream.left:
                outcome, counts = failure.outcome, failure.counts
                error = _explained(self._run, self._target, failure)
        finally:
            stream.close()
            self._calls.end_stream(self._run, self._target, stream, outcome, counts=counts)
        return error


_CODES = {
    Outcome.TOO_SLOW: "model_target_too_slow",
    Outcome.INVALID: "model_answer_invalid",
    Outcome.CUT: "model_answer_cut",
}


def _explained(run: Run, target: Target, failure: Failed) -> ChengnaoError:
    """The error that the caller gets after the last attempt."""
    if not failure.again:
        return Invalid("model_request_refused", field="body", target=target.name, reason=failure.reason)
    code = _CODES.get(failure.outcome, "model_target_failed")
    return ModelUnavailable(
        code, route=run.route.name, target=target.name, reason=failure.reason, tried=run.retries + 1
    )
