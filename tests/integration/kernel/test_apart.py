"""Foreign files worked on in a process that ends."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengnao.kernel.apart import NotRead, run_apart
from chengnao.kernel.errors import Invalid

HERE = __name__


def count(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    yield {"bytes": len(data), "home": str(home)} | options
    yield "第二项"


def sleep(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    yield "begun"
    time.sleep(60)


def refuse(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    yield "begun"
    raise Invalid("place_invalid", field="lon", value=200.0)


def devour(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    yield len(bytearray(8 * 2**30))


def die(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    import os  # noqa: PLC0415

    yield "begun"
    os._exit(9)


def chatter(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    print("libraries print what they like")
    yield "x" * 5_000_000


def interfaces(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return (line.split(":")[0].strip() for line in lines)


def flood(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[Any]:
    yield "x" * 100_000_000


async def test_items_come_as_they_are_made_and_all_together(tmp_path: Path) -> None:
    seen: list[Any] = []
    data = b"x" * 3_000_000
    items = await run_apart(f"{HERE}:count", data, home=tmp_path, seconds=20, options={"page": 3}, seen=seen.append)
    assert items == seen == [{"bytes": 3_000_000, "home": str(tmp_path), "page": 3}, "第二项"]


async def test_what_is_printed_is_no_item_and_items_may_be_large(tmp_path: Path) -> None:
    assert await run_apart(f"{HERE}:chatter", b"", home=tmp_path, seconds=20) == ["x" * 5_000_000]


async def test_work_without_end_is_stopped(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotRead) as refused:
        await run_apart(f"{HERE}:sleep", b"", home=tmp_path, seconds=1)
    assert (refused.value.code, refused.value.params) == ("apart_too_long", {"seconds": 1})
    assert time.monotonic() - began < 5


async def test_the_refusal_of_the_work_comes_back_with_its_parameters(tmp_path: Path) -> None:
    with pytest.raises(NotRead) as refused:
        await run_apart(f"{HERE}:refuse", b"", home=tmp_path, seconds=20)
    assert (refused.value.code, refused.value.params) == ("place_invalid", {"field": "lon", "value": 200.0})


async def test_an_item_too_large_for_the_asker_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(NotRead) as refused:
        await run_apart(f"{HERE}:flood", b"", home=tmp_path, seconds=20)
    assert refused.value.code == "apart_memory"


async def test_memory_is_limited(tmp_path: Path) -> None:
    with pytest.raises(NotRead) as refused:
        await run_apart(f"{HERE}:devour", b"", home=tmp_path, seconds=20, memory=2 * 2**30)
    assert (refused.value.code, refused.value.params) == ("apart_memory", {"limit_mb": 2048})


async def test_the_death_of_the_process_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(NotRead) as refused:
        await run_apart(f"{HERE}:die", b"x" * 1_000_000, home=tmp_path, seconds=20)
    assert refused.value.code == "apart_failed"


async def test_there_is_no_network_for_libraries_either(tmp_path: Path) -> None:
    allowed = await asyncio.create_subprocess_exec("unshare", "--net", "true", stderr=asyncio.subprocess.DEVNULL)
    if await allowed.wait() != 0:
        pytest.skip("not run: this user may not leave the network")
    assert await run_apart(f"{HERE}:interfaces", b"", home=tmp_path, seconds=20) == ["lo"]


def test_no_connection_is_opened() -> None:
    program = (
        "import socket, sys\n"
        "from chengnao.kernel.apart import forbid_network\n"
        "sys.addaudithook(forbid_network)\n"
        "for attempt, asked in ((socket.create_connection, ('127.0.0.1', 9)), (socket.getaddrinfo, 'x.example')):\n"
        "    try:\n"
        "        attempt(asked, 1)\n"
        "    except PermissionError:\n"
        "        print('refused')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["refused", "refused"]
