"""What stands on the log."""

from datetime import datetime

import pyarrow as pa

from chengnao.kernel.bus import Bus
from chengnao.sensing.readings.model import READING_SCHEMA, decode


async def logged(bus: Bus) -> pa.Table:
    """All readings that wait on the log for the writer, taken off it."""
    tables = []
    while messages := await bus.pull_readings("writer", 100, 0.5):
        for message in messages:
            tables.append(decode(message.data))
            await message.ack()
    return pa.concat_tables(tables) if tables else READING_SCHEMA.empty_table()


def keys(table: pa.Table) -> list[tuple[str, str, datetime, float, str]]:
    rows = table.to_pylist()
    return sorted((row["device"], row["metric"], row["time"], row["value"], row["quality"]) for row in rows)
