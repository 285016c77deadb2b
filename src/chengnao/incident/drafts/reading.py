"""`python -m chengnao.incident.drafts.reading letter|call HOME`: reads one file, alone and without a network.

The file comes on standard input, the reading or the error goes to standard output as JSON. What comes from outside is
decoded by large libraries; here they can do no more than fail.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from chengnao.kernel.errors import ChengnaoError

MEMORY = 6 * 2**30
_PR_SET_PDEATHSIG = 1


def forbid_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: whatever would open a connection or look up a name fails."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise PermissionError(f"{event}: reading a file needs no network")


def main(channel: str, home: str) -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries may print
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(forbid_network)
    data = sys.stdin.buffer.read()
    try:
        # Imported here: each takes long to load, and only one is needed.
        if channel == "letter":
            from chengnao.incident.drafts.letters import read_letter  # noqa: PLC0415

            reading = read_letter(data)
        else:
            from chengnao.incident.drafts.speech import hear  # noqa: PLC0415

            reading = hear(data, Path(home))
        json.dump({"reading": reading.to_dict()}, answer, ensure_ascii=False)
    except ChengnaoError as error:
        json.dump({"error": {"code": error.code, "params": error.to_dict()["params"]}}, answer, ensure_ascii=False)
    answer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
