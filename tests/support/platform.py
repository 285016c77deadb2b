"""The whole platform, started by its own command in a data folder of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from chengnao.kernel.settings import Settings, load_settings
from tests.support.ports import free_block
from tests.support.stack import make_home, remove_home

WHEEL = os.environ.get("CHENGNAO_WHEEL_VENV")
COMMAND = str(Path(WHEEL, "bin", "chengnao") if WHEEL else Path(sys.executable).with_name("chengnao"))
"""The command under test: of the environment that holds the installed wheel, where there is one."""

PASSWORD = "chengnao-demo"


class Client(httpx.Client):
    """A signed-in browser without the browser: cookie and CSRF token."""

    def __init__(self, address: str, username: str, password: str = PASSWORD) -> None:
        super().__init__(base_url=address, timeout=30.0)
        answer = self.post("/api/session", json={"username": username, "password": password})
        answer.raise_for_status()
        self.me = answer.json()
        self.headers["X-CSRF-Token"] = self.me["csrf_token"]

    def read(self, path: str, **params: Any) -> Any:
        answer = self.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def act(self, incident_id: str, action: str, **body: Any) -> dict[str, Any]:
        """Do one action on the incident as it stands now."""
        version = self.read(f"/api/incidents/{incident_id}")["version"]
        answer = self.post(f"/api/incidents/{incident_id}/actions/{action}", json={"version": version, **body})
        assert answer.is_success, answer.text
        done: dict[str, Any] = answer.json()
        return done


class Platform:
    """A running installation."""

    def __init__(self, home: Path, base_port: int) -> None:
        self.home = home
        self.environment = {
            **os.environ,
            "CHENGNAO_HOME": str(home),
            "CHENGNAO_BASE_PORT": str(base_port),
            "CHENGNAO_NEW_PASSWORD": PASSWORD,
            "CHENGNAO_FIRST_CLASSIFIER": "false",  # a minute of work that few tests need
            "CHENGNAO_MODELS": "false",
            "CHENGNAO_AGENTS": "false",
        }
        self.address = f"http://127.0.0.1:{base_port}"

    @property
    def settings(self) -> Settings:
        return load_settings(self.home, base_port=int(self.environment["CHENGNAO_BASE_PORT"]))

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one `chengnao` command against this installation."""
        done = subprocess.run(
            [COMMAND, *arguments], env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"chengnao {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
            )
        return done

    def processes(self) -> dict[str, dict[str, Any]]:
        """What `chengnao status` says of each process, by name."""
        lines = self.run("status", "--json", check=False).stdout.splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return {each["name"]: each for each in found if "name" in each}

    def wait_until_ready(self, seconds: float) -> float:
        """Return how long it took until every process was ready; fails after `seconds`."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.run("status", "--json", check=False).returncode == 0:
                return time.monotonic() - began
            time.sleep(0.25)
        raise AssertionError(f"not ready after {seconds} s: {self.processes()}\n{self.logs()}")

    def client(self, username: str) -> Client:
        return Client(self.address, username)

    def logs(self, lines: int = 15) -> str:
        """The end of each log, for a failing test."""
        parts = []
        for path in sorted((self.home / "logs").glob("*.log")):
            tail = path.read_text("utf-8", errors="replace").splitlines()[-lines:]
            parts.append(f"--- {path.name}\n" + "\n".join(tail))
        return "\n".join(parts)


@contextmanager
def running_platform(*, demonstration: bool, **settings: str) -> Iterator[Platform]:
    """A platform that is up; taken down and removed at the end."""
    home = make_home()
    platform = Platform(home, free_block())
    platform.environment |= {f"CHENGNAO_{name.upper()}": value for name, value in settings.items()}
    try:
        platform.run("up", "--demo" if demonstration else "--no-demo")
        yield platform
    finally:
        platform.run("down", check=False)
        remove_home(home)
