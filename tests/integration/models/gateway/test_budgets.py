"""Budgets: exact with concurrency and with two replicas, never passed, also by a gateway that is killed."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import pytest

from chengnao.kernel.database import Database
from chengnao.models.gateway.metering.budgets import Budget, Period
from chengnao.models.gateway.model import Target
from chengnao.models.gateway.repository import GatewayRepository
from tests.integration.models.gateway.conftest import Served
from tests.support.gateway import GatewayProcess, chat, put_provider, put_route, rows, until
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines

USE = "SELECT spent_requests, spent_tokens, spent_money, reserved_requests, reserved_tokens, reserved_money "
CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
WORST = 200
"""Micro-yuan that a call is reserved at most; it really costs 20."""


async def test_a_limit_that_is_reached_says_which_and_when_to_come_back(served: Served, vendor: Vendor) -> None:
    await served.budget(name="夜间对话", requests=2, route="chat", period=Period.MINUTE)
    answers = [await served.chat() for _ in range(3)]
    while answers[2].status_code == 200:  # a minute has just begun
        answers = [*answers[1:], await served.chat()]
    error = answers[2].json()["error"]
    assert (answers[2].status_code, error["code"], error["type"]) == (429, "budget_spent", "rate_limit_error")
    assert "夜间对话" in error["message_zh"]
    assert error["params"]["measure_en"] == "requests"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert len(vendor.asked) == len(await served.rows("SELECT id FROM model_calls"))


async def test_a_call_that_alone_is_more_than_the_limit_says_so(served: Served, vendor: Vendor) -> None:
    await served.budget(tokens=100)
    answer = await served.chat("路" * 200)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "budget_too_small")
    assert vendor.asked == []


async def test_a_budget_counts_those_that_it_covers_and_no_others(served: Served) -> None:
    await served.budget(division_code="500103", requests=1)
    await served.budget(division_code="500108", unit_id="unit-1", requests=1)
    headers = [
        {"X-Chengnao-Division": "500103003"},
        {"X-Chengnao-Division": "500103"},
        {"X-Chengnao-Division": "500108"},
        {"X-Chengnao-Division": "500108", "X-Chengnao-Unit": "unit-1"},
        {"X-Chengnao-Division": "500108", "X-Chengnao-Unit": "unit-1"},
        {"X-Chengnao-Division": "500108", "X-Chengnao-Unit": "unit-2"},
        {},
    ]
    found = [(await served.chat(headers=each)).status_code for each in headers]
    assert found == [200, 429, 200, 200, 429, 200, 200]


async def test_what_is_settled_is_what_the_vendor_says_and_the_rest_is_given_back(
    served: Served, vendor: Vendor
) -> None:
    made = await served.budget(requests=10, tokens=10_000, money=10_000)
    vendor.say(Said(usage=(30, 12)))
    await served.chat()
    await served.rows("SELECT 1")
    assert await served.rows(USE + "FROM model_budget_windows WHERE budget_id = %s", made.id) == [(1, 42, 54, 0, 0, 0)]
    vendor.say(Said(usage=None, text="一二三"))
    await served.chat(max_tokens=5)
    found = await served.rows("SELECT tokens_out, estimated FROM model_calls ORDER BY at DESC LIMIT 1")
    assert found == [(5, True)], "9 bytes, but no more than was asked for"
    vendor.stop()
    assert (await served.chat()).status_code == 503
    calls = await served.rows("SELECT sum(tokens_in + tokens_out), sum(money), sum(requests) FROM model_calls")
    ((spent_requests, spent_tokens, spent_money, *reserved),) = await served.rows(USE + "FROM model_budget_windows")
    assert [(spent_tokens, spent_money, spent_requests)] == [tuple(map(int, calls[0]))]
    assert reserved == [0, 0, 0]


async def test_a_budget_that_goes_while_calls_are_under_way_harms_none(served: Served, vendor: Vendor) -> None:
    made = await served.budget(requests=10)
    vendor.otherwise = Said(delay=0.3)
    calls = [asyncio.create_task(served.chat()) for _ in range(3)]
    await asyncio.sleep(0.15)
    async with served.database.unit_of_work() as uow:
        await GatewayRepository(uow.session).drop_budget(made.id)
        await uow.commit()
    # The gateway has not heard of it yet.
    assert (await served.chat()).status_code == 200
    assert {each.status_code for each in await asyncio.gather(*calls)} == {200}
    assert await served.rows("SELECT count(*) FROM model_calls WHERE outcome = 'done'") == [(4,)]


async def test_lost_connections_to_the_database_lose_no_call(served: Served, vendor: Vendor) -> None:
    await served.budget(requests=1000)
    answered = 0
    for turn in range(10):
        calls = [asyncio.create_task(served.chat()) for _ in range(4)]
        await asyncio.sleep(random.random() / 50)
        if turn % 2:
            await asyncio.to_thread(rows, served.url, CUT_ALL)
        answers = await asyncio.gather(*calls)
        assert {each.status_code for each in answers} <= {200, 503}
        answered += sum(each.status_code == 200 for each in answers)
    assert answered >= 20
    await asyncio.sleep(1.2)  # settlements that failed are written a second later
    assert await served.rows("SELECT count(*) FROM model_calls WHERE outcome = 'done'") == [(answered,)]


# --- several processes -------------------------------------------------------------------------------------------


@pytest.fixture
async def replicas(database: Database, database_url: str) -> AsyncIterator[list[GatewayProcess]]:
    """Two gateways of one installation, started by the test."""
    first = GatewayProcess(database_url)
    second = GatewayProcess(database_url, first.home)
    yield [first, second]
    for each in (first, second):
        await asyncio.to_thread(each.close)


async def install(database: Database, replicas: list[GatewayProcess], vendor: Vendor, **limits: Any) -> Budget:
    """One vendor, one route, one budget; then the gateways start."""
    await put_provider(database, replicas[0].home, "one", vendor.url)
    await put_route(database, Target("provider:one", "m", price_in=1_000, price_out=2_000))
    fields: dict[str, Any] = dict.fromkeys(("unit_id", "key_id", "route", "requests", "tokens", "money"))
    made = Budget(**fields | {"id": "b", "name": "b", "division_code": "500000", "period": Period.MONTH} | limits)
    async with database.unit_of_work() as uow:
        await GatewayRepository(uow.session).put_budget(made, datetime.now(UTC))
        await uow.commit()
    for each in replicas:
        await asyncio.to_thread(each.start)
    return made


class Watch(threading.Thread):
    """Looks at the budget again and again, whether spent and reserved are ever more than its limit."""

    def __init__(self, url: str, measure: str, limit: int) -> None:
        super().__init__(daemon=True)
        self.url, self.measure, self.limit = url, measure, limit
        self.worst, self.looks, self.ended = 0, 0, False

    def run(self) -> None:
        query = f"SELECT spent_{self.measure} + reserved_{self.measure} FROM model_budget_windows"
        while not self.ended:
            self.worst = max([self.worst, *(row[0] for row in rows(self.url, query))])
            self.looks += 1
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.ended = True
        self.join(10)
        if kind is None:
            assert self.looks > 5
            assert self.worst <= self.limit


async def storm(replicas: list[GatewayProcess], calls: int, at_once: int) -> Counter[int]:
    """Calls to both replicas; how often which status came, 0 for a connection that broke."""
    headers = {"Authorization": f"Bearer {replicas[0].key}"}
    limit, found = asyncio.Semaphore(at_once), Counter[int]()
    async with httpx.AsyncClient(headers=headers, timeout=30.0, trust_env=False) as client:

        async def one(number: int) -> None:
            async with limit:
                try:
                    address = replicas[number % len(replicas)].address
                    answer = await client.post(address + "/v1/chat/completions", json=chat())
                    found[answer.status_code] += 1
                except httpx.HTTPError:
                    found[0] += 1

        await asyncio.gather(*[one(n) for n in range(calls)])
    return found


async def test_two_replicas_share_a_budget_exactly(
    database: Database, database_url: str, replicas: list[GatewayProcess], vendor: Vendor
) -> None:
    await install(database, replicas, vendor, requests=100)
    with Watch(database_url, "requests", 100):
        found = await storm(replicas, 160, 32)
    assert found == {200: 100, 429: 60}
    assert len(vendor.asked) == 100
    until(lambda: rows(database_url, "SELECT count(*) FROM model_calls") == [(100,)])
    assert rows(database_url, USE + "FROM model_budget_windows")[0][::3] == (100, 0)


async def test_money_is_never_overspent_and_nearly_all_can_be_spent(
    database: Database, database_url: str, replicas: list[GatewayProcess], vendor: Vendor
) -> None:
    """Each call is reserved at several times its cost, so some are refused at first and room comes back."""
    await install(database, replicas, vendor, money=2_000)
    done = 0
    with Watch(database_url, "money", 2_000):
        while (found := await storm(replicas, 40, 16))[200]:
            done += found[200]
            until(lambda: rows(database_url, "SELECT id FROM model_holds") == [])
    ((spent, reserved),) = rows(database_url, "SELECT spent_money, reserved_money FROM model_budget_windows")
    assert (spent, reserved) == (done * 20, 0)
    assert spent <= 2_000
    assert spent > 2_000 - WORST
    assert rows(database_url, "SELECT sum(money), count(*) FROM model_calls") == [(spent, done)]


async def test_killed_gateways_never_overspend_and_lose_no_call(
    database: Database, database_url: str, replicas: list[GatewayProcess], vendor: Vendor
) -> None:
    limit = 60
    await install(database, replicas, vendor, requests=limit)
    vendor.otherwise = Said(delay=0.3)
    with Watch(database_url, "requests", limit):
        for turn in range(4):
            calling = asyncio.create_task(storm(replicas, 30, 10))
            before = len(vendor.asked)
            await asyncio.to_thread(until, lambda before=before: len(vendor.asked) >= min(before + 5, limit - 10), 30.0)
            victim = replicas[turn % 2]
            await asyncio.to_thread(victim.kill)
            await calling
            await asyncio.to_thread(victim.start)
        asked = len(vendor.asked)
        assert asked <= limit
        held = len(rows(database_url, "SELECT id FROM model_holds"))
        assert held > 0, "no call was under way when a gateway was killed: the test shows nothing"
        # What a dead gateway has reserved stays reserved until it expires; then it counts as spent.
        rows(database_url, "UPDATE model_holds SET expires_at = now() - interval '1 second' RETURNING id")
        await asyncio.to_thread(until, lambda: rows(database_url, "SELECT id FROM model_holds") == [], 30.0)
    found: dict[str, int] = dict(rows(database_url, "SELECT outcome, count(*) FROM model_calls GROUP BY 1"))
    assert found["lost"] == held
    assert sum(found.values()) >= asked, "each call that reached the vendor is metered"
    ((spent, reserved),) = rows(database_url, "SELECT spent_requests, reserved_requests FROM model_budget_windows")
    assert (spent, reserved) == (sum(found.values()), 0)
    # What was spent before is known after all these restarts.
    assert (await storm(replicas, 40, 10))[200] == limit - spent
    assert len(vendor.asked) <= limit


async def test_a_gateway_that_is_told_to_stop_writes_what_has_ended(
    database: Database, database_url: str, replicas: list[GatewayProcess], vendor: Vendor
) -> None:
    await install(database, replicas[:1], vendor, requests=100)
    assert (await storm(replicas[:1], 20, 10)) == {200: 20}
    with suppress(ProcessLookupError):
        await asyncio.to_thread(replicas[0].stop)
    assert rows(database_url, "SELECT count(*) FROM model_calls WHERE outcome = 'done'") == [(20,)]
    assert rows(database_url, "SELECT id FROM model_holds") == []
