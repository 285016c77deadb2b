"""A NATS cluster of three servers and a PostgreSQL of one's own: engines that the platform did not start."""

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from chengnao.app.engines import nats, postgres
from tests.support.ports import free_port


@dataclass
class Server:
    """One server of a cluster."""

    name: str
    port: int
    monitor: int
    process: subprocess.Popen[bytes]


class NatsCluster:
    """Three JetStream servers on loopback; urls carry user and password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_hex(8)
        ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
        routes = [f"nats://route:{self.password}@127.0.0.1:{route}" for _, _, route in ports]
        self.servers = [self._start(f"n{number}", *port, routes) for number, port in enumerate(ports)]

    @property
    def urls(self) -> list[str]:
        return [f"nats://chengnao:{self.password}@127.0.0.1:{each.port}" for each in self.servers]

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not all(_answers(f"http://127.0.0.1:{each.monitor}/healthz") for each in self.servers):
            if time.monotonic() > deadline:
                raise AssertionError("the NATS cluster is not ready")
            time.sleep(0.1)

    def leader_of(self, stream: str) -> Server:
        """The server that leads the stream: the one whose death hurts most."""
        for server in self.servers:
            if server.process.poll() is not None:
                continue
            answer = httpx.get(f"http://127.0.0.1:{server.monitor}/jsz", params={"streams": "1"}).json()
            for account in answer.get("account_details", []):
                for detail in account.get("stream_detail", []):
                    if detail["name"] == stream:
                        return next(each for each in self.servers if each.name == detail["cluster"]["leader"])
        raise AssertionError(f"no leader of {stream}")

    def kill(self, server: Server) -> None:
        server.process.kill()
        server.process.wait(10)

    def close(self) -> None:
        for each in self.servers:
            if each.process.poll() is None:
                self.kill(each)

    def _start(self, name: str, port: int, monitor: int, route: int, routes: list[str]) -> Server:
        configuration = {
            "server_name": name,
            "listen": f"127.0.0.1:{port}",
            "http": f"127.0.0.1:{monitor}",
            "max_payload": 8 * 2**20,
            "jetstream": {"store_dir": str(self.folder / name), "sync_interval": "always"},
            "cluster": {
                "name": "tests",
                "listen": f"127.0.0.1:{route}",
                "authorization": {"user": "route", "password": self.password},
                "routes": routes,
            },
            "authorization": {"user": "chengnao", "password": self.password},
        }
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(configuration))
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([str(nats.server()), "--config", str(file)], stdout=log, stderr=log)
        return Server(name, port, monitor, process)


@contextmanager
def own_postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL on a TCP port, with a password, as a city would run one."""
    account = postgres.owner()
    account.own_folder(folder)
    data, password, port = folder / "data", secrets.token_hex(8), free_port()
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o644)
    site = postgres.runnable_site(account, folder)
    made = account.run(
        [
            str(postgres.program(site, "initdb")),
            f"--pgdata={data}",
            "--username=city",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--no-sync",
        ]
    )
    assert made.returncode == 0, made.stderr
    process = subprocess.Popen(
        [
            str(postgres.program(site, "postgres")),
            "-D",
            str(data),
            "-p",
            str(port),
            "-c",
            f"unix_socket_directories={folder}",
        ],
        user=account.user,
        group=account.group,
        extra_groups=None if account.user is None else [],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"postgresql://city:{password}@127.0.0.1:{port}/postgres"
    try:
        _wait_for(url)
        yield url
    finally:
        process.send_signal(postgres.STOP_SIGNAL)
        process.wait(20)


def _wait_for(url: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2.0).status_code == 200
    return False
