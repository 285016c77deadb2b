"""The process that reads one file: what a file can do to its reader ends with this process.

    python -m chengnao.sensing.devices.importing.child PATH

It writes JSON lines: how many rows there are, then each row, its header where that changes; or why it cannot be read.
"""

import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from chengnao.kernel.errors import ChengnaoError
from chengnao.sensing.devices.importing.model import Header
from chengnao.sensing.devices.importing.reading import read_rows

MEMORY_LIMIT = 4 * 2**30
CPU_SECONDS = 1800


def main(path: Path) -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        _write({"rows": sum(1 for _ in read_rows(path))})
        before: Header | None = None
        for header, row in read_rows(path):
            if header is not before:
                _write({"header": {"fields": header.fields, "unknown": header.unknown}})
                before = header
            _write({"row": asdict(row)})
    except ChengnaoError as error:
        _write({"failed": error.to_dict()})
    else:
        _write({"end": True})


def _write(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
