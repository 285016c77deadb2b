"""How much a model is used: read from what the gateway meters."""

from datetime import timedelta

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.models.gateway.repository import GatewayRepository, Usage

DAYS = 30


async def usage_of(uow: UnitOfWork, scope: Scope, model_id: str) -> Usage:
    """Calls of all versions of a model in the last 30 days, of the divisions in the scope; money in micro-yuan."""
    now = uow.clock.now()
    return await GatewayRepository(uow.session).usage_of_model(scope, model_id, now - timedelta(days=DAYS), now)
