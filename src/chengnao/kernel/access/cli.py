"""`chengnao user`: accounts from the command line, so that a new installation gets its first operator."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from chengnao.kernel.access import service
from chengnao.kernel.access.model import PERSON_ROLES, Role, User
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.settings import load_settings

NewPassword = Annotated[
    str,
    typer.Option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="CHENGNAO_NEW_PASSWORD"),
]

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
    password: NewPassword = "",
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

    async def work(uow: UnitOfWork) -> User:
        return await service.create_user(
            uow,
            username=username,
            display_name=name or username,
            password=password,
            roles=frozenset(Role(each) for each in role),
            division_code=division,
            unit_id=unit,
        )

    _do(work)
    typer.echo(f"已添加账号 {username} / account {username} added")


@app.command()
def password(username: str, new: NewPassword = "") -> None:
    """设置新密码，解除锁定并结束其登录 / Set a new password, unlock the account and end its sessions."""
    _do(lambda uow: service.set_password(uow, username, new))
    typer.echo(f"账号 {username} 的密码已更新 / the password of {username} is changed")


@app.command()
def disable(username: str) -> None:
    """停用账号并结束其登录 / Close the account and end its sessions."""
    _do(lambda uow: service.set_active(uow, username, False))
    typer.echo(f"账号 {username} 已停用 / account {username} is closed")


@app.command()
def enable(username: str) -> None:
    """重新启用账号 / Open the account again."""
    _do(lambda uow: service.set_active(uow, username, True))
    typer.echo(f"账号 {username} 已启用 / account {username} is open")


def _do(work: Callable[[UnitOfWork], Awaitable[User]]) -> None:
    """Change an account in one unit of work, and put it on record under the command's name."""

    async def run() -> None:
        settings = load_settings()
        database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
        try:
            await database.check()
            async with database.unit_of_work() as uow:
                user = await work(uow)
                await service.record(uow, "cli", "chengnao user", "user.write", "allowed", {"user": user.id})
                await uow.commit()
        finally:
            await database.close()

    asyncio.run(run())
