"""A broker that speaks MQTT 3.1.1 and 5: mosquitto, where `scripts/broker.sh` or the system has one."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port

_UNPACKED = Path(sys.prefix) / "share" / "mosquitto"


@asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[int]:
    """A running broker, by its port; skips the test where there is none."""
    own = _UNPACKED / "usr" / "sbin" / "mosquitto"
    program = shutil.which("mosquitto") or (str(own) if own.exists() else None)
    if program is None:
        pytest.skip("not run: no MQTT 5 broker")
    libraries = [str(path) for path in (_UNPACKED / "usr" / "lib").glob("*-linux-gnu*")]
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n"
    )
    environment = os.environ | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})
    process = await asyncio.create_subprocess_exec(program, "-c", str(folder / "mosquitto.conf"), env=environment)
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert process.returncode is None, "mosquitto ended"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield port
    finally:
        process.terminate()
        await process.wait()
