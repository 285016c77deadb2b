"""`chengnao secrets`: a new key for what is kept sealed."""

import asyncio
from pathlib import Path

import typer

from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.reports.repository import ReportRepository
from chengnao.kernel.access import service as access
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.files import write_atomically
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import add_vault_key, load_settings

BATCH = 500

app = typer.Typer(help="密钥 / keys", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """密钥：密封诉求人信息所用 / Keys: with which reporters' details are sealed."""


@app.command()
def rotate() -> None:
    """换新密钥并重新密封（平台须在运行）/ Make a new key and seal everything again (the platform must be running)."""
    settings = load_settings()

    async def run() -> int:
        database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
        try:
            await database.check()
            add_vault_key(settings.home)
            vault = Vault.of(settings.home)
            count = await reseal_rows(database, vault) + reseal_files(settings.home, vault)
            async with database.unit_of_work() as uow:
                await access.record(uow, "cli", "chengnao secrets", "secrets.rotate", "allowed", {"resealed": count})
                await uow.commit()
            return count
        finally:
            await database.close()

    count = asyncio.run(run())
    typer.echo(
        f"已换新密钥，重新密封 {count} 项。请重启平台，再备份 secrets.json\n"
        f"a new key is in use, {count} items were sealed again; start the platform again, then back up secrets.json"
    )


async def reseal_rows(database: Database, vault: Vault) -> int:
    """Seal contacts and drafts with the newest key; how many."""
    count, last = 0, ""
    while True:
        async with database.unit_of_work() as uow:
            reports = ReportRepository(uow.session)
            contacts = await reports.contacts_after(last, BATCH)
            for report_id, sealed in contacts:
                await reports.seal_contact(report_id, vault.reseal(report_id, sealed))
            if not contacts:
                drafts = DraftRepository(uow.session)
                waiting = await drafts.all_sealed()
                for draft_id, sealed in waiting:
                    await drafts.seal(draft_id, vault.reseal(draft_id, sealed))
                await uow.commit()
                return count + len(waiting)
            await uow.commit()
        count, last = count + len(contacts), contacts[-1][0]


def reseal_files(home: Path, vault: Vault) -> int:
    """Seal letters and recordings with the newest key; how many."""
    files = [path for path in (home / "letters").glob("??/*") if not path.name.startswith(".")]
    for path in files:
        write_atomically(path, vault.reseal(path.name, path.read_bytes()))
    return len(files)
