"""A store whose threads are all stuck is noticed."""

import threading
from pathlib import Path

import pytest

from chengnao.sensing.store.engine import Engine
from chengnao.sensing.store.http import StoreApplication


async def test_turns_that_do_not_come_are_noticed(tmp_path: Path) -> None:
    application = StoreApplication(Engine(tmp_path, 2**30), "user", "password", tmp_path)
    await application.check(5)
    release = threading.Event()
    for _ in range(4):
        application._inserts.submit(release.wait)
    try:
        with pytest.raises(TimeoutError):
            await application.check(0.05)
    finally:
        release.set()
    await application.check(5)
    application.close()
