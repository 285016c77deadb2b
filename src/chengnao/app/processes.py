"""The processes of an installation, in the order they start in."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chengnao.app.engines.nats import Nats
from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.spec import Check, Spec
from chengnao.kernel.child import Launch
from chengnao.kernel.health import health_path, read_health
from chengnao.kernel.settings import Settings

PREPARE = "prepare"


@dataclass(frozen=True)
class Plan:
    """What the supervisor runs: the engines; then one step that ends; then the services; then the city."""

    engines: list[Spec]
    prepare: Launch
    services: list[Spec]
    city: list[Spec]


def plan(settings: Settings) -> Plan:
    """The processes that the settings ask for."""
    return Plan(engines(settings), launch(PREPARE, settings), services(settings), city(settings))


def engines(settings: Settings) -> list[Spec]:
    """The engines that this installation runs itself."""
    specs = []
    if settings.database_url is None:
        postgres = Postgres(settings.home)
        specs.append(Spec("postgres", postgres.prepare, postgres.check, stop_signal=STOP_SIGNAL, stop_seconds=20.0))
    if not settings.nats_urls:
        nats = Nats(settings)
        specs.append(Spec("nats", nats.prepare, nats.check, settings.port("nats")))
    if settings.clickhouse_url is None:
        specs.append(python_process("store", settings, settings.port("store")))
    return specs


def external(settings: Settings) -> list[str]:
    """The engines that the settings give an address of, so that none is started here."""
    given = {
        "postgres": settings.database_url,
        "nats": settings.nats_urls,
        "store": settings.clickhouse_url,
    }
    return [name for name, address in given.items() if address]


def services(settings: Settings) -> list[Spec]:
    """The platform's own processes, which need the engines and a prepared database."""
    specs = [
        *(python_process(name, settings, settings.port("gateway")) for name in several("gateway", settings.gateways)),
        *(python_process(name, settings) for name in several("writer", settings.writers)),
        python_process("worker", settings),
        python_process("web", settings, settings.port("web")),
    ]
    if settings.models:
        specs.append(python_process("models", settings, settings.port("models")))
    if settings.agents:
        specs.append(python_process("agents", settings, settings.port("agents")))
    return specs


def several(kind: str, count: int) -> list[str]:
    """The names of processes of one kind: a single one has the name of its kind."""
    return [kind] if count == 1 else [f"{kind}-{number}" for number in range(1, count + 1)]


def city(settings: Settings) -> list[Spec]:
    """The demonstration city, where it is on."""
    return [python_process("city", settings)] if settings.demonstration else []


def python_process(name: str, settings: Settings, port: int | None = None) -> Spec:
    """A process of this package, which tells its health by a heartbeat."""
    return Spec(name, _prepare(name, settings), _check(name, settings), port)


def _prepare(name: str, settings: Settings) -> Callable[[], Awaitable[Launch]]:
    async def prepare() -> Launch:
        # The last words of an earlier life would be taken for signs of this one.
        health_path(settings.home, name).unlink(missing_ok=True)
        return launch(name, settings)

    return prepare


def launch(name: str, settings: Settings) -> Launch:
    """How to start `python -m chengnao.app.process NAME` for this data folder."""
    return Launch(
        [sys.executable, "-m", "chengnao.app.process", name],
        {"CHENGNAO_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"},
    )


def _check(name: str, settings: Settings) -> Callable[[], Awaitable[Check]]:
    async def check() -> Check:
        health = read_health(settings.home, name)
        if health is None:
            return Check(alive=False, ready=False)
        return Check(True, health.ready, health.lag, health.detail, health.at)

    return check
