"""Has a file read by a process that ends afterwards, so that neither the web nor the memory suffers."""

import asyncio
import json
import logging
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from chengnao.incident.drafts.model import READING_LIMITS, Reading
from chengnao.incident.reports.model import Channel
from chengnao.kernel.errors import ChengnaoError

log = logging.getLogger(__name__)


class NotRead(ChengnaoError):
    """The machine could not read it: a person does, from the file that is kept."""

    status = 422


class Reader:
    """Reads letters and recordings of one installation."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def read(self, channel: Channel, data: bytes, limit: timedelta | None = None) -> Reading:
        """What the file says; raises NotRead where it says nothing that the machine can read within the limit."""
        limit = limit or READING_LIMITS[channel]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chengnao.incident.drafts.reading", channel.value, str(self._home),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            output, complaint = await asyncio.wait_for(process.communicate(data), limit.total_seconds())
        except TimeoutError as error:
            raise NotRead("reading_too_long", seconds=int(limit.total_seconds())) from error
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return _understood(output, complaint, process.returncode)


def _understood(output: bytes, complaint: bytes, code: int | None) -> Reading:
    try:
        answer = json.loads(output)
    except ValueError as error:
        log.error("reading ended with %s: %s", code, complaint.decode(errors="replace")[-2000:])
        raise NotRead("reading_failed") from error
    if "error" in answer:
        raise NotRead(answer["error"]["code"], **answer["error"]["params"])
    reading = Reading.from_dict(answer["reading"])
    if not reading.text.strip():
        raise NotRead("reading_found_nothing")
    return reading
