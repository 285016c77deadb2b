"""Random ways through the loop: persons of every role take random steps through the real use cases."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from chengnao.incident.joint import Step, act_on_task, possible_steps
from chengnao.incident.merging.service import merge_incident, undo
from chengnao.incident.model import Action, Incident, Need, Source, State, Transition
from chengnao.incident.moves import Move
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import Desk, ReportIn, nothing_understood, rate, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening, act, by_platform, open_incident, possible, require_incident
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Role, Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.privacy.vault import Vault
from tests.support.loop import (
    DISPATCHER,
    DUTY_OFFICER,
    VERIFIER,
    WANZHOU,
    WANZHOU_WORKS,
    WATER,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    person,
)

AUTHORITY = Authority.load()
PEOPLE = [
    WORKER,
    person(Role.HANDLER, YUZHONG, YUZHONG_STREETS),
    person(Role.HANDLER, WANZHOU, WANZHOU_WORKS),
    DISPATCHER,
    person(Role.DISPATCHER, YUZHONG),
    person(Role.DISPATCHER, WANZHOU),
    VERIFIER,
    DUTY_OFFICER,
]
DIVISIONS = [YUZHONG, WANZHOU, "500103001"]
CATEGORIES = ["water_pressure", "noise", "road_damage"]
CODES = ["territory", "duty", "unclear", "capacity", "other"]
WEIGHTS = {Action.REOPEN: 0.15, Action.DISMISS: 0.3, Action.ANSWER: 1.5, Action.URGE: 0.2, Action.NOTE: 0.1}
"""How often a step is taken where another weighs 1, and one that the loop waits for 3."""


class Wanderer:
    """Lives through a city's days; the same seed lives the same days but for the ids."""

    def __init__(self, database: Database, clock: FixedClock, seed: int, *, most: int = 80) -> None:
        self._database = database
        self._clock = clock
        self._rng = random.Random(seed)
        self._most = most
        self._desk = Desk(Vault({"00000001": "11" * 32}), nothing_understood)
        self.incidents: list[str] = []
        self.reports: list[str] = []
        self.merges: list[str] = []
        self.refused: Counter[str] = Counter()

    async def live(self, steps: int, pace: float = 900.0) -> None:
        """Take so many steps, `pace` seconds apart on average."""
        for _ in range(steps):
            self._clock.advance(self._rng.expovariate(1 / pace))
            async with self._database.unit_of_work() as uow:
                try:
                    await self.step(uow, self._rng)
                except ChengnaoError as error:
                    self.refused[error.code] += 1
                    continue
                await uow.commit()

    async def step(self, uow: UnitOfWork, rng: random.Random) -> None:
        """Let somebody do something, as `rng` chooses; raises ChengnaoError where it is refused."""
        self._rng = rng
        chance = self._rng.random()
        if len(self.incidents) < self._most and chance < 0.22:
            await self._new(uow)
        elif self.reports and chance < 0.28:
            await self._rate(uow)
        elif self.incidents and chance < 0.34:
            await self._merge(uow)
        elif self.merges and chance < 0.38:
            undone = await undo(uow, AUTHORITY, DISPATCHER, self._rng.choice(self.merges))
            if undone.incident.id not in self.incidents:
                self.incidents.append(undone.incident.id)
        elif self.incidents:
            await self._move(uow, self._rng.choice(self.incidents))

    async def _new(self, uow: UnitOfWork) -> None:
        division, category = self._rng.choice(DIVISIONS), self._rng.choice(CATEGORIES)
        if self._rng.random() < 0.5:
            given = ReportIn(
                content="路面破了一个洞",
                place=None,
                category=category,
                division_code=division,
                channel=self._rng.choice(list(Channel)),
            )
            taken = await take_report(uow, self._desk, DISPATCHER, given)
            self.reports.append(taken.report.id)
            self.incidents.append(taken.incident.id)
            return
        source = self._rng.choice([Source.MANUAL, Source.WARNING])
        grade = self._rng.choice([1, 1, 2, 3, None])
        actor = SYSTEM if source is Source.WARNING else self._rng.choice(PEOPLE[3:6])
        self.incidents.append(
            (await open_incident(uow, actor, Opening(source, "t", category, division, grade=grade))).id
        )

    async def _rate(self, uow: UnitOfWork) -> None:
        report = await ReportRepository(uow.session).get(Scope(), self._rng.choice(self.reports))
        if report is not None and report.answered_at is not None:
            points = self._rng.choice([1, 2, 3, 4, 5, 5, None])
            await rate(uow, report, solved=self._rng.random() < 0.7, satisfaction=points, comment="")

    async def _merge(self, uow: UnitOfWork) -> None:
        one, other = (self._rng.choice(self.incidents) for _ in range(2))
        part = await require_incident(uow, Scope(), one)
        merge = await merge_incident(uow, AUTHORITY, DISPATCHER, one, other, part.version)
        self.merges.append(merge.id)

    async def _move(self, uow: UnitOfWork, incident_id: str) -> None:
        incident = await require_incident(uow, Scope(), incident_id, lock=True)
        if self._rng.random() < 0.2 and await self._assist(uow, incident):
            return
        if self._rng.random() < 0.15:
            await self._by_itself(uow, incident)
            return
        choices = [(who, row) for who in PEOPLE for row in possible(AUTHORITY, who, incident)]
        if choices:
            weights = [3.0 if row.primary else WEIGHTS.get(row.action, 1.0) for _, row in choices]
            who, row = self._rng.choices(choices, weights)[0]
            await act(uow, AUTHORITY, who, incident.id, self._filled(incident, row))

    async def _assist(self, uow: UnitOfWork, incident: Incident) -> bool:
        tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
        choices = [
            (who, task, step)
            for who in PEOPLE
            for task in tasks
            for step in possible_steps(AUTHORITY, who, incident, task)
        ]
        if not choices:
            return False
        who, task, action = self._rng.choice(choices)
        step = Step(action, reason="r", reason_code=self._rng.choice(CODES), result="r")
        await act_on_task(uow, AUTHORITY, who, task.id, step)
        return True

    async def _by_itself(self, uow: UnitOfWork, incident: Incident) -> None:
        """What the platform does, or has been allowed to do."""
        later = uow.clock.now() + timedelta(hours=self._rng.choice([1, 8, 30]))
        actions: Sequence[Action] = [Action.URGE]
        if incident.state is State.ACCEPTED:
            actions = [Action.URGE, Action.EXTEND, Action.SUSPEND]
        elif incident.state is State.SUSPENDED:
            actions = [Action.RESUME]
        elif incident.state.final:
            actions = [Action.NOTE]
        action = self._rng.choice(actions)
        move = Move(action, incident.version, reason="r", until=later, escalation=1 if action is Action.URGE else 0)
        await by_platform(uow, incident, move)

    def _filled(self, incident: Incident, row: Transition) -> Move:
        """The move with all that it needs, chosen at random."""
        local = WANZHOU_WORKS if incident.division_code.startswith(WANZHOU) else YUZHONG_STREETS
        units = self._rng.sample([WATER, local], 2)
        assists = units[1:] if self._rng.random() < 0.3 else []
        return Move(
            row.action,
            incident.version,
            reason="r",
            reason_code=self._rng.choice(CODES) if Need.REASON_CODE in row.needs else None,
            unit_id=units[0] if Need.UNIT in row.needs else None,
            assist_unit_ids=assists if Need.UNIT in row.needs else (),
            category=self._rng.choice([each for each in CATEGORIES if each != incident.category])
            if Need.CATEGORY in row.needs
            else None,
            division_code=self._rng.choice(DIVISIONS) if Need.DIVISION in row.needs else None,
            result="r",
        )
