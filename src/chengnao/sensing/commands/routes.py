"""Commands to devices over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field, field_validator

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.web import ContextDep, PageDep, PageOf, RepeatableDep, ScopeDep, UowDep, check, require
from chengnao.sensing.commands import service
from chengnao.sensing.commands.model import LONGEST, READY, DeviceCommand, Effect, State
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.devices.service import require_device

router = APIRouter(tags=["commands"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
CommandId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("command.read"))]
Asker = Annotated[Principal, Depends(require("command.ask"))]
Decider = Annotated[Principal, Depends(require("command.decide"))]


class CommandIn(BaseModel):
    """`wait_seconds`: how long it waits for its approval and for the device to connect."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    arguments: Annotated[dict[str, Any], Field(max_length=50)] = {}
    reason: Annotated[str, Field(max_length=500)] = ""
    wait_seconds: Annotated[int, Field(ge=5, le=int(LONGEST.total_seconds()))] = 3600

    @field_validator("arguments")
    @classmethod
    def _storable(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """JSON can carry a NUL and half a character, and the database neither."""
        try:
            text = orjson.dumps(arguments)
        except TypeError as error:
            raise ValueError(str(error)) from error
        if b"\\u0000" in text or len(text) > 16_384:
            raise ValueError("NUL (U+0000) in a text, or more than 16 KiB")
        return arguments


class Decision(BaseModel):
    approve: bool
    reason: Annotated[str, Field(max_length=500)] = ""


class StepOut(BaseModel):
    at: datetime
    state: State
    actor_name: str
    detail: dict[str, Any]


class CommandOut(BaseModel):
    id: str
    device_id: str
    name: str
    arguments: dict[str, Any]
    effect: Effect
    state: State
    reason: str
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    answer: dict[str, Any] | None
    division_code: str

    @classmethod
    def of(cls, command: DeviceCommand) -> "CommandOut":
        return cls.model_validate(command, from_attributes=True)


class CommandRecord(CommandOut):
    """A command with all its steps."""

    steps: list[StepOut]


@router.post("/devices/{device_id}/commands", status_code=201)
async def ask_for_command(
    device_id: DeviceId,
    body: CommandIn,
    request: Request,
    principal: Asker,
    scope: ScopeDep,
    context: ContextDep,
    repeatable: RepeatableDep,
    uow: UowDep,
) -> CommandOut:
    """Ask a device to do something; what acts on the world waits for a second person's approval."""
    device = await require_device(uow, scope, device_id)
    await check(request, principal, "command.ask", device.division_code, device.unit_id)
    known = await repeatable.known(CommandOut)
    if known is not None:
        return known
    wait = timedelta(seconds=body.wait_seconds)
    command = await service.ask(uow, principal, device, body.name, body.arguments, body.reason, wait)
    answer = await repeatable.keep(CommandOut.of(command))
    await uow.commit()
    await context.bus.tell(READY, device.id)
    return answer


@router.get("/devices/{device_id}/commands")
async def commands_of_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, page: PageDep, uow: UowDep
) -> PageOf[CommandOut]:
    await require_device(uow, scope, device_id)
    found = await CommandRepository(uow.session).commands(scope, page, device_id=device_id)
    return PageOf.of(found, [CommandOut.of(each) for each in found.items])


@router.get("/commands")
async def list_commands(
    principal: Reader, scope: ScopeDep, page: PageDep, uow: UowDep, state: State | None = None
) -> PageOf[CommandOut]:
    """All commands of the own divisions, the newest first; `state=asked` are those that wait for a decision."""
    found = await CommandRepository(uow.session).commands(scope, page, state=state)
    return PageOf.of(found, [CommandOut.of(each) for each in found.items])


@router.get("/commands/{command_id}")
async def get_command(command_id: CommandId, principal: Reader, scope: ScopeDep, uow: UowDep) -> CommandRecord:
    repository = CommandRepository(uow.session)
    command = await repository.command(scope, command_id)
    if command is None:
        raise service.command_not_found(command_id)
    steps = [StepOut.model_validate(step, from_attributes=True) for step in await repository.steps(command_id)]
    return CommandRecord(**CommandOut.of(command).model_dump(), steps=steps)


@router.post("/commands/{command_id}/decision")
async def decide_on_command(
    command_id: CommandId,
    body: Decision,
    request: Request,
    principal: Decider,
    scope: ScopeDep,
    context: ContextDep,
    uow: UowDep,
) -> CommandOut:
    """Approve or refuse a command that another person asked for."""
    await _check(uow, request, principal, scope, command_id, "command.decide")
    command = await service.decide(uow, scope, principal, command_id, body.approve, body.reason)
    await uow.commit()
    if command.state is State.APPROVED:
        await context.bus.tell(READY, command.device_id)
    return CommandOut.of(command)


@router.post("/commands/{command_id}/withdraw")
async def withdraw_command(
    command_id: CommandId, request: Request, principal: Asker, scope: ScopeDep, uow: UowDep
) -> CommandOut:
    """Take back what was not sent yet."""
    await _check(uow, request, principal, scope, command_id, "command.ask")
    command = await service.withdraw(uow, scope, principal, command_id)
    await uow.commit()
    return CommandOut.of(command)


async def _check(
    uow: UnitOfWork, request: Request, principal: Principal, scope: Scope, command_id: str, action: str
) -> None:
    command = await CommandRepository(uow.session).command(scope, command_id)
    if command is None:
        raise service.command_not_found(command_id)
    await check(request, principal, action, command.division_code, command.unit_id)
