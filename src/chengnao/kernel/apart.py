"""Work on a foreign file in a process that ends afterwards, alone and without a network.

What comes from outside is decoded by large libraries; apart they can do no more than fail, and neither the web nor the
memory of who asked suffers. The file goes to the process on its standard input; items come back as lines of JSON.
"""

import asyncio
import ctypes
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from chengnao.kernel.errors import ChengnaoError

MEMORY = 6 * 2**30
"""Of addresses, not of pages: the libraries reserve much that they never touch."""
_LINE_LIMIT = 64 * 2**20
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000

log = logging.getLogger(__name__)

Work = Callable[[bytes, Path, dict[str, Any]], Iterable[Any]]
"""What runs apart: from the file, the data folder and the options to items that JSON can hold."""


class NotRead(ChengnaoError):
    """The file could not be worked on: the code and parameters are those that the work raised, or `apart_*`."""

    status = 422


async def run_apart(
    work: str,
    data: bytes,
    *,
    home: Path,
    seconds: float,
    options: dict[str, Any] | None = None,
    memory: int = MEMORY,
    seen: Callable[[Any], None] | None = None,
) -> list[Any]:
    """The items that `work` ("package.module:function", a `Work`) makes of the file; `seen` gets each as it comes.

    Raises NotRead: with the code of the ChengnaoError that the work raised, `apart_too_long` after so many seconds,
    `apart_memory` where the limit (bytes) is too small for the file, `apart_failed` where the process died.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chengnao.kernel.apart", work, str(home), str(memory), json.dumps(options or {}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            taken, complaint, _ = await asyncio.gather(
                _take(process.stdout, seen), process.stderr.read(), _give(process.stdin, data)
            )
            code = await process.wait()
    except TimeoutError as error:
        raise NotRead("apart_too_long", seconds=round(seconds)) from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    items: list[Any] = taken[0]
    refusal: NotRead | None = taken[1]
    if refusal is not None:
        raise refusal
    if code != 0:
        log.error("%s ended with %s: %s", work, code, complaint.decode(errors="replace")[-2000:])
        raise NotRead("apart_failed")
    return items


async def _give(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(data)
        await pipe.drain()
    pipe.close()


async def _take(pipe: asyncio.StreamReader, seen: Callable[[Any], None] | None) -> tuple[list[Any], NotRead | None]:
    items: list[Any] = []
    refusal = None
    async for line in pipe:
        if not line.endswith(b"\n"):
            break  # it died while it wrote
        answer = json.loads(line)
        if "error" in answer:
            refusal = NotRead(answer["error"]["code"], **answer["error"]["params"])
            continue
        items.append(answer["item"])
        if seen is not None:
            seen(items[-1])
    return items, refusal


def forbid_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: whatever would open a connection or look up a name fails."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise PermissionError(f"{event}: reading a file needs no network")


def _bind_to_parent_without_network() -> None:
    """End when the parent ends; leave the machine's network, where the kernel lets this user do so.

    The audit hook stops what is written in Python alone; libraries in C open connections of their own.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main(work: str, home: str, memory: str, options: str) -> None:
    """Do the work on standard input, inside the limits."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries may print
    if sys.platform == "linux":
        _bind_to_parent_without_network()
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(forbid_network)
    data = sys.stdin.buffer.read()
    module, name = work.split(":")
    try:
        do: Work = getattr(import_module(module), name)
        for item in do(data, Path(home), json.loads(options)):
            line = _line({"item": item})
            if len(line) > _LINE_LIMIT:
                raise MemoryError
            answer.write(line)
            answer.flush()
    except ChengnaoError as error:
        answer.write(_refused(error))
    except MemoryError:
        answer.write(_refused(NotRead("apart_memory", limit_mb=int(memory) // 2**20)))
    answer.close()


def _refused(error: ChengnaoError) -> bytes:
    return _line({"error": {"code": error.code, "params": error.to_dict()["params"]}})


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
