"""`chengnao user`: accounts from the command line, so that a new installation gets its first operator."""

import asyncio
from typing import Annotated

import typer

from chengnao.kernel.access import service
from chengnao.kernel.access.model import PERSON_ROLES, Role
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.settings import Settings, load_settings

app = typer.Typer(help="账号 / accounts", no_args_is_help=True)


@app.callback()
def accounts() -> None:
    """账号：没有默认密码 / Accounts: none has a default password."""


@app.command()
def add(
    username: str,
    role: Annotated[list[str], typer.Option(help="角色，可重复 / role, may be repeated")],
    name: Annotated[str, typer.Option(help="显示姓名 / display name")] = "",
    division: Annotated[str, typer.Option(help="区划代码 / division code")] = CITY,
    unit: Annotated[str | None, typer.Option(help="单位编号 / unit id", show_default=False)] = None,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="CHENGNAO_NEW_PASSWORD")
    ] = "",
) -> None:
    """添加账号（平台须在运行）/ Add an account (the platform must be running)."""
    known = sorted(PERSON_ROLES)
    for each in role:
        if each not in known:
            raise Invalid(
                "invalid_value",
                field="--role",
                value=each,
                reason_zh="可选：" + "、".join(known),
                reason_en="choose from " + ", ".join(known),
            )
    settings = load_settings()
    asyncio.run(
        _add(settings, username, name or username, password, frozenset(Role(each) for each in role), division, unit)
    )
    typer.echo(f"已添加账号 {username} / account {username} added")


async def _add(
    settings: Settings,
    username: str,
    display_name: str,
    password: str,
    roles: frozenset[Role],
    division_code: str,
    unit_id: str | None,
) -> None:
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
    try:
        await database.check()
        async with database.unit_of_work() as uow:
            user = await service.create_user(
                uow,
                username=username,
                display_name=display_name,
                password=password,
                roles=roles,
                division_code=division_code,
                unit_id=unit_id,
            )
            await service.record(uow, "cli", "chengnao user add", "user.write", "allowed", {"user": user.id})
            await uow.commit()
    finally:
        await database.close()
