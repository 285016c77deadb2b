"""One record of every kind in the own district and in a foreign one, and a signed-in client for each role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
from fastapi import FastAPI

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.evals.model import SetFile
from chengnao.agents.evals.service import create_set, start_eval
from chengnao.agents.general.service import review_content
from chengnao.agents.model import Effect
from chengnao.agents.offered import Offered
from chengnao.agents.runtime.service import open_approval, start_run
from chengnao.incident.classification.model import CategoryRule
from chengnao.incident.classification.service import put_rule
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.incident.drafts.service import add_draft
from chengnao.incident.importing.jobs import ReadRow
from chengnao.incident.importing.model import BadRow, RowError, Spot
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.service import Handed, open_import
from chengnao.incident.importing.taking import Taking
from chengnao.incident.merging.service import merge_incident
from chengnao.incident.model import Action, Incident, Source
from chengnao.incident.moves import Move
from chengnao.incident.photos import keep_photo
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.service import ReportIn, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests.model import Kind, RequestState, TimeRequest
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.service import Opening, by_platform, open_incident
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import MACHINE_ROLES, SYSTEM, Principal, Resource, Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import add_duty, put_unit, seed_divisions
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from chengnao.kernel.settings import Settings
from chengnao.kernel.subscriptions.model import DeliveryState, Subscription, SubscriptionState
from chengnao.kernel.subscriptions.repository import SubscriptionRepository
from chengnao.kernel.vocabulary import DataClass, Level
from chengnao.kernel.web import SESSION_COOKIE
from chengnao.knowledge.keeping import Handed as HandedDocument
from chengnao.knowledge.keeping import add_base, add_document, begin_reading, finish_reading
from chengnao.knowledge.model import About, Ownership
from chengnao.knowledge.reading.blocks import Block
from chengnao.knowledge.reading.work import ReadDocument
from chengnao.knowledge.splitting import split
from chengnao.models.deployment.service import deploy
from chengnao.models.training.model import Data, Job, JobState, Limits
from chengnao.models.training.repository import TrainingRepository
from chengnao.review.proposals.changes import ResponsibilityChange
from chengnao.review.proposals.service import make
from chengnao.review.service import open_by_hand
from chengnao.sensing.commands.model import DeviceCommand, State, key_at
from chengnao.sensing.commands.model import Effect as CommandEffect
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.devices.importing import service as device_importing
from chengnao.sensing.devices.importing.model import ImportState
from chengnao.sensing.devices.importing.repository import DeviceImportRepository
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all, require_device
from chengnao.sensing.devices.upkeep.service import make_credential
from chengnao.sensing.edge.service import register_edge
from chengnao.sensing.quarantine import model as quarantine
from chengnao.sensing.quarantine.repository import QuarantineRepository
from chengnao.warning.model import DeviceWarning, Direction, ThresholdRule, WarningState
from chengnao.warning.repository import WarningRepository
from chengnao.warning.service import add_rule
from tests.support import agents, models
from tests.support.gateway import model_records
from tests.support.letters import text_pdf

AUTHORITY = Authority.load()
OWN, FOREIGN = "500103", "500108"
PLACES = {OWN: Place(106.55, 29.555), FOREIGN: Place(106.64897, 29.54191)}
SECRET = "外区机密"
"""Stands in every record of the foreign district: no answer to the own one may contain it."""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63f8cfc0f01f0005000201f4d8c7"
    "4e0000000049454e44ae426082"
)


@dataclass
class Records:
    """The ids of one district's records."""

    division: str
    unit: str
    ids: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    own: Records
    foreign: Records
    sessions: dict[Role, tuple[str, str]] = field(default_factory=dict)
    tokens: dict[Role, str] = field(default_factory=dict)

    @asynccontextmanager
    async def client(self, app: FastAPI, role: Role | None) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the role in the own district; of nobody where the role is None."""
        headers, cookies = {}, {}
        if role in self.sessions:
            cookies[SESSION_COOKIE], headers["X-CSRF-Token"] = self.sessions[role]
        elif role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=headers, cookies=cookies
        ) as client:
            yield client


async def make_world(database: Database, settings: Settings) -> World:
    """Fill an empty database."""
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        own = await _records(uow, settings, OWN, "本区")
        foreign = await _records(uow, settings, FOREIGN, SECRET)
        world = World(own, foreign)
        await models.entered(uow, settings.home, models.card())
        await deploy(uow, settings.home, SYSTEM, "sentences", "sentences", "champion")
        for role in Role:
            if role in MACHINE_ROLES:
                unit = own.unit if role is Role.GATEWAY else None
                _, world.tokens[role] = await access.create_token(
                    uow, name=role, role=role, division_code=OWN, unit_id=unit
                )
            else:
                world.sessions[role] = await _signed_in(uow, own, role)
        await uow.commit()
    return world


async def _signed_in(uow: UnitOfWork, own: Records, role: Role) -> tuple[str, str]:
    user = User(new_id(), role, f"本区{role}", frozenset({role}), OWN, own.unit if role is Role.HANDLER else None)
    repository = AccessRepository(uow.session)
    await repository.add_user(user, "no password")
    now = datetime.now(UTC)
    await repository.add_session(access.digest(f"secret-{role}"), user.id, "csrf", now + timedelta(hours=1), now)
    return f"secret-{role}", "csrf"


async def _records(uow: UnitOfWork, settings: Settings, division: str, mark: str) -> Records:
    records = Records(division, f"unit-{division}")
    ids = records.ids
    await put_unit(uow, Unit(records.unit, f"单位{division}", division))
    ids["device"] = f"device-{division}"
    await put_all(uow, [_device(records, mark)])
    ids["command"] = await _command(uow, records, mark)
    ids["edge"] = await _edge(uow, records, mark)
    ids["subscription"], ids["delivery"] = await _subscription(uow, records, mark)
    ids["threshold"] = (await add_rule(uow, _rule(records, mark))).id
    warning = _warning(uow, records, mark)
    await WarningRepository(uow.session).put_warnings([warning])
    ids["warning"] = warning.id
    await put_responsibility(uow, Responsibility(division, "road_damage", records.unit))
    opening = Opening(
        Source.MANUAL, f"{mark}事件", "road_damage", division, description=mark, place=PLACES[division], address=mark
    )
    incident = await open_incident(uow, SYSTEM, opening)
    ids["incident"] = incident.id
    ids["photo"] = (await keep_photo(uow, settings.home, SYSTEM, incident, PNG)).id
    taken = await take_report(
        uow,
        desk_at(settings.home),
        SYSTEM,
        ReportIn(
            content=f"{mark}诉求",
            category="road_damage",
            division_code=division,
            place=PLACES[division],
            address=mark,
            reporter_phone="13812345678",
        ),
    )
    ids["report"] = taken.report.id
    scanner = Principal(f"scanner-{division}", mark, "machine", frozenset({Role.REPORTER}), division, records.unit)
    letter = text_pdf(b"The road has a hole")
    ids["draft"] = (await add_draft(uow, settings.home, scanner, Channel.LETTER, letter, division)).id
    ids["task"] = await _assisting(uow, records, mark)
    ids["request"] = await _request(uow, records, incident, mark)
    writer = Principal(f"writer-{division}", mark, "user", frozenset(), division, records.unit)
    held = await review_content(uow, writer, f"{mark}绝对安全", "website", ai_generated=False)
    ids["content_review"] = held.id
    rule = CategoryRule(new_id(), "noise", (), (f"{mark}喇叭",), division, mark)
    ids["category_rule"] = (await put_rule(uow, SYSTEM, rule)).id
    ids["whole"], ids["merge"] = await _merged(uow, records, mark)
    ids["import"] = await _import(uow, settings, records, mark)
    await _device_papers(uow, records, mark)
    await _knowledge(uow, settings, records, mark)
    piece = _piece(uow, records, mark)
    await QuarantineRepository(uow.session).add([piece])
    ids["quarantine"] = piece.id
    user = User(new_id(), f"person-{division}", f"{mark}用户", frozenset({Role.AUDITOR}), division, None)
    await AccessRepository(uow.session).add_user(user, "no password")
    ids["user"] = user.id
    token, _ = await access.create_token(
        uow, name=f"{mark}令牌", role=Role.GATEWAY, division_code=division, unit_id=None
    )
    ids["token"] = token.id
    now = uow.clock.now()
    ids["duty"] = (await add_duty(uow, records.unit, user.id, now, now + timedelta(hours=8))).id
    await access.record_act(uow, user.principal, "user.write", note=mark)
    ids["training_job"] = (await _training_job(uow, records, mark)).id
    ids["review"] = (await open_by_hand(uow, SYSTEM, [incident.id], f"{mark}复盘")).id
    row = ResponsibilityChange(division_code=division, category="noise", unit_id=records.unit)
    proposal = await make(uow, user.principal, row, f"{mark}理由")
    assert proposal is not None
    ids["proposal"] = proposal.id
    await _agent(uow, records, mark)
    ids |= await model_records(uow, settings.home, division, records.unit, mark)
    return records


async def _agent(uow: UnitOfWork, records: Records, mark: str) -> None:
    """An agent that the district made and uses, a run of it, and what it asks leave for."""
    maker = Principal(f"maker-{records.division}", mark, "user", frozenset({Role.DEVELOPER}), records.division)
    offer = Offered(agents.TOOLS, agents.RULES)
    name = {"zh": f"{mark}建议", "en": "Advice"}
    agent = agents.definition(id=f"advice-{records.division}", name=name, tools=[], fallback={"human": "handler"})
    version = await catalogue.create(uow, AUTHORITY, maker, agent, offer, mark)
    await publishing.publish(uow, AUTHORITY, maker, agent.id, version.version, offer)
    records.ids["agent"] = agent.id
    owner = Resource(records.division, records.unit)
    run = await start_run(uow, maker, version, {"text": mark}, about=owner)
    records.ids["run"] = run.id
    approval = await open_approval(uow, run, "c1", "desk.note", Effect.WRITE, {"words": mark}, "digest")
    records.ids["approval"] = approval.id
    item = {"id": "c1", "input": {"text": mark}, "expected": {"advice": mark}, "scorer": {"kind": "exact"}}
    cases = {"id": f"cases-{records.division}", "name": {"zh": mark, "en": "Cases"}, "items": [item]}
    made = await create_set(uow, AUTHORITY, maker, agent.id, SetFile.model_validate(cases))
    records.ids["eval_set"] = made.id
    records.ids["eval_run"] = (await start_eval(uow, AUTHORITY, maker, agent.id, made.id, [1])).id


async def _assisting(uow: UnitOfWork, records: Records, mark: str) -> str:
    """A task in which the district's unit assists another one."""
    lead = Unit(f"lead-{records.division}", f"主办{records.division}", records.division)
    await put_unit(uow, lead)
    opening = Opening(Source.MANUAL, f"{mark}联合处置", "noise", records.division, description=mark)
    incident = await open_incident(uow, SYSTEM, opening)
    move = Move(Action.DISPATCH, incident.version, unit_id=lead.id, assist_unit_ids=[records.unit])
    await by_platform(uow, incident, move)
    tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
    return tasks[-1].id


async def _merged(uow: UnitOfWork, records: Records, mark: str) -> tuple[str, str]:
    """An incident, and the merge of another into it."""
    whole, part = [
        await open_incident(uow, SYSTEM, Opening(Source.MANUAL, f"{mark}{name}", "noise", records.division))
        for name in ("主件", "重复件")
    ]
    merge = await merge_incident(uow, AUTHORITY, SYSTEM, part.id, whole.id, part.version, mark)
    return whole.id, merge.id


async def _request(uow: UnitOfWork, records: Records, incident: Incident, mark: str) -> str:
    now = uow.clock.now()
    request = TimeRequest(
        id=new_id(),
        incident_id=incident.id,
        kind=Kind.EXTENSION,
        state=RequestState.OPEN,
        until=now + timedelta(days=9),
        reason=mark,
        division_code=records.division,
        unit_id=records.unit,
        asked_by="nobody",
        asked_by_name=mark,
        asked_at=now,
        decide_by=now + timedelta(hours=1),
        decider_code=records.division,
    )
    await RequestRepository(uow.session).add(request)
    return request.id


async def _import(uow: UnitOfWork, settings: Settings, records: Records, mark: str) -> str:
    """A file of one row that could not be taken in."""
    actor = Principal(f"importer-{records.division}", f"{mark}导入", "user", frozenset(), records.division)
    job = await open_import(uow, actor, new_id(), Handed(f"{mark}.csv", mark, default_division=records.division))
    taking = await Taking.of(uow, desk_at(settings.home), job)
    spot = Spot(job.file_name, "", 2)
    row = BadRow(spot, {"地址": mark}, [RowError(spot, "import_content_missing", "诉求内容", mark)])
    await ImportRepository(uow.session).add_rows([taking.kept(1, ReadRow.of(job.digest, job.channel, row))])
    await ImportRepository(uow.session).change(job.id, state="done")
    return job.id


async def _device_papers(uow: UnitOfWork, records: Records, mark: str) -> None:
    """A file of devices that was handed in, and a secret of the device."""
    actor = Principal(f"registrar-{records.division}", mark, "user", frozenset({Role.STEWARD}), records.division)
    job = await device_importing.open_import(uow, actor, new_id(), f"{mark}.csv", mark, crs="wgs84", dry_run=False)
    await DeviceImportRepository(uow.session).change(job.id, state=ImportState.DONE.value)  # there is no file of it
    credential, _ = await make_credential(uow, actor, await require_device(uow, Scope.of(actor), records.ids["device"]))
    records.ids |= {"device_import": job.id, "credential": credential.id}


async def _knowledge(uow: UnitOfWork, settings: Settings, records: Records, mark: str) -> None:
    """A base with a document that was read."""
    keeper = Principal(f"keeper-{records.division}", mark, "user", frozenset({Role.STEWARD}), records.division)
    owner = Ownership(records.division, records.unit, DataClass.INTERNAL)
    base = await add_base(uow, keeper, f"{mark}规章", mark, owner)
    about = About(f"{mark}规定", issuer=mark)
    file = HandedDocument(f"{mark}.md", f"第一条 {mark}规定。".encode())
    document = await add_document(uow, settings.home, keeper, base, about, owner, file)
    await begin_reading(uow, document.id, 1)
    passages = split(document.id, [Block("paragraph", f"第一条 {mark}规定。")])
    read = ReadDocument("text", "text", None, (), tuple(passages), np.eye(1, 384, dtype=np.float32))
    await finish_reading(uow, document.id, 1, read)
    records.ids |= {"base": base.id, "document": document.id, "passage": passages[0].id}


async def _training_job(uow: UnitOfWork, records: Records, mark: str) -> Job:
    now = uow.clock.now()
    job = Job(
        id=new_id(),
        name=mark,
        kind="incident-classifier",
        config={},
        limits=Limits(),
        data=Data(f"{mark}.csv", 2, "0" * 64),
        state=JobState.QUEUED,
        division_code=records.division,
        unit_id=None,
        created_at=now,
        created_by="nobody",
        created_by_name=mark,
        queued_at=now,
    )
    await TrainingRepository(uow.session).add(job)
    return job


def _device(records: Records, mark: str) -> Device:
    place = PLACES[records.division]
    return Device(
        id=records.ids["device"],
        name=f"{mark}设备",
        class_code="water_flow",
        division_code=records.division,
        unit_id=records.unit,
        protocol=Protocol.HTTP,
        address=None,
        lon=place.lon,
        lat=place.lat,
        place_ok=True,
        interval_seconds=60,
    )


async def _subscription(uow: UnitOfWork, records: Records, mark: str) -> tuple[str, str]:
    """A subscription, and the number of an event that could not be delivered to it."""
    repository, now = SubscriptionRepository(uow.session), uow.clock.now()
    subscription = Subscription(
        id=new_id(),
        name=mark,
        url="https://1.1.1.1/hook",
        types=["warning.*"],
        filters={},
        state=SubscriptionState.ACTIVE,
        division_code=records.division,
        unit_id=records.unit,
        created_by="someone",
        created_at=now,
    )
    await repository.add(subscription, b"")
    await repository.enqueue([subscription], {"id": new_id(), "subject": mark, "type": "warning.opened"}, now)
    made = (await repository.deliveries(subscription.id, None, PageRequest())).items[0]
    await repository.move(made.sequence, {"state": DeliveryState.DEAD.value, "ended_at": now})
    return subscription.id, str(made.sequence)


async def _edge(uow: UnitOfWork, records: Records, mark: str) -> str:
    edge, _ = await register_edge(
        uow, SYSTEM, name=mark, place=mark, lon=None, lat=None, division_code=records.division, unit_id=records.unit
    )
    return edge.id


async def _command(uow: UnitOfWork, records: Records, mark: str) -> str:
    now = uow.clock.now()
    command = DeviceCommand(
        id=new_id(),
        device_id=records.ids["device"],
        name="calibrate",
        arguments={},
        key=key_at(now),
        effect=CommandEffect.ACT,
        state=State.ASKED,
        reason=mark,
        asked_by=f"asker-{records.division}",
        asked_by_name=mark,
        asked_at=now,
        expires_at=now + timedelta(hours=1),
        division_code=records.division,
        unit_id=records.unit,
    )
    await CommandRepository(uow.session).add(command)
    return command.id


def _rule(records: Records, mark: str) -> ThresholdRule:
    return ThresholdRule(
        id=new_id(),
        device_class=None,
        device_id=records.ids["device"],
        metric="flow",
        direction=Direction.ABOVE,
        levels={Level.ORANGE: 5.0},
        duration_seconds=0,
        hysteresis=0,
        category="water_leak",
        source=mark,
        division_code=records.division,
        unit_id=records.unit,
    )


def _warning(uow: UnitOfWork, records: Records, mark: str) -> DeviceWarning:
    now, place = uow.clock.now(), PLACES[records.division]
    return DeviceWarning(
        id=new_id(),
        rule_id=records.ids["threshold"],
        device_id=records.ids["device"],
        device_name=f"{mark}设备",
        title=f"{mark}预警",
        metric="flow",
        unit="m³/h",
        direction=Direction.ABOVE,
        category="water_leak",
        level=Level.ORANGE,
        peak_level=Level.ORANGE,
        opens_incident_at=Level.YELLOW,
        state=WarningState.OPEN,
        value=6.0,
        threshold=5.0,
        opened_at=now,
        updated_at=now,
        cleared_at=None,
        division_code=records.division,
        unit_id=records.unit,
        lon=place.lon,
        lat=place.lat,
    )


def _piece(uow: UnitOfWork, records: Records, mark: str) -> quarantine.Held:
    now = uow.clock.now()
    return quarantine.Held(
        id=new_id(),
        source=Protocol.HJ212,
        peer=mark,
        device_hint=records.ids["device"],
        reason="bad_crc",
        params={},
        payload=mark.encode(),
        form=quarantine.Form.FRAME,
        state=quarantine.State.WAITING,
        count=0,
        division_code=records.division,
        unit_id=records.unit,
        received_at=now,
        updated_at=now,
    )
