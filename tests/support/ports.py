"""Blocks of free ports."""

import os
import random
import socket

OFFSETS = (0, *range(10, 25), 30, 31)
_BLOCK = 40


def free_block() -> int:
    """A base port whose whole block (see `Settings.port`) is free now, below the system's own range.

    Workers that run tests side by side draw from blocks of their own.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(200):
        base = random.randrange(10_000 + mine * _BLOCK, 32_000, workers * _BLOCK)
        if all(_free(base + offset) for offset in OFFSETS):
            return base
    raise RuntimeError("no block of free ports between 10000 and 32000")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
