from pathlib import Path

import pytest

from chengnao.incident.drafts import service
from chengnao.incident.drafts.model import Line, Reading
from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.drafts.rotation import reseal_files, reseal_rows
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import ReportIn, read_contact, take_report
from chengnao.kernel.access.model import SYSTEM
from chengnao.kernel.database import Database
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import add_vault_key
from tests.support.letters import text_pdf
from tests.support.loop import CITY, YUZHONG, make_city

pytestmark = pytest.mark.engines


async def test_a_new_key_seals_everything_and_the_old_one_is_needed_no_more(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chengnao.incident.drafts.rotation.BATCH", 2)
    await make_city(database)
    desk, reports = desk_at(tmp_path), []
    async with database.unit_of_work() as uow:
        for number in range(5):
            given = ReportIn(content=f"路坏了 1380013800{number}", place=None, division_code=YUZHONG, category="other")
            reports.append((await take_report(uow, desk, SYSTEM, given)).report)
        draft = await service.add_draft(uow, tmp_path, SYSTEM, Channel.LETTER, text_pdf(b"a hole"), CITY)
        await service.finish_reading(uow, desk.vault, draft.id, Reading((Line("a hole"),), "text", 1))
        await uow.commit()

    keys = add_vault_key(tmp_path).vault_keys
    vault = Vault(keys)
    assert await reseal_rows(database, vault) + reseal_files(tmp_path, vault) == 7
    newest = Vault(dict([list(keys.items())[-1]]))
    async with database.unit_of_work() as uow:
        for number, report in enumerate(reports):
            contact = await read_contact(uow, newest, SYSTEM, report, "试")
            assert contact.content.endswith(f"1380013800{number}")
            sealed = await ReportRepository(uow.session).contact(report.id)
            assert sealed is not None
            assert newest.current(sealed)
        sealed = await DraftRepository(uow.session).sealed(draft.id)
        assert sealed is not None
        assert newest.current(sealed)
        assert (await service.content_of(uow, desk.vault, draft)).text == "a hole", (
            "a running process learns of the key"
        )
    assert service.file_of(tmp_path, draft) == text_pdf(b"a hole")
