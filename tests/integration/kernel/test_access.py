from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chengnao.kernel.access import service
from chengnao.kernel.access.model import Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import put_unit, seed_divisions
from chengnao.kernel.paging import PageRequest

pytestmark = pytest.mark.engines

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
async def _divisions(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        await put_unit(uow, Unit("unit-a", "甲单位", "500103"))
        await uow.commit()


async def add_user(database: Database, username: str = "zhang", division_code: str = "500103") -> User:
    async with database.unit_of_work() as uow:
        user = await service.create_user(
            uow,
            username=username,
            display_name="张三",
            password=PASSWORD,
            roles=frozenset({Role.DISPATCHER}),
            division_code=division_code,
            unit_id=None,
        )
        await uow.commit()
        return user


async def try_sign_in(database: Database, password: str, username: str = "zhang") -> service.SignedIn:
    async with database.unit_of_work() as uow:
        try:
            return await service.sign_in(uow, username, password, 12)
        finally:
            await uow.commit()


async def test_a_session_opens_is_found_and_ends(database: Database) -> None:
    user = await add_user(database)
    signed_in = await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        session = await service.find_session(uow, signed_in.secret)
        assert session is not None
        assert session.user == user
        assert await service.find_session(uow, signed_in.secret + "x") is None
        await service.sign_out(uow, signed_in.secret)
        await uow.commit()
    async with database.unit_of_work() as uow:
        assert await service.find_session(uow, signed_in.secret) is None


async def test_neither_secret_nor_password_is_kept(database: Database) -> None:
    await add_user(database)
    signed_in = await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        for table in ("users", "sessions", "audit"):
            kept = str((await uow.session.execute(text(f"SELECT * FROM {table}"))).all())
            assert signed_in.secret not in kept
            assert PASSWORD not in kept


async def test_five_failures_lock_the_account_and_then_even_the_right_password_waits(database: Database) -> None:
    await add_user(database)
    for _ in range(service.FAILURES_BEFORE_LOCK):
        with pytest.raises(Unauthenticated):
            await try_sign_in(database, "wrong")
    with pytest.raises(TooMany) as locked:
        await try_sign_in(database, PASSWORD)
    assert 0 < locked.value.retry_after <= 61
    async with database.unit_of_work() as uow:
        await uow.session.execute(text("UPDATE users SET locked_until = now() - interval '1 second'"))
        await uow.commit()
    await try_sign_in(database, PASSWORD)
    with pytest.raises(Unauthenticated):
        await try_sign_in(database, "wrong")
    await try_sign_in(database, PASSWORD)


async def test_an_unknown_name_is_answered_like_a_wrong_password(database: Database) -> None:
    await add_user(database)
    with pytest.raises(Unauthenticated) as unknown:
        await try_sign_in(database, PASSWORD, "nobody")
    with pytest.raises(Unauthenticated) as wrong:
        await try_sign_in(database, "wrong")
    assert unknown.value.to_dict() == wrong.value.to_dict()


async def test_every_try_is_on_record(database: Database) -> None:
    await add_user(database)
    with pytest.raises(Unauthenticated):
        await try_sign_in(database, "wrong")
    await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        entries = (await AccessRepository(uow.session).audit(Scope(), PageRequest())).items
    assert [entry.outcome for entry in entries] == ["allowed", "failed"]


async def test_accounts_need_a_good_password_a_free_name_and_a_real_division(database: Database) -> None:
    await add_user(database)
    async with database.unit_of_work() as uow:

        async def create(username: str, password: str, division_code: str, unit_id: str | None = None) -> None:
            await service.create_user(
                uow,
                username=username,
                display_name="x",
                password=password,
                roles=frozenset({Role.AUDITOR}),
                division_code=division_code,
                unit_id=unit_id,
            )

        with pytest.raises(Invalid, check=lambda error: error.code == "weak_password"):
            await create("li", "short", "500103")
        with pytest.raises(Conflict, check=lambda error: error.code == "username_taken"):
            await create("zhang", PASSWORD, "500103")
        with pytest.raises(NotFound, check=lambda error: error.code == "division_unknown"):
            await create("li", PASSWORD, "500105")
        with pytest.raises(NotFound, check=lambda error: error.code == "unit_unknown"):
            await create("li", PASSWORD, "500103", "no-such-unit")
        with pytest.raises(Invalid, check=lambda error: error.params["field"] == "username"):
            await create("a b/c", PASSWORD, "500103")


async def test_a_new_password_unlocks_and_ends_sessions(database: Database) -> None:
    await add_user(database)
    signed_in = await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        await uow.session.execute(text("UPDATE users SET locked_until = now() + interval '1 hour'"))
        with pytest.raises(Invalid, check=lambda error: error.code == "weak_password"):
            await service.set_password(uow, "zhang", "short")
        await service.set_password(uow, "zhang", "another long password")
        await uow.commit()
    async with database.unit_of_work() as uow:
        assert await service.find_session(uow, signed_in.secret) is None
    await try_sign_in(database, "another long password")
    with pytest.raises(Unauthenticated):
        await try_sign_in(database, PASSWORD)


async def test_a_closed_account_is_out_at_once_and_may_come_back(database: Database) -> None:
    await add_user(database)
    signed_in = await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        await service.set_active(uow, "zhang", False)
        await uow.commit()
    async with database.unit_of_work() as uow:
        assert await service.find_session(uow, signed_in.secret) is None
    with pytest.raises(Unauthenticated):
        await try_sign_in(database, PASSWORD)
    async with database.unit_of_work() as uow:
        await service.set_active(uow, "zhang", True)
        await uow.commit()
    await try_sign_in(database, PASSWORD)


async def test_a_demonstration_account_is_let_in_only_while_the_demonstration_is_on(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await service.create_user(
            uow,
            username="zhiban",
            display_name="演示",
            password=PASSWORD,
            roles=frozenset({Role.OPERATOR}),
            division_code="500103",
            unit_id=None,
            demonstration=True,
        )
        signed_in = await service.sign_in(uow, "zhiban", PASSWORD, 12, demonstration=True)
        await uow.commit()
    async with database.unit_of_work() as uow:
        assert await service.find_session(uow, signed_in.secret, demonstration=True) is not None
        assert await service.find_session(uow, signed_in.secret) is None
    with pytest.raises(Unauthenticated):
        await try_sign_in(database, PASSWORD, "zhiban")


async def test_a_scope_shows_only_its_own_accounts(database: Database) -> None:
    await add_user(database, "zhang", "500103")
    await add_user(database, "li", "500108")
    async with database.unit_of_work() as uow:
        repository = AccessRepository(uow.session)
        seen = await repository.users(Scope("500103"), PageRequest())
        assert [user.username for user in seen.items] == ["zhang"]
        everyone = await repository.users(Scope(), PageRequest(size=1))
        assert (everyone.total, len(everyone.items)) == (2, 1)


async def test_a_token_speaks_until_it_is_revoked_or_expires(database: Database) -> None:
    async with database.unit_of_work() as uow:
        token, secret = await service.create_token(
            uow, name="gw", role=Role.GATEWAY, division_code="500103", unit_id="unit-a"
        )
        _, old = await service.create_token(
            uow,
            name="old",
            role=Role.GATEWAY,
            division_code="500103",
            unit_id=None,
            expires_at=datetime.now(UTC) - timedelta(seconds=1),
        )
        await uow.commit()
    async with database.unit_of_work() as uow:
        found = await service.find_token(uow, secret)
        assert found is not None
        assert found.principal.unit_id == "unit-a"
        assert await service.find_token(uow, old) is None
        with pytest.raises(NotFound):
            await service.revoke_token(uow, Scope("500108"), token.id)
        await service.revoke_token(uow, Scope("500103"), token.id)
        await uow.commit()
    async with database.unit_of_work() as uow:
        assert await service.find_token(uow, secret) is None
