"""All SQL over commands to devices."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.sensing.commands.model import DeviceCommand, Effect, State, Step
from chengnao.sensing.commands.tables import CommandRow, CommandStepRow


class CommandRepository(Repository):
    async def add(self, command: DeviceCommand) -> None:
        self.session.add(CommandRow(**asdict(command)))
        await self.session.flush()

    async def key_taken(self, device_id: str, key: str) -> bool:
        query = select(CommandRow.id).where(CommandRow.device_id == device_id, CommandRow.key == key)
        return (await self.session.scalar(query)) is not None

    async def command(self, scope: Scope, command_id: str, *, lock: bool = False) -> DeviceCommand | None:
        query = select(CommandRow).where(CommandRow.id == command_id, scope.where(CommandRow))
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _command(row)

    async def commands(
        self, scope: Scope, request: PageRequest, *, device_id: str | None = None, state: State | None = None
    ) -> Page[DeviceCommand]:
        """The newest first."""
        query = select(CommandRow).where(scope.where(CommandRow))
        if device_id is not None:
            query = query.where(CommandRow.device_id == device_id)
        if state is not None:
            query = query.where(CommandRow.state == state.value)
        page = await self.page(query.order_by(CommandRow.asked_at.desc(), CommandRow.id.desc()), request)
        return page.map(_command)

    async def waiting_devices(self) -> set[str]:
        """Devices that a command waits for."""
        query = select(CommandRow.device_id).where(CommandRow.state == State.APPROVED.value).distinct()
        return set(await self.session.scalars(query))

    async def next_for(self, device_id: str, now: datetime) -> DeviceCommand | None:
        """The oldest command that may be sent to the device, locked; None where another process has it already."""
        query = (
            select(CommandRow)
            .where(
                CommandRow.device_id == device_id,
                CommandRow.state == State.APPROVED.value,
                CommandRow.expires_at > now,
            )
            .order_by(CommandRow.asked_at, CommandRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = await self.session.scalar(query)
        return None if row is None else _command(row)

    async def by_key(self, device_id: str, key: str) -> DeviceCommand | None:
        """The command that the device answers, locked."""
        query = select(CommandRow).where(CommandRow.device_id == device_id, CommandRow.key == key)
        row = await self.session.scalar(query.with_for_update())
        return None if row is None else _command(row)

    async def due(self, now: datetime, limit: int) -> Sequence[DeviceCommand]:
        """Commands whose time has passed, locked."""
        waiting = CommandRow.state.in_([State.ASKED.value, State.APPROVED.value])
        query = (
            select(CommandRow)
            .where(
                or_(
                    waiting & (CommandRow.expires_at <= now),
                    (CommandRow.state == State.SENT.value) & (CommandRow.answer_until <= now),
                )
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [_command(row) for row in await self.session.scalars(query)]

    async def change(self, command_id: str, values: Mapping[str, Any]) -> None:
        await self.session.execute(update(CommandRow).where(CommandRow.id == command_id).values(**values))

    async def add_step(
        self, command_id: str, at: datetime, state: State, actor: Principal, detail: Mapping[str, Any]
    ) -> None:
        last = select(func.coalesce(func.max(CommandStepRow.seq), 0)).where(CommandStepRow.command_id == command_id)
        seq = (await self.session.scalar(last) or 0) + 1
        self.session.add(
            CommandStepRow(
                command_id=command_id,
                seq=seq,
                at=at,
                state=state.value,
                actor_id=actor.id,
                actor_name=actor.name,
                detail=dict(detail),
            )
        )
        await self.session.flush()

    async def steps(self, command_id: str) -> list[Step]:
        query = select(CommandStepRow).where(CommandStepRow.command_id == command_id).order_by(CommandStepRow.seq)
        return [
            Step(row.seq, row.at, State(row.state), row.actor_id, row.actor_name, row.detail)
            for row in await self.session.scalars(query)
        ]


def _command(row: CommandRow) -> DeviceCommand:
    values = {each.name: getattr(row, each.name) for each in fields(DeviceCommand)}
    return DeviceCommand(**values | {"effect": Effect(row.effect), "state": State(row.state)})
