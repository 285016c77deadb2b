"""Two real network lines between this machine and a network namespace in which an edge gateway lives."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


class Wire:
    """A pair of virtual network cards; this end has the address `.1`, the namespace's end `.2`."""

    def __init__(self, space: str, name: str, net: str) -> None:
        self.space = space
        self.here, self.there = f"{name}h", f"{name}n"
        self.net = net
        _ip("link", "add", self.here, "type", "veth", "peer", "name", self.there, "netns", space)
        _ip("addr", "add", f"{net}.1/24", "dev", self.here)
        _ip("link", "set", self.here, "up")
        _ip("-n", space, "addr", "add", f"{net}.2/24", "dev", self.there)
        _ip("-n", space, "link", "set", self.there, "up")

    def url(self, port: int) -> str:
        return f"http://{self.net}.1:{port}"

    def set(self, mode: str) -> None:
        """`cut`: the card beside the edge is down; `dead`: the far end is, and what is sent is heard by nobody."""
        _ip("-n", self.space, "link", "set", self.there, "down" if mode == "cut" else "up")
        _ip("link", "set", self.here, "down" if mode in ("dead", "deaf") else "up")

    def remove(self) -> None:
        _ip("link", "del", self.here)


@contextmanager
def namespace() -> Iterator[str | None]:
    """The name of a new namespace; None where this machine allows none."""
    name = f"cn-edge-{os.getpid()}"
    if os.geteuid() != 0 or _run("netns", "add", name):
        yield None
        return
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    problem = _run(*words)
    assert not problem, problem


def _run(*words: str) -> str:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no command ip"
    return done.stderr or "failed" if done.returncode else ""
