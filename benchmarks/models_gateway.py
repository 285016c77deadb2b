"""What the model gateway costs: its time on a call's way, calls a second, memory; beside a pass-through and LiteLLM.

    python -m benchmarks.models_gateway [--requests 200] [--rounds 3] [--litellm PATH_TO_PYTHON]

All subjects stand before the same vendor, which answers at once, and are asked in turn in each round, so that what
else the machine does falls on all of them. The gateway runs with everything on: key, class of data, two budgets, the
worst case reserved on disk before each call, settled and metered after it, prompt and answer kept sealed. The client,
the vendor, PostgreSQL and the subject share the machine's cores. `--litellm` names a python that has litellm[proxy],
installed from requirements/litellm.txt; it runs without a database, with a master key and one model.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
import orjson
import psutil
from rich.console import Console
from rich.table import Table

from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.migrate import migrate
from chengnao.app.spec import Spec
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.settings import load_settings
from chengnao.models.gateway.metering.budgets import Budget, Period
from chengnao.models.gateway.model import Target
from chengnao.models.gateway.repository import GatewayRepository
from chengnao.models.gateway.wire import Address, Wire
from tests.support.gateway import GatewayProcess, put_provider, put_route, rows
from tests.support.ports import free_port
from tests.support.stack import Stack, make_home, remove_home

PROMPT = "市民反映：解放碑步行街 12 号门前路灯已三天不亮，夜间行走不便，请尽快维修。请判断类别并起草回复。"
BODY = orjson.dumps({"model": "chat", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 200})
AT_ONCE = (8, 32)
LITELLM_CONFIG = """
model_list:
  - model_name: chat
    litellm_params: {{model: openai/instant, api_base: "{vendor}", api_key: none}}
general_settings: {{master_key: {key}}}
"""
err = Console(stderr=True)


@dataclass
class Subject:
    """What is asked, and what came of it."""

    name: str
    url: str
    key: str
    process: int
    seconds_to_start: float
    times: list[float] = field(default_factory=list)
    """Milliseconds of each call, one at a time."""
    rates: dict[int, list[float]] = field(default_factory=dict)
    """Calls a second by how many at once, of each round."""
    memory: float = 0.0

    async def measure(self, requests: int) -> None:
        wire, address = Wire(), Address.of(self.url)
        for number in range(requests + 10):
            began = time.perf_counter()
            await self._ask(wire, address)
            if number >= 10:  # the first ones warm up
                self.times.append((time.perf_counter() - began) * 1000)
        for at_once in AT_ONCE:
            left = requests * 2

            async def worker() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    await self._ask(wire, address)

            began = time.perf_counter()
            await asyncio.gather(*[worker() for _ in range(at_once)])
            self.rates.setdefault(at_once, []).append(requests * 2 / (time.perf_counter() - began))
        wire.close()
        self.memory = max(self.memory, _memory(self.process))

    async def _ask(self, wire: Wire, address: Address) -> None:
        answer = await wire.ask(address, "POST", "/chat/completions", body=BODY, secret=self.key)
        raw = await answer.read(10**6)
        if answer.status != 200:
            raise RuntimeError(f"{self.name}: {answer.status} {raw.decode(errors='replace')[:300]}")


def _memory(process: int) -> float:
    """MiB that the process and its children hold."""
    whole = psutil.Process(process)
    return float(sum(each.memory_info().rss for each in [whole, *whole.children(recursive=True)])) / 2**20


@contextmanager
def running(name: str, command: list[str], url: str, key: str, **environment: str) -> Iterator[Subject]:
    """A subject in a process of its own, once it answers."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        while True:
            if process.poll() is not None or time.monotonic() - began > 240:
                raise RuntimeError(f"{name} did not start")
            try:
                httpx.post(url + "/chat/completions", content=BODY, headers=headers, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield Subject(name, url, key, process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running_gateway(vendor: str) -> Iterator[tuple[Subject, str]]:
    """The gateway with everything on, and the URL of its database."""
    home = make_home()
    url = database_url(load_settings(home))
    with Stack(home) as stack:
        server = Postgres(home)
        stack.start(Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL))
        migrate(url)
        gateway = GatewayProcess(url)
        try:
            asyncio.run(_install(url, gateway.home, vendor))
            began = time.monotonic()
            gateway.start()
            assert gateway.process is not None
            seconds = time.monotonic() - began
            yield Subject("chengnao", gateway.address + "/v1", gateway.key, gateway.process.pid, seconds), url
        finally:
            gateway.close()
    remove_home(home)


async def _install(url: str, home: Path, vendor: str) -> None:
    database = Database.connect(url, SystemClock())
    await put_provider(database, home, "instant", vendor)
    await put_route(database, Target("provider:instant", "instant", price_in=800, price_out=2_000))
    async with database.unit_of_work() as uow:
        for period in (Period.MINUTE, Period.MONTH):
            budget = Budget(period, period, "500000", None, None, None, period, 10**9, 10**12, 10**15)
            await GatewayRepository(uow.session).put_budget(budget, datetime.now(UTC))
        await uow.commit()
    await database.close()


def table(subjects: list[Subject], direct: Subject, litellm: bool) -> Table:
    shown = Table(title="模型网关 / model gateway")
    shown.add_column("对象 / subject")
    rates = [f"{each} 并发 / at once, req/s" for each in AT_ONCE]
    for name in ("p50 ms", "p99 ms", "p50 + ms", "p99 + ms", *rates, "MiB", "启动 / start s"):
        shown.add_column(name, justify="right")
    for each in subjects:
        p50, p99 = (_quantile(each.times, share) for share in (0.5, 0.99))
        over = [f"{p50 - _quantile(direct.times, 0.5):.2f}", f"{p99 - _quantile(direct.times, 0.99):.2f}"]
        figures = [f"{median(each.rates[at_once]):.0f}" for at_once in AT_ONCE]
        shown.add_row(
            each.name, f"{p50:.2f}", f"{p99:.2f}", *over, *figures, f"{each.memory:.0f}", f"{each.seconds_to_start:.1f}"
        )
    if not litellm:
        shown.add_row("LiteLLM proxy", "未运行 / not run")
    return shown


def _quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--litellm", metavar="PYTHON")
    options = parser.parse_args()
    key, home = "sk-benchmark", make_home()
    with ExitStack() as stack:
        port = free_port()
        vendor = f"http://127.0.0.1:{port}/v1"
        mock = [sys.executable, "-m", "benchmarks._instant_vendor", str(port)]
        direct = stack.enter_context(running("vendor, directly", mock, vendor, key))
        subjects = [direct]
        port = free_port()
        through = [sys.executable, "-m", "benchmarks._pass_through", str(port), vendor, key]
        url = f"http://127.0.0.1:{port}/v1"
        subjects.append(stack.enter_context(running("pass-through, 20 lines", through, url, key)))
        gateway, database = stack.enter_context(running_gateway(vendor))
        subjects.append(gateway)
        if options.litellm:
            config = home / "litellm.yaml"
            config.write_text(LITELLM_CONFIG.format(vendor=vendor, key=key))
            port = free_port()
            start = "from litellm import run_server; run_server()"
            command = [options.litellm, "-c", start, "--config", str(config), "--port", str(port)]
            url = f"http://127.0.0.1:{port}/v1"
            local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
            subjects.append(stack.enter_context(running("LiteLLM proxy", command, url, key, **local)))
        for number in range(options.rounds):
            for each in subjects:
                err.print(f"round {number + 1}: {each.name}")
                asyncio.run(each.measure(options.requests))
        asked = options.rounds * (options.requests * (1 + 2 * len(AT_ONCE)) + 10)
        time.sleep(1.0)
        metered = rows(database, "SELECT count(*), sum(money) FROM model_calls WHERE outcome = 'done'")[0]
        spent = rows(
            database, "SELECT spent_requests, reserved_requests FROM model_budget_windows WHERE budget_id = 'month'"
        )
        Console(width=150).print(table(subjects, direct, bool(options.litellm)))
        Console().print(
            f"calls {asked}, metered {metered[0]}, in the month's budget {spent[0][0]}, reserved {spent[0][1]}"
        )
    remove_home(home)


if __name__ == "__main__":
    main()
