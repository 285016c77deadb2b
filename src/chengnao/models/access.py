"""Who may see models, and who may change what the whole city shares."""

from typing import Annotated

from fastapi import Depends, Request

from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import check, require

Reader = Annotated[Principal, Depends(require("model.read"))]


async def _operator(request: Request, principal: Annotated[Principal, Depends(require("model.write"))]) -> Principal:
    await check(request, principal, "model.write", CITY, None)
    return principal


Operator = Annotated[Principal, Depends(_operator)]
"""An operator of the city: models and deployments belong to no district."""
