"""Secrets of single devices, as gateways check them: a bearer token over HTTP, a password over MQTT and CoAP."""

import time
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.upkeep.service import PREFIX, device_of_secret

_FRESH_SECONDS = 10.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Sender:
    """A device that has shown its secret: it may send its own readings and no others."""

    device_id: str
    scope: Scope


class CredentialCache:
    """Who a device's secret belongs to; one that is revoked is refused within 10 seconds.

    While the database is away nothing can be revoked, and a secret known before goes on being known.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Sender | None]] = {}

    async def sender(self, secret: str, username: str | None = None) -> Sender | None:
        """The device of the secret; None where it is wrong, or belongs to another than `username`.

        Raises Unavailable where the database is away and the secret is new.
        """
        if not secret.startswith(PREFIX):
            return None
        found = await self._find(secret)
        return None if found is None or username not in (None, found.device_id) else found

    async def _find(self, secret: str) -> Sender | None:
        now = time.monotonic()
        known = self._known.get(secret)
        if known is not None and now - known[0] < _FRESH_SECONDS:
            return known[1]
        try:
            async with self._database.unit_of_work() as uow:
                device = await device_of_secret(uow, secret)
        except (SQLAlchemyError, OSError) as error:
            if known is not None and known[1] is not None:
                return known[1]
            raise Unavailable("database_unavailable") from error
        sender = None if device is None else Sender(device.id, Scope(device.division_code, device.unit_id))
        if len(self._known) > _MOST_KNOWN:  # guessing must not fill the memory
            self._known.clear()
        self._known[secret] = (now, sender)
        return sender
