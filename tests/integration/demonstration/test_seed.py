"""The seed: complete, repeatable, and respectful of what a visitor has changed."""

from pathlib import Path

import pytest

from chengnao.demonstration import people
from chengnao.demonstration.others import other_devices
from chengnao.demonstration.seed import demonstration_devices, demonstration_rules, seed
from chengnao.demonstration.tokens import read_tokens
from chengnao.incident.catalogue import categories
from chengnao.incident.dispatch.service import suggest
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unauthenticated
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings, load_secrets, load_settings
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.warning.repository import WarningRepository

pytestmark = pytest.mark.engines


async def put_seed(database: Database, settings: Settings) -> None:
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await seed(uow, settings)
        await uow.commit()


async def test_the_seed_is_complete_and_changes_nothing_when_it_runs_again(database: Database, tmp_path: Path) -> None:
    settings = load_settings(tmp_path, demonstration=True)
    await put_seed(database, settings)
    tokens = read_tokens(tmp_path)
    async with database.unit_of_work() as uow:
        organisation = OrganisationRepository(uow.session)
        names = await organisation.division_names()
        assert (await organisation.units(PageRequest(1, 1))).total == len(people.units(names))
        for account in (*people.accounts(), *people.workers(names)):
            found = await AccessRepository(uow.session).account(account.username)
            assert found is not None
            assert found.demonstration
        # Whatever happens, in whatever division of the demonstration, somebody answers for it.
        for category in categories():
            for division in (*people.districts(), "500118", "500103003"):
                assert await suggest(uow, division, category), (division, category)
        for division, category, expected in (
            ("500103003", "rubbish", "500103003-street"),
            ("500103003", "water_pressure", "500103-water"),
            ("500103003", "air_quality", "city-ecology"),
            ("500118", "river_flood", "city-water"),
            ("500103003", "other", "500103-centre"),
        ):
            choice = await suggest(uow, division, category)
            assert choice is not None
            assert choice.unit_id == expected
        devices = [*demonstration_devices(), *other_devices()]
        known = await DeviceRepository(uow.session).by_ids(Scope(), [device.id for device in devices])
        assert len(known) == len(devices) == 79
        rules = {rule.id for rule in await WarningRepository(uow.session).all_rules()}
        assert {rule.id for rule in demonstration_rules()} <= rules
        gateway, reporter = await access.find_token(uow, tokens.gateway), await access.find_token(uow, tokens.reporter)
        assert gateway is not None
        assert reporter is not None
        assert (gateway.role, reporter.role) == (Role.GATEWAY, Role.REPORTER)

        # A visitor renames a unit; the next start leaves it so.
        await organisation.put_unit(Unit("city-water", "市水利局（改名）", "500000", "city-centre"))
        await uow.commit()
    await put_seed(database, settings)
    assert read_tokens(tmp_path) == tokens
    async with database.unit_of_work() as uow:
        unit = await OrganisationRepository(uow.session).unit("city-water")
        assert unit is not None
        assert unit.name == "市水利局（改名）"


async def test_people_sign_in_with_the_shown_password_and_workers_do_not(database: Database, tmp_path: Path) -> None:
    settings = load_settings(tmp_path, demonstration=True)
    await put_seed(database, settings)
    async with database.unit_of_work() as uow:
        signed_in = await access.sign_in(uow, "zhiban", people.PASSWORD, 1.0, demonstration=True)
        assert signed_in.session.user.roles == {Role.DUTY_OFFICER}
        with pytest.raises(Unauthenticated):
            await access.sign_in(uow, people.DESK, people.PASSWORD, 1.0, demonstration=True)
        password = people.workers_password(load_secrets(tmp_path))
        assert (
            await access.sign_in(uow, people.DESK, password, 1.0, demonstration=True)
        ).session.user.display_name.endswith(people.MARK)


async def test_lost_tokens_are_made_anew(database: Database, tmp_path: Path) -> None:
    settings = load_settings(tmp_path, demonstration=True)
    await put_seed(database, settings)
    old = read_tokens(tmp_path)
    (tmp_path / "city" / "tokens.json").unlink()
    await put_seed(database, settings)
    new = read_tokens(tmp_path)
    assert new != old
    async with database.unit_of_work() as uow:
        assert await access.find_token(uow, new.gateway) is not None
