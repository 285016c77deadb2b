"""The weekly letter over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from chengnao.kernel.access.model import Principal
from chengnao.kernel.web import ScopeDep, UowDep, require
from chengnao.supervision.letters.printed import page
from chengnao.supervision.letters.service import write

router = APIRouter(tags=["supervision"])


@router.get("/print/weekly-letter", response_class=HTMLResponse)
async def weekly_letter(
    principal: Annotated[Principal, Depends(require("supervision.read"))],
    scope: ScopeDep,
    uow: UowDep,
    week: Annotated[str | None, Query(max_length=10, description="as 2026-W48; by default the present week")] = None,
    unit: Annotated[str | None, Query(max_length=64, description="by default the whole division")] = None,
) -> HTMLResponse:
    """The weekly letter of supervision (督办函) as a page to print, for a unit or for the whole own division."""
    return HTMLResponse(page(await write(uow, scope, week, unit)))
