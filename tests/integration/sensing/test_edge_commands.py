"""Commands to devices behind an edge, over whichever line stands, and what the register of edges says of one."""

import asyncio
from datetime import timedelta

import pytest

from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.commands.model import State
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.devices.snapshot_repository import SnapshotRepository
from chengnao.sensing.edge.configuration import Tuning
from chengnao.sensing.edge.model import Change, EdgeState
from chengnao.sensing.edge.repository import EdgeRepository
from chengnao.sensing.edge.service import end, find_silent, hear, real_now, require_edge, want
from tests.support.edge import registered

from .conftest import device
from .test_commands import Desk, Station
from .test_edge import Build, build

__all__ = ["build"]
pytestmark = pytest.mark.engines


async def test_a_command_goes_over_the_standby_line_and_its_answer_back(build: Build) -> None:
    field = await build()
    field.primary.set("dead")
    await field.uses("standby")
    station = Station(*await asyncio.open_connection("127.0.0.1", field.edge.hj212))
    station.greet()
    desk = Desk(field.database, field.bus)
    command = await desk.ask("set_clock")
    frame = await station.command(15)
    assert (frame.cn, frame.header["QN"]) == ("1012", command.key)
    station.answer(frame, "9012", ExeRtn="1")
    assert (await desk.until(command, State.OK, 15)).sent_at is not None
    unknown = await desk.ask("open_the_gate")
    await desk.decide(unknown)
    assert (await desk.until(unknown, State.FAILED, 15)).key != command.key
    station.writer.close()


async def test_an_edge_that_is_silent_is_noticed_once_and_heard_again(city: Database) -> None:
    edge, _ = await registered(city)
    assert edge.state(real_now()) is EdgeState.NEVER
    async with city.unit_of_work() as uow:
        await hear(uow, edge, {"line": "standby"}, [])
        await uow.commit()
    async with city.unit_of_work() as uow:
        assert await find_silent(uow) == 0
        heard = await require_edge(uow, Scope("500103"), edge.id)
        assert heard.state(real_now()) is EdgeState.ON_STANDBY
        long_ago = real_now() - timedelta(minutes=2)
        await EdgeRepository(uow.session).change(edge.id, {"seen_at": long_ago})
        assert await find_silent(uow) == 1
        assert await find_silent(uow) == 0
        silent = await require_edge(uow, Scope("500103"), edge.id)
        assert silent.state(real_now()) is EdgeState.SILENT
        await hear(uow, silent, {"line": "primary"}, [])
        await uow.commit()
    kinds = await history(city, edge.id)
    assert kinds == [Change.BACK, Change.SILENT, Change.REGISTERED]


async def test_what_is_wanted_is_counted_and_an_ended_edge_is_left_alone(city: Database) -> None:
    edge, _ = await registered(city)
    async with city.unit_of_work() as uow:
        tuning = Tuning.model_validate({"buffer": {"megabytes": 64}})
        wanted = await want(uow, SYSTEM, edge.id, tuning, "1.2.3")
        assert (wanted.wanted_revision, wanted.wanted_version) == (1, "1.2.3")
        assert (await want(uow, SYSTEM, edge.id, None, None)).wanted_revision == 1
        ended = await end(uow, SYSTEM, edge.id)
        assert ended.state(real_now()) is EdgeState.ENDED
        with pytest.raises(Conflict):
            await want(uow, SYSTEM, edge.id, tuning, None)
        with pytest.raises(NotFound):
            await require_edge(uow, Scope("500108"), edge.id)


async def test_the_registry_is_sent_anew_only_where_it_matters_to_an_edge(city: Database) -> None:
    async def marks() -> tuple[str, str]:
        async with city.unit_of_work() as uow:
            repository = SnapshotRepository(uow.session)
            assert {each.id for each in await repository.all(Scope("500108"))} == {"south-1"}
            return await repository.content(Scope("500103")), await repository.content(Scope("500108"))

    before = await marks()
    async with city.unit_of_work() as uow:
        await put_all(uow, [device("p-1", name="另一个名字"), device("p-2", division="500103")])
        await uow.commit()
    assert await marks() == before
    async with city.unit_of_work() as uow:
        await put_all(uow, [device("p-1", settings={"datum": 1})])
        await uow.commit()
    after = await marks()
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


async def history(database: Database, edge_id: str) -> list[Change]:
    async with database.unit_of_work() as uow:
        page = await EdgeRepository(uow.session).history(edge_id, PageRequest(1, 20))
    return [each.kind for each in page.items]


async def test_progress_of_a_log_is_kept_apart_from_that_of_another(city: Database) -> None:
    edge, _ = await registered(city)
    async with city.unit_of_work() as uow:
        repository = EdgeRepository(uow.session)
        assert await repository.locked_progress(edge.id, "a") == 0
        await repository.advance(edge.id, "a", 7)
        assert await repository.locked_progress(edge.id, "b") == 0
        assert (await repository.progress(edge.id, "a"), await repository.progress(edge.id, "b")) == (7, 0)
