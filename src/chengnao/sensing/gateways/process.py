"""The process `gateway`: readings in by HTTP, MQTT and the protocols of the field, onto the log.

Several of them share the ports: the system deals each new connection to one of them. What must happen once, listening
to the MQTT broker and replaying, is done by the first.
"""

import asyncio
import logging
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Port, Settings
from chengnao.sensing.devices.register_maps import load_maps
from chengnao.sensing.edge.serving import EdgeService
from chengnao.sensing.gateways.batching import Committer
from chengnao.sensing.gateways.coap import CoapGateway
from chengnao.sensing.gateways.commanding import Commander
from chengnao.sensing.gateways.credentials import CredentialCache
from chengnao.sensing.gateways.desk import QuarantineDesk
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.limits import DeviceLimiter
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.modbus import ModbusGateway
from chengnao.sensing.gateways.mqtt import MqttGateway, broker_of
from chengnao.sensing.gateways.mqtt_messages import MessageReader
from chengnao.sensing.gateways.pictures import PictureShelf
from chengnao.sensing.gateways.registry import RegistryCache, RegistryFeed, TokenCache
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.gateways.topics import load_templates
from chengnao.sensing.protocols.wires import wire

log = logging.getLogger(__name__)

LINES: tuple[Port, ...] = ("hj212", "jt808", "sl651", "gb26875", "dlt645", "cjt188", "gb28181", "gb32960")
"""The protocols that devices speak over a connection of their own, each on the port of the same name."""

_MESSAGE_ROOM = 4096  # of a message's largest size, for its subject and headers


async def run(settings: Settings, number: int = 0) -> None:
    """Serve until cancelled, then finish what was taken in; `number` counts gateways from 1 where there are several."""
    name, shared, first = (f"gateway-{number}", True, number == 1) if number else ("gateway", False, True)
    clock = load_clock(settings.home, settings.clock_speed)
    database = Database.connect(database_url(settings), clock, pool_size=5)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        beat = await stack.enter_async_context(Heartbeat(settings.home, name))
        bus = await Bus.connect(settings, name)
        stack.push_async_callback(bus.close)
        cache = RegistryCache()
        feed = RegistryFeed(cache, database)
        await feed.refresh()
        limiter = DeviceLimiter()
        committer = Committer(bus.publish_readings, bus.client.max_payload - _MESSAGE_ROOM)
        desk = QuarantineDesk(database, clock)
        stack.push_async_callback(_last_flush, desk)
        stack.push_async_callback(committer.close)
        commander = Commander(database)
        shelf = PictureShelf(settings.home / "pictures", clock)
        intake = Intake(cache, feed, limiter, committer, desk, clock, commander.hear, shelf.keep)

        lines = [LineGateway(wire(line), intake) for line in LINES]
        for line, port in zip(lines, LINES, strict=True):
            await line.start(settings.host, settings.port(port), shared=shared)
            stack.push_async_callback(line.close)
        tokens = TokenCache(database)
        credentials = CredentialCache(database)
        http = HttpGateway(intake, tokens, EdgeService(intake, tokens, database).routes(), credentials)
        server = Server(
            uvicorn.Config(
                http.app,
                host=settings.host,
                port=settings.port("gateway"),
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
        )
        messages = MessageReader(intake, load_templates(settings.home))
        broker = broker_of(settings) if first else None
        mqtt = MqttGateway(messages, broker) if broker is not None else None
        modbus = ModbusGateway(intake, load_maps(settings.home))
        duties = [feed.run(), desk.run(), commander.run(bus, [*lines, modbus]), *(line.run() for line in lines)]
        if first:
            coap = CoapGateway(intake, tokens, credentials)
            await coap.start(settings.host, settings.port("coap"))
            stack.push_async_callback(coap.close)
            duties += [Replayer(intake, database, messages).run(), modbus.run()]
        sockets = [shared_socket(settings.host, settings.port("gateway"))] if shared else None
        await _serve(
            server,
            sockets,
            beat,
            intake,
            lines,
            mqtt,
            duties,
        )


def shared_socket(host: str, port: int) -> socket.socket:
    """A socket that listens beside those of other processes on the same port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    return listening


async def _serve(
    server: Server,
    sockets: list[socket.socket] | None,
    beat: Heartbeat,
    intake: Intake,
    lines: list[LineGateway],
    mqtt: MqttGateway | None,
    duties: list[Coroutine[Any, Any, None]],
) -> None:
    if mqtt is not None:
        duties.append(mqtt.run())
    tasks = [asyncio.ensure_future(duty) for duty in duties]
    serving = asyncio.create_task(server.serve(sockets))
    try:
        while not serving.done():
            beat.ready = server.started
            beat.lag = intake.committer.waiting_rows
            beat.detail = _detail(intake, lines, mqtt)
            for task in tasks:
                if task.done():
                    await task  # a duty ends only by an error, and then the process must not pretend to work
            await asyncio.sleep(0.5)
        await serving
    finally:
        beat.ready = False
        server.should_exit = True
        with suppress(asyncio.CancelledError, SystemExit):
            await serving
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _detail(intake: Intake, lines: list[LineGateway], mqtt: MqttGateway | None) -> str:
    broker = "-" if mqtt is None else "on" if mqtt.connected else "off"
    return (
        f"readings {intake.committer.committed}, refused {intake.desk.refused}, limited {intake.limiter.refused}, "
        + "".join(f"{line.wire.name} links {len(line.links)} frames {line.frames}, " for line in lines if line.frames)
        + f"MQTT {broker}"
    )


async def _last_flush(desk: QuarantineDesk) -> None:
    try:
        await desk.flush()
    except (SQLAlchemyError, OSError) as error:
        log.warning("the last refused pieces are lost: %s", error)
