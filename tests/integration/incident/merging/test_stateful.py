"""Merges, undos and new reports in random order: each undo restores exactly, no report is lost or in two places."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chengnao.incident.merging.service import merge_incident, undo
from chengnao.incident.model import Action, Incident, Source, State, Task
from chengnao.incident.moves import Move
from chengnao.incident.reports.service import Desk, ReportIn, nothing_understood, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening, by_platform, open_incident, require_incident
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Conflict
from chengnao.kernel.privacy.vault import Vault
from tests.support.loop import DISPATCHER, WATER, YUZHONG, make_city
from tests.support.machines import World
from tests.support.soundness import unsound

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]

AUTHORITY = Authority.load()
NUMBER = st.integers(0, 5)
DESK = Desk(Vault({"00000001": "11" * 32}), nothing_understood)
EMPTIED = (
    "incident_merges, report_contacts, incident_reports, incident_tasks, incident_timeline, incidents, outbox, answers"
)
Snapshot = tuple[Incident, list[Task]]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url, EMPTIED)
    yield made
    made.close()


def machine(world: World) -> type[RuleBasedStateMachine]:
    class Merging(RuleBasedStateMachine):
        """The model is a forest: each merge hangs an incident under another, each undo cuts it off again."""

        def __init__(self) -> None:
            super().__init__()
            world.empty()
            self.parent: dict[str, str | None] = {}
            self.owner: dict[str, str] = {}
            self.merges: dict[str, tuple[str, Snapshot]] = {}
            self.undone: list[str] = []

        def root(self, incident_id: str) -> str:
            while (above := self.parent[incident_id]) is not None:
                incident_id = above
            return incident_id

        @initialize()
        def begin(self) -> None:
            for _ in range(3):
                self.new_report()

        @rule()
        def new_report(self) -> None:
            world.clock.advance(60)
            taken = world.run(self._take())
            self.parent[taken.incident.id] = None
            self.owner[taken.report.id] = taken.incident.id

        async def _take(self) -> Any:
            async with world.database.unit_of_work() as uow:
                given = ReportIn("路坏了", None, category="road_damage", division_code=YUZHONG)
                taken = await take_report(uow, DESK, DISPATCHER, given)
                await uow.commit()
                return taken

        @rule(part=NUMBER, whole=NUMBER)
        def merge(self, part: int, whole: int) -> None:
            ids = list(self.parent)
            one, other = ids[part % len(ids)], ids[whole % len(ids)]
            before = world.run(self._snapshot(one))
            try:
                merge = world.run(self._merge(one, other, before[0].version))
            except ChengnaoError:
                states = [world.run(self._snapshot(each))[0].state for each in (one, other)]
                assert one == other or any(state.final for state in states)
                return
            self.merges[merge.id] = one, before
            self.parent[one] = other

        async def _merge(self, one: str, other: str, version: int) -> Any:
            async with world.database.unit_of_work() as uow:
                merge = await merge_incident(uow, AUTHORITY, DISPATCHER, one, other, version)
                await uow.commit()
                return merge

        @rule(number=NUMBER)
        def undo(self, number: int) -> None:
            if not self.merges:
                return
            merge_id = list(self.merges)[number % len(self.merges)]
            one, before = self.merges.pop(merge_id)
            world.run(self._undo(merge_id))
            self.parent[one] = None
            self.undone.append(merge_id)
            assert self._bare(world.run(self._snapshot(one))) == self._bare(before)

        @rule(number=NUMBER)
        def undo_again(self, number: int) -> None:
            if self.undone:
                with pytest.raises(Conflict):
                    world.run(self._undo(self.undone[number % len(self.undone)]))

        async def _undo(self, merge_id: str) -> None:
            async with world.database.unit_of_work() as uow:
                await undo(uow, AUTHORITY, DISPATCHER, merge_id)
                await uow.commit()

        @rule(number=NUMBER, action=st.sampled_from([Action.DISPATCH, Action.ACCEPT, Action.DISMISS, Action.REOPEN]))
        def move(self, number: int, action: Action) -> None:
            """Whatever else happens to an incident, also to one that others are part of."""
            ids = list(self.parent)
            world.clock.advance(600)
            world.run(self._move(ids[number % len(ids)], action))

        async def _move(self, incident_id: str, action: Action) -> None:
            async with world.database.unit_of_work() as uow:
                incident = await require_incident(uow, Scope(), incident_id, lock=True)
                try:
                    await by_platform(uow, incident, Move(action, incident.version, reason="r", unit_id=WATER))
                except Conflict:
                    return
                await uow.commit()

        async def _snapshot(self, incident_id: str) -> Snapshot:
            async with world.database.unit_of_work() as uow:
                incident = await require_incident(uow, Scope(), incident_id)
                return incident, await IncidentRepository(uow.session).tasks_of(incident_id)

        @staticmethod
        def _bare(snapshot: Snapshot) -> Snapshot:
            """Without what counts the entries of the timeline, which only grows."""
            return replace(snapshot[0], version=0, entry=0), snapshot[1]

        @invariant()
        def every_report_is_where_it_belongs(self) -> None:
            found: dict[str, str] = dict(world.plain.execute("SELECT id, incident_id FROM incident_reports").fetchall())
            assert found == {report: self.root(owner) for report, owner in self.owner.items()}

        @invariant()
        def every_part_leads_to_its_whole(self) -> None:
            found: dict[str, str | None] = dict(world.plain.execute("SELECT id, merged_into FROM incidents").fetchall())
            assert found == {each: None if above is None else self.root(each) for each, above in self.parent.items()}

        def teardown(self) -> None:
            assert unsound(world.url) == {}

    return Merging


def test_merges_come_apart_in_any_order(world: World) -> None:
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


async def test_a_manual_incident_without_reports_is_merged_too(database: Database) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        one, two = [
            await open_incident(uow, DISPATCHER, Opening(Source.MANUAL, name, "noise", YUZHONG)) for name in "AB"
        ]
        await merge_incident(uow, AUTHORITY, DISPATCHER, one.id, two.id, one.version)
        await uow.commit()
        assert (await require_incident(uow, Scope(), one.id)).state is State.MERGED
