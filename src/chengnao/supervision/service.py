"""The situation at this moment. Reads only."""

from datetime import datetime

from chengnao.kernel.clock import CST


def midnight(now: datetime) -> datetime:
    """When the present day began in Chongqing."""
    return now.astimezone(CST).replace(hour=0, minute=0, second=0, microsecond=0)
