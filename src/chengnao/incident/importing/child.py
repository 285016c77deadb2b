"""The process that reads one file: what a file can do to its reader ends with this process.

    python -m chengnao.incident.importing.child '{"path": ..., "name": ..., "digest": ..., ...}'

It writes JSON lines: one for each row, then either how the file was understood or why it could not be read.
"""

import os
import resource
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from chengnao.incident.importing.jobs import ReadRow
from chengnao.incident.importing.model import Crs, Mode
from chengnao.incident.importing.reading import Reading, read_file
from chengnao.kernel.errors import ChengnaoError

MEMORY_LIMIT = 4 * 2**30
CPU_SECONDS = 1800


def main(asked: dict[str, Any]) -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    how = Reading(datetime.fromisoformat(asked["now"]), Crs(asked["crs"]), Mode(asked["mode"]))
    try:
        book = read_file(Path(asked["path"]), asked["name"], how)
        for row in book.rows:
            _write(asdict(ReadRow.of(asked["digest"], asked["channel"], row)))
    except ChengnaoError as error:
        _write({"failed": error.to_dict()})
    else:
        _write({"historic": book.historic, "sheets": [asdict(sheet) for sheet in book.sheets]})


def _write(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(orjson.loads(sys.argv[1]))
