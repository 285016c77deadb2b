"""A model gateway in a process of its own, as the platform runs it, over the database of a test."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import compress

import httpx
import psycopg
from sqlalchemy import text

from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.database import Database, UnitOfWork, plain_url
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import load_secrets
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway import service
from chengnao.models.gateway.metering.budgets import Amount, Budget, Period
from chengnao.models.gateway.metering.repository import Held, lost
from chengnao.models.gateway.model import Kind, ModelRoute, Provider, Target
from chengnao.models.gateway.repository import GatewayRepository
from tests.support.ports import free_block
from tests.support.stack import make_home, remove_home

SECRET = "sk-vendor-secret-0123456789"


class GatewayProcess:
    """One replica; `kill` takes it down as a power cut would, `start` brings it back with its data folder."""

    def __init__(self, url: str, secrets_of: Path | None = None) -> None:
        self.url = url
        self.home = make_home()
        if secrets_of is not None:  # replicas of one installation share its secrets
            shutil.copy(secrets_of / "secrets.json", self.home / "secrets.json")
        self.key = load_secrets(self.home).model_key
        self.base_port = free_block()
        self.address = f"http://127.0.0.1:{self.base_port + 30}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "CHENGNAO_HOME": str(self.home),
            "CHENGNAO_BASE_PORT": str(self.base_port),
            "CHENGNAO_DATABASE_URL": self.url,
        }
        with (self.home / "models.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chengnao.app.process", "models"], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30.0
        while True:
            try:
                httpx.get(self.address + "/healthz", trust_env=False).raise_for_status()
                return
            except httpx.HTTPError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, f"the gateway is not ready\n{self.log()}"
                time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def close(self) -> None:
        self.stop()
        remove_home(self.home)

    def log(self) -> str:
        return (self.home / "models.log").read_text("utf-8", errors="replace")

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.address + "/v1", headers=headers, timeout=30.0, trust_env=False)

    def chat(self, text: str = "你好", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """One call by the platform's own key."""
        with self.client() as client:
            return client.post("/chat/completions", json=chat(text, **body), headers=headers)


def chat(text: str = "你好", **body: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 20} | body


@contextmanager
def running_gateway(url: str) -> Iterator[GatewayProcess]:
    """A gateway over the database at `url`."""
    process = GatewayProcess(url)
    try:
        process.start()
        yield process
    finally:
        process.close()


async def put_provider(database: Database, home: Path, name: str, base_url: str, secret: str = SECRET) -> None:
    """Have the gateways of this data folder know a vendor."""
    now = datetime.now(UTC)
    provider = Provider(new_id(), name, base_url, True, True, now, now)
    async with database.unit_of_work() as uow:
        repository = GatewayRepository(uow.session)
        await repository.put_provider(provider, Vault.of(home).seal(provider.id, secret))
        await repository.tell_gateways()
        await uow.commit()


async def put_route(database: Database, *targets: Target, name: str = "chat", **values: Any) -> None:
    """Have the gateways know a route."""
    route = replace(ModelRoute(name, Kind.CHAT, name, targets), **values)
    async with database.unit_of_work() as uow:
        repository = GatewayRepository(uow.session)
        await repository.put_route(route, datetime.now(UTC))
        await repository.tell_gateways()
        await uow.commit()


def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query gives, read past the code under test."""
    with psycopg.connect(plain_url(url)) as connection:
        return connection.execute(query, values).fetchall()


def until(condition: Any, seconds: float = 10.0) -> Any:
    """What `condition` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without its end mark."""
    return [json.loads(each[6:]) for each in text.split("\n\n") if each.startswith("data: {")]


async def model_records(uow: UnitOfWork, home: Path, division: str, unit: str, mark: str) -> dict[str, str]:
    """A provider, and of a district a key, a budget, and a call whose text is kept; their ids."""
    vault = Vault.of(home)
    provider = await service.put_provider(
        uow, vault, SYSTEM, None, name=f"vendor-{division}", base_url="http://127.0.0.1:9/v1", enabled=True, secret=None
    )
    key, _ = await service.make_key(
        uow,
        SYSTEM,
        name=f"{mark}密钥",
        division_code=division,
        unit_id=unit,
        routes=None,
        data=DataClass.PUBLIC,
        expires_at=None,
    )
    budget = Budget(new_id(), f"{mark}预算", division, unit, None, None, Period.DAY, 100, None, None)
    await service.put_budget(uow, SYSTEM, Scope(), budget)
    call_id, now = new_id(), datetime.now(UTC)
    row = {
        "id": call_id,
        "request_id": call_id,
        "at": now,
        "division_code": division,
        "unit_id": unit,
        "key_id": key.id,
    }
    row |= {"purpose": mark, "trace": mark, "route": "chat", "data_class": "public"}
    call = lost(Held(call_id, row, Amount(1, 30, 50), ()))
    names = ", ".join(call)
    values = ", ".join(f":{name}" for name in call)
    await uow.session.execute(text(f"INSERT INTO model_calls ({names}) VALUES ({values})"), call)
    sealed = vault.seal_bytes(call_id, compress(mark.encode()))
    await uow.session.execute(
        text("INSERT INTO model_texts VALUES (:id, 'public', :at, :sealed)"),
        {"id": call_id, "at": now, "sealed": sealed},
    )
    return {"provider": provider.id, "key": key.id, "budget": budget.id, "call": call_id}
