"""The `city` process: the demonstration's devices, residents and workers, all of them clients over real sockets."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.field import Field
from chengnao.demonstration.links import Hj212Link, HttpLink, MqttBroker, MqttLink
from chengnao.demonstration.mains import Mains
from chengnao.demonstration.memory import remember
from chengnao.demonstration.others import others
from chengnao.demonstration.people import workers_password
from chengnao.demonstration.portal import Machine, NotNowError, RefusedError
from chengnao.demonstration.residents import (
    ENOUGH,
    REPEATED_SHARE,
    judge,
    seconds_to_next,
    write_again,
    write_report,
)
from chengnao.demonstration.rivers import load_stations
from chengnao.demonstration.tokens import read_tokens
from chengnao.demonstration.water import Waterworks
from chengnao.demonstration.workers import Workers
from chengnao.kernel.clock import Clock, load_clock, sleep_until
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings, load_secrets

log = logging.getLogger(__name__)

SEED = 20260125
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
RESTART_SECONDS = 5.0
ASK_SECONDS = 10.0

UNTIDY_STATION = "demo-r-cuntan"
"""Sends its frames in two pieces."""

STALE_CRC_STATION = "demo-r-ciqikou"
GARBAGE_METER = "demo-q-204"


async def run(settings: Settings) -> None:
    """Keep the city alive until cancelled."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for each request, several a second
    async with Heartbeat(settings.home, "city") as beat:
        beat.detail = "solving the water network"
        clock = load_clock(settings.home, settings.clock_speed)
        memory = remember(settings.home)
        now = clock.now()
        works = await asyncio.to_thread(Waterworks.at, now, memory.day, memory.tanks, memory.bursts)
        mains = Mains(settings.home, SEED, works, memory.next_burst, now)
        await City(settings, clock, Field(SEED, works, now), mains, beat).run()


class City:
    """All that goes on in the city, each in a task of its own that is started again when it fails."""

    def __init__(self, settings: Settings, clock: Clock, field: Field, mains: Mains, beat: Heartbeat) -> None:
        secrets, tokens = load_secrets(settings.home), read_tokens(settings.home)
        web = f"http://{settings.host}:{settings.port('web')}"
        self._clock = clock
        self._field = field
        self._mains = mains
        self._beat = beat
        self._gateway = Machine(f"http://{settings.host}:{settings.port('gateway')}", tokens.gateway)
        self._hotline = Machine(web, tokens.reporter)
        self._pressures = HttpLink(self._gateway)
        self._flows = MqttLink(_broker(settings, secrets.mqtt_password))
        self._stations = {
            station.device: Hj212Link(
                settings.host, settings.port("hj212"), station.mn, untidy=station.device == UNTIDY_STATION
            )
            for station in load_stations().all
        }
        self._stale_crc = Turns(timedelta(minutes=70))
        self._garbage = Turns(timedelta(minutes=100))
        self._waiting: deque[tuple[str, str]] = deque(maxlen=500)
        """Reports, with their codes, whose makers have not judged an answer yet."""
        self._others = others(settings, clock)
        self._workers = Workers(web, workers_password(secrets), clock, mains.see)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for job in (
                    self._minutes,
                    self._pressures.run,
                    self._flows.run,
                    *(link.run for link in self._stations.values()),
                    self._workers.run,
                    self._residents,
                    self._judges,
                    *(group.run for group in self._others),
                ):
                    group.create_task(_for_ever(job))
        finally:
            await self._gateway.close()
            await self._hotline.close()

    async def _minutes(self) -> None:
        """Each city minute, or each real second where city minutes are shorter: all devices report."""
        step = timedelta(minutes=max(1, math.ceil(self._clock.speed / 60)))
        moment = _next(self._clock.now(), step)
        while True:
            await sleep_until(self._clock, moment)
            await self._mains.step(moment, self._workers.open_incidents or 0)
            self._tell()
            self._report(moment)
            moment = max(moment + step, _next(self._clock.now() - 5 * step, step))

    def _tell(self) -> None:
        """Health: the lag is the longest queue of what has not been delivered since the last minute."""
        waiting = [len(self._pressures.backlog), len(self._flows.backlog)]
        waiting += [len(link.backlog) for link in self._stations.values()]
        self._beat.ready = True
        self._beat.lag = max(waiting)
        self._beat.detail = f"open incidents {self._workers.open_incidents}"

    def _report(self, moment: datetime) -> None:
        self._pressures.backlog.put(self._field.pressures(moment))
        self._flows.put(self._field.flows(moment))
        stale_crc = self._stale_crc.due(moment)
        for sample in self._field.stations(moment):
            link = self._stations[sample.device]
            link.put(sample)
            if stale_crc and sample.device == STALE_CRC_STATION:
                link.put(sample, damaged=True)
        if self._garbage.due(moment):
            self._flows.put_raw(GARBAGE_METER, b"\x00\xffFLOW??1#")

    async def _residents(self) -> None:
        rng = seeded("residents", SEED, self._clock.now())
        while True:
            busy = self._workers.open_incidents
            if busy is None or busy >= ENOUGH:
                await asyncio.sleep(RESTART_SECONDS)
                continue
            await asyncio.sleep(seconds_to_next(rng, busy))
            report = write_report(rng, self._field.conditions())
            told = [report] if rng.random() > REPEATED_SHARE else [report, write_again(rng, report)]
            for each in told:
                try:
                    made = await self._hotline.post("/api/reports", each)
                    self._waiting.append((made["tracking_number"], made["code"]))
                except (NotNowError, RefusedError) as error:
                    log.info("a report is not taken: %s", error)

    async def _judges(self) -> None:
        """Those who reported ask what became of it, one after the other, and say what the answer is worth."""
        rng = seeded("judges", SEED, self._clock.now())
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if not self._waiting:
                continue
            number, code = self._waiting.popleft()
            path = f"/api/public/reports/{number}"
            try:
                if (await self._hotline.get(path, code=code))["can_rate"]:
                    await self._hotline.post(f"{path}/answer", {"code": code, **judge(rng)})
                    continue
            except RefusedError as error:
                log.info("nothing is said of %s: %s", number, error)
                continue
            except NotNowError as error:
                log.info("%s is asked after later: %s", number, error)
            self._waiting.append((number, code))


class Turns:
    """Something that is due once in each period, however far apart the moments are that ask."""

    def __init__(self, period: timedelta) -> None:
        self._period = period
        self._last: int | None = None

    def due(self, moment: datetime) -> bool:
        turn = (moment - _EPOCH) // self._period
        due = self._last is not None and turn != self._last
        self._last = turn
        return due


def _next(now: datetime, step: timedelta) -> datetime:
    return _EPOCH + ((now - _EPOCH) // step + 1) * step


def _broker(settings: Settings, password: str) -> MqttBroker:
    """The broker that the gateway listens to as well: the platform's own, or the one the settings name."""
    if settings.mqtt_url is None:
        return MqttBroker(settings.host, settings.port("mqtt"), "device", password)
    url = urlsplit(settings.mqtt_url)
    return MqttBroker(url.hostname or "", url.port or 1883, unquote(url.username or ""), unquote(url.password or ""))


async def _for_ever(job: Callable[[], Awaitable[None]]) -> None:
    """Run the job; a failure that it does not expect is logged and ends nothing but this run of it."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("%s failed and is started again", job.__qualname__)
        await asyncio.sleep(RESTART_SECONDS)
