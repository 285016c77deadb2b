"""The whole loop under random roles, times, returns, merges, undos and crashes: nothing lost, doubled or stuck.

`CHENGNAO_STEPS` sets how many steps are taken; the default keeps the test to about a minute.
"""

import os
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chengnao.incident.measures import Span
from chengnao.incident.model import State
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import possible
from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import ChengnaoError
from chengnao.supervision.evaluation.service import evaluate
from tests.integration.supervision.test_evaluation import compare
from tests.support.loop import START
from tests.support.machines import World
from tests.support.recount import TOTAL, recount
from tests.support.soundness import unsound
from tests.support.wandering import AUTHORITY, PEOPLE, Wanderer

pytestmark = [pytest.mark.engines, pytest.mark.timeout(3600)]

STEPS = int(os.environ.get("CHENGNAO_STEPS", "2000"))
LENGTH = 100
EMPTIED = (
    "incident_merges, report_contacts, incident_reports, incident_requests, incident_tasks, incident_timeline, "
    "incident_photos, incidents, outbox, answers"
)
randoms = st.randoms(use_true_random=False)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url, EMPTIED)
    yield made
    made.close()


def machine(world: World) -> type[RuleBasedStateMachine]:
    class Loop(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            world.empty()
            self.wanderer = Wanderer(world.database, world.clock, 0, most=40)

        @rule(random=randoms, seconds=st.integers(1, 6 * 3600))
        def step(self, random: Random, seconds: int) -> None:
            """Somebody does something; what is refused leaves no trace."""
            world.clock.advance(seconds)
            self._take(random, commit=True)

        @rule(random=randoms)
        def step_again(self, random: Random) -> None:
            self._take(random, commit=True)

        @rule(random=randoms)
        def crash(self, random: Random) -> None:
            """The process dies before the commit: nothing of the step remains."""
            self._take(random, commit=False)

        @rule(days=st.integers(1, 40))
        def wait(self, days: int) -> None:
            world.clock.advance(days * 86400)

        def _take(self, random: Random, *, commit: bool) -> None:
            world.steps += 1
            world.run(self._try(random, commit))

        async def _try(self, random: Random, commit: bool) -> None:
            wanderer = self.wanderer
            known = list(wanderer.incidents), list(wanderer.reports), list(wanderer.merges)
            async with world.database.unit_of_work() as uow:
                try:
                    await wanderer.step(uow, random)
                except ChengnaoError:
                    commit = False
                if commit:
                    await uow.commit()
                else:
                    wanderer.incidents, wanderer.reports, wanderer.merges = known

        @invariant()
        def nothing_is_lost(self) -> None:
            counted = world.plain.execute(
                "SELECT (SELECT count(*) FROM incidents), (SELECT count(*) FROM incident_reports)"
            )
            assert counted.fetchone() == (len(set(self.wanderer.incidents)), len(self.wanderer.reports))

        def teardown(self) -> None:
            assert unsound(world.url) == {}
            world.run(self._everything_can_go_on())
            world.run(self._figures_agree())

        async def _everything_can_go_on(self) -> None:
            async with world.database.unit_of_work() as uow:
                for incident in await IncidentRepository(uow.session).open_incidents():
                    rows = [row for who in PEOPLE for row in possible(AUTHORITY, who, incident) if row.primary]
                    assert rows or incident.state is State.SUSPENDED, incident

        async def _figures_agree(self) -> None:
            now = world.clock.now()
            span = Span(START, now, now)
            async with world.database.unit_of_work() as uow:
                found = await evaluate(uow, Scope(), "unit", span)
            told = recount(world.url, span.since, span.until, now)
            compare(found.total, told[TOTAL][TOTAL])
            for group in found.groups:
                compare(group, told["unit"][group.key])

    return Loop


def test_the_loop_holds(world: World) -> None:
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=max(1, STEPS // LENGTH),
            stateful_step_count=LENGTH,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    print(f"\n{world.steps} steps")
