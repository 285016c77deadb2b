"""Asking for commands, deciding on them, and what becomes of them. Nothing here commits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chengnao.kernel.access.model import SYSTEM, Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict, NotFound
from chengnao.kernel.ids import new_id
from chengnao.sensing.commands.events import CommandChanged
from chengnao.sensing.commands.model import ANSWER_SECONDS, ENDED, DeviceCommand, State, effect_of, key_at
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.devices.model import Device
from chengnao.sensing.protocols.shape import Receipt
from chengnao.sensing.protocols.wires import wire, wire_names


async def ask(
    uow: UnitOfWork,
    person: Principal,
    device: Device,
    name: str,
    arguments: Mapping[str, Any],
    reason: str,
    wait: timedelta,
) -> DeviceCommand:
    """Enter a command; it may go out at once where it does not act on the world.

    Raises Conflict where no command can reach the device by its protocol.
    """
    protocol = str(device.protocol)
    if protocol not in wire_names() or wire(protocol).dialogue is None:
        raise Conflict("command_no_line", device=device.id, protocol=protocol)
    await uow.hold(f"command {device.id}")
    repository, now = CommandRepository(uow.session), uow.clock.now()
    moment = now
    while await repository.key_taken(device.id, key_at(moment)):
        moment += timedelta(milliseconds=1)
    effect = effect_of(name, device.class_code)
    command = DeviceCommand(
        id=new_id(),
        device_id=device.id,
        name=name,
        arguments=arguments,
        key=key_at(moment),
        effect=effect,
        state=State.ASKED,
        reason=reason,
        asked_by=person.id,
        asked_by_name=person.name,
        asked_at=now,
        expires_at=now + wait,
        division_code=device.division_code,
        unit_id=device.unit_id,
    )
    await repository.add(command)
    await _note(uow, command, person, {"arguments": dict(arguments), "reason": reason})
    return command if effect.needs_approval else await _move(uow, command, State.APPROVED, SYSTEM, {"by": "rule"})


async def decide(
    uow: UnitOfWork, scope: Scope, person: Principal, command_id: str, approve: bool, reason: str
) -> DeviceCommand:
    """A second person's word on a command; raises Forbidden for the one who asked, NotFound outside the scope."""
    command = await _require(uow, scope, command_id)
    command.require_second_person(person.id)
    # An approval never outlives the wait that was asked for.
    state = State.APPROVED if approve else State.REFUSED
    if command.state is State.ASKED and command.expires_at <= uow.clock.now():
        raise Conflict("command_state", id=command.id, state=str(State.EXPIRED), wanted=str(state))
    if command.state is not State.ASKED:
        raise Conflict("command_state", id=command.id, state=str(command.state), wanted=str(state))
    return await _move(uow, command, state, person, {"reason": reason})


async def withdraw(uow: UnitOfWork, scope: Scope, person: Principal, command_id: str) -> DeviceCommand:
    """Take a command back that was not sent yet; raises Conflict where it was."""
    return await _move(uow, await _require(uow, scope, command_id), State.WITHDRAWN, person, {})


async def claim(uow: UnitOfWork, device_id: str) -> DeviceCommand | None:
    """Mark the device's next command as sent, before it is: a crash in between must not send it twice."""
    command = await CommandRepository(uow.session).next_for(device_id, uow.clock.now())
    return None if command is None else await _move(uow, command, State.SENT, SYSTEM, {})


async def give_back(uow: UnitOfWork, command_id: str) -> None:
    """The connection had gone before the command was written: it waits for the next one."""
    command = await _require(uow, Scope(), command_id)
    if command.state is State.SENT:
        await _move(uow, command, State.APPROVED, SYSTEM, {"reason": "not connected"})


async def fail(uow: UnitOfWork, command_id: str, error: ChengnaoError) -> None:
    """The device's protocol has no such command, or not with these arguments."""
    command = await _require(uow, Scope(), command_id)
    if command.state is State.SENT:
        await _move(uow, command, State.FAILED, SYSTEM, {"error": error.to_dict()})


async def take_receipt(uow: UnitOfWork, device_id: str, receipt: Receipt) -> None:
    """A device's answer; one to a command that nobody gave, or that has its answer, changes nothing."""
    command = await CommandRepository(uow.session).by_key(device_id, receipt.key)
    if command is not None and command.state in {State.SENT, State.UNANSWERED}:
        state = State.OK if receipt.ok else State.FAILED
        await _move(uow, command, state, SYSTEM, {"answer": dict(receipt.detail)})


async def end_due(uow: UnitOfWork, limit: int = 200) -> int:
    """End what was not approved, not sent or not answered in time; returns how many."""
    due = await CommandRepository(uow.session).due(uow.clock.now(), limit)
    for command in due:
        state = State.UNANSWERED if command.state is State.SENT else State.EXPIRED
        await _move(uow, command, state, SYSTEM, {})
    return len(due)


async def _require(uow: UnitOfWork, scope: Scope, command_id: str) -> DeviceCommand:
    command = await CommandRepository(uow.session).command(scope, command_id, lock=True)
    if command is None:
        raise command_not_found(command_id)
    return command


def command_not_found(command_id: str) -> NotFound:
    return NotFound("not_found", kind="指令 command", id=command_id)


async def _move(
    uow: UnitOfWork, before: DeviceCommand, state: State, actor: Principal, detail: Mapping[str, Any]
) -> DeviceCommand:
    before.require(state)
    now = uow.clock.now()
    changes: dict[str, Any] = {"state": state, "ended_at": now if state in ENDED else None}
    if state is State.SENT:
        until = now + timedelta(seconds=ANSWER_SECONDS * uow.clock.speed)
        changes |= {"sent_at": now, "answer_until": until}
    if "answer" in detail:
        changes["answer"] = detail["answer"]
    after = replace(before, **changes)
    await CommandRepository(uow.session).change(before.id, changes | {"state": state.value})
    await _note(uow, after, actor, detail)
    return after


async def _note(uow: UnitOfWork, command: DeviceCommand, actor: Principal, detail: Mapping[str, Any]) -> None:
    """One line of the command's own record, one of the audit record, and the event."""
    await CommandRepository(uow.session).add_step(command.id, uow.clock.now(), command.state, actor, detail)
    await record_act(
        uow, actor, f"command.{command.state}", command=command.id, device=command.device_id, name=command.name
    )
    uow.publish(
        CommandChanged(
            subject=command.id,
            division_code=command.division_code,
            unit_id=command.unit_id,
            device_id=command.device_id,
            name=command.name,
            effect=str(command.effect),
            state=str(command.state),
        )
    )
