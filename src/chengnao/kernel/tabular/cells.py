"""What a cell of a table shows."""

from datetime import date, datetime, time
from typing import Any


def cell_text(value: Any) -> str:
    """What a cell shows: whole numbers without a point, days without a time, no control characters."""
    match value:
        case None:
            return ""
        case str():
            return "".join(c for c in value if c >= " " or c in "\n\t").strip()
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime():
            return value.isoformat(" ", "seconds")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)
