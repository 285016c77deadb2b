import asyncio
import io
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from chengnao.incident.importing import service
from chengnao.incident.importing.files import file_of
from chengnao.incident.importing.jobs import Counts, Job, JobState, KeptRow, RowState
from chengnao.incident.importing.model import Mode
from chengnao.incident.importing.repository import ImportRepository, RowFilter
from chengnao.incident.importing.taking import Taking
from chengnao.incident.importing.views import ImportedRowOut
from chengnao.incident.importing.worker import ATTEMPTS, ImportWorker
from chengnao.incident.model import Incident, Source, State
from chengnao.incident.reports.model import Channel, Report
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import Desk, nothing_understood
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.database import Database, plain_url
from chengnao.kernel.errors import Conflict
from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.kernel.tabular.files import keep_file
from chengnao.supervision.evaluation.replay import differences
from tests.support.loop import DISPATCHER, WATER, YUZHONG, make_city, person

pytestmark = pytest.mark.engines

ALL = PageRequest(1, 200)
HISTORY = ["工单号", "诉求内容", "类别", "区县", "地址", "来电时间", "办结时间", "截止时间", "状态", "办理结果"]


def _case(number: str, closed: str, due: str, status: str, result: str = "") -> list[str]:
    return [number, "路灯不亮", "路灯故障", "渝中", "民权路", "2025-03-01 09:00", closed, due, status, result]


class Imports:
    """Hands files in and lets the worker do its work."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.home = database, settings.home
        self.desk = Desk(Vault.of(settings.home), nothing_understood)
        self.worker = ImportWorker(database, settings.home, self.desk)

    async def hand_in(self, rows: Sequence[Sequence[str]], actor: Principal = DISPATCHER, **how: Any) -> Job:
        data = "\n".join(",".join(row) for row in rows).encode()
        import_id = new_id()
        digest = keep_file(file_of(self.home, import_id), io.BytesIO(data))
        async with self.database.unit_of_work() as uow:
            job = await service.open_import(uow, actor, import_id, service.Handed("台账.csv", digest, **how))
            await uow.commit()
        return job

    async def work(self) -> None:
        while await self.worker.step():
            pass

    async def take(self, rows: Sequence[Sequence[str]], actor: Principal = DISPATCHER, **how: Any) -> Job:
        job = await self.hand_in(rows, actor, **how)
        await self.work()
        return await self.job(job.id)

    async def job(self, import_id: str) -> Job:
        async with self.database.unit_of_work() as uow:
            return await service.require_import(uow, Scope(), import_id)

    async def counts(self, job: Job) -> Counts:
        async with self.database.unit_of_work() as uow:
            return (await ImportRepository(uow.session).counts([job.id]))[job.id]

    async def rows(self, job: Job, state: RowState | None = None) -> list[KeptRow]:
        async with self.database.unit_of_work() as uow:
            return (await ImportRepository(uow.session).rows(job.id, RowFilter(state), ALL)).items

    async def case(self, row: KeptRow) -> tuple[Incident, Report]:
        assert row.incident_id is not None
        async with self.database.unit_of_work() as uow:
            incident = await IncidentRepository(uow.session).get(Scope(), row.incident_id)
            reports = await ReportRepository(uow.session).of_incident(row.incident_id)
        assert incident is not None
        return incident, reports[0]

    async def taking(self, job: Job) -> Taking:
        async with self.database.unit_of_work() as uow:
            return await Taking.of(uow, self.desk, job)


@pytest.fixture
async def imports(database: Database, settings: Settings) -> Imports:
    await make_city(database)
    return Imports(database, settings)


async def test_new_reports_enter_the_loop_and_what_cannot_is_kept(imports: Imports) -> None:
    job = await imports.take(
        [
            ["工单号", "诉求内容", "类别", "经度", "纬度", "联系电话", "备注"],
            ["1", "水压低，打不上水，我电话13812345678", "供水压力异常", "106.57", "29.555", "13812345678", "x"],
            ["2", "不知道是哪类的事", "月球", "", "", "", ""],
            ["3", "", "", "106.57", "29.555", "", ""],
            ["4", "井盖没了", "井盖缺失破损", "东边", "29.5", "13987654321", ""],
        ],
        channel=Channel.HOTLINE,
        mode=Mode.NEW,
    )
    assert job.state is JobState.DONE
    assert job.sheets[0]["unknown"] == ["备注"]
    assert await imports.counts(job) == Counts(total=4, accepted=1, rejected=3)
    first, *rejected = await imports.rows(job)
    incident, report = await imports.case(first)
    assert (incident.source, incident.state, incident.unit_id) == (Source.REPORT, State.DISPATCHED, WATER)
    assert (report.channel, report.external_id) == (Channel.HOTLINE, "1")
    assert "13812345678" not in report.content
    assert [(row.row, row.errors[0]["code"]) for row in rejected] == [
        (3, "import_division_missing"),
        (4, "import_content_missing"),
        (5, "import_number_invalid"),
    ]
    assert not file_of(imports.home, job.id).exists()


async def test_a_rejected_row_is_put_right_or_discarded(imports: Imports) -> None:
    job = await imports.take(
        [
            ["诉求内容", "类别", "经度", "纬度"],
            ["井盖没了", "井盖缺失破损", "东边", "29.555"],
            ["", "", "", ""],
            ["", "", "1", "2"],
        ]
    )
    wrong, empty = await imports.rows(job, RowState.REJECTED)
    taking = await imports.taking(job)
    async with imports.database.unit_of_work() as uow:
        still = await service.correct_row(uow, taking, DISPATCHER, wrong.number, {"经度": "还是东边"})
        assert (still.state, still.errors[0]["value"]) == (RowState.REJECTED, "还是东边")
        right = await service.correct_row(uow, taking, DISPATCHER, wrong.number, {"经度": "106.57"})
        assert (right.state, right.errors, right.changed_by) == (RowState.ACCEPTED, [], DISPATCHER.name)
        with pytest.raises(Conflict):
            await service.correct_row(uow, taking, DISPATCHER, wrong.number, {"经度": "106.58"})
        gone = await service.discard_row(uow, job, DISPATCHER, empty.number, "空行")
        assert (gone.state, gone.reason) == (RowState.DISCARDED, "空行")
        await uow.commit()
    incident, _ = await imports.case((await imports.rows(job, RowState.ACCEPTED))[0])
    assert (incident.division_code, incident.category) == (YUZHONG, "manhole")
    assert await imports.counts(job) == Counts(total=2, accepted=1, discarded=1)


async def test_cases_with_a_past_keep_their_own_times_and_ends(imports: Imports) -> None:
    job = await imports.take(
        [
            HISTORY,
            _case("A", "2025-03-02 09:00", "2025-03-03", "已办结", "已修复"),
            _case("B", "2025-03-01 11:00", "2025-03-03", "重复"),
            _case("C", "2025-03-05 11:00", "2025-03-03", "已转办"),
            _case("D", "2025-02-28 11:00", "2025-03-03", "已办结"),
            _case("E", "2025-03-01 12:00", "", "不予受理", "不属实"),
            _case("F", "", "2025-03-03 12:00", "办理中"),
            _case("G", "", "", "已办结"),
        ]
    )
    assert job.historic
    assert await imports.counts(job) == Counts(total=7, accepted=6, rejected=1, odd=1)
    rows = {row.row: row for row in await imports.rows(job)}
    assert rows[8].errors[0]["code"] == "import_closed_missing"
    cases = {chr(63 + number): await imports.case(row) for number, row in rows.items() if row.incident_id}
    assert {name: (incident.state, incident.source) for name, (incident, _) in cases.items()} == {
        **dict.fromkeys("ABCD", (State.CLOSED, Source.IMPORT)),
        "E": (State.DISMISSED, Source.IMPORT),
        "F": (State.NEW, Source.IMPORT),
    }
    incident, report = cases["A"]
    assert incident.opened_at == report.received_at == datetime(2025, 3, 1, 1, 0, tzinfo=UTC)
    assert incident.closed_at == report.answered_at == datetime(2025, 3, 2, 1, 0, tzinfo=UTC)
    assert incident.close_by == datetime(2025, 3, 3, 15, 59, 59, tzinfo=UTC)
    assert incident.number.startswith("CQ-20250301-")
    assert report.answer == "已修复"
    assert "重复诉求" in (cases["B"][1].answer or "")
    assert "移交" in (cases["C"][1].answer or "")
    assert {name: report.odd for name, (_, report) in cases.items() if report.odd} == {"D": ("closed_before_created",)}
    assert cases["F"][1].answer is None
    assert cases["F"][0].close_by == datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
    assert cases["F"][0].due_at is not None
    assert cases["F"][0].due_at > imports.database.clock.now()
    async with imports.database.unit_of_work() as uow:
        for incident, _ in cases.values():
            entries = await IncidentRepository(uow.session).timeline_of(incident.id)
            assert [entry.at for entry in entries] == [incident.opened_at, incident.closed_at][: len(entries)]
            assert differences(incident, [], entries) == []


async def test_the_same_file_again_adds_nothing(imports: Imports) -> None:
    rows = [HISTORY, *(_case(number, "2025-03-02", "", "已办结") for number in ("A", "A", ""))]
    rows[2][1] = "同一工单号，另一件事"
    first = await imports.take(rows)
    again = await imports.take(rows)
    assert await imports.counts(first) == Counts(total=3, accepted=3, odd=1)
    assert await imports.counts(again) == Counts(total=3, known=3, odd=1)
    assert [row.incident_id for row in await imports.rows(again)] == [
        row.incident_id for row in await imports.rows(first)
    ]
    assert ["duplicate_id" in row.odd for row in await imports.rows(first)] == [False, True, False]


async def test_a_row_without_a_division_takes_the_one_of_the_import_and_says_so(imports: Imports) -> None:
    rows = [["诉求内容", "地址"], ["井盖没了", "某小区"], ["路灯", "渝中区解放碑街道民权路"], ["路灯", "万州区高笋塘"]]
    job = await imports.take(rows, person(Role.DISPATCHER, YUZHONG), default_division=YUZHONG)
    one, two, three = await imports.rows(job)
    assert "division_given" in one.odd
    assert (await imports.case(one))[0].division_code == YUZHONG
    assert (await imports.case(two))[0].division_code.startswith(YUZHONG)
    assert "division_given" not in two.odd
    assert three.errors[0]["code"] == "import_division_foreign"


async def test_personal_details_lie_sealed_and_are_shown_masked(imports: Imports) -> None:
    job = await imports.take(
        [
            ["诉求内容", "姓名", "联系电话", "经度"],
            ["我叫张三丰，电话13812345678", "张三丰", "13812345678", "东13912345678边"],
        ]
    )
    (row,) = await imports.rows(job)
    async with imports.database.engine.connect() as connection:
        raw = await connection.exec_driver_sql("SELECT t::text FROM report_import_rows t")
        text = raw.scalar_one()
    assert "13812345678" not in text
    assert "13912345678" not in text
    assert "张三丰" not in text
    taking = await imports.taking(job)
    assert taking.cells(row)["姓名"] == "张三丰"
    shown = ImportedRowOut.of(row, taking.cells(row)).model_dump_json()
    assert "张三丰" not in shown
    assert "13812345678" not in shown
    assert "138****5678" in shown


async def test_a_file_without_a_header_fails_with_the_reason(imports: Imports) -> None:
    job = await imports.take([["工单号", "诉求内荣"], ["1", "路灯"]])
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "import_column_missing"
    assert "诉求内荣" in job.error["message"]


async def test_a_reading_that_dies_again_and_again_is_given_up(imports: Imports) -> None:
    job = await imports.hand_in([["诉求内容"], ["路灯"]])
    file_of(imports.home, job.id).unlink()  # the child cannot even open it
    await imports.work()
    job = await imports.job(job.id)
    assert (job.state, job.attempts) == (JobState.FAILED, ATTEMPTS)
    assert job.error is not None
    assert job.error["code"] == "import_reading_died"


@pytest.mark.parametrize("mode", [Mode.HISTORIC, Mode.NEW])
async def test_a_worker_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(
    imports: Imports, database_url: str, mode: Mode
) -> None:
    total = 1200 if mode is Mode.HISTORIC else 120
    rows = [HISTORY, *(_case(f"CQ{number}", "2025-03-02", "", "已办结") for number in range(total))]
    job = await imports.hand_in(rows, mode=mode)
    await asyncio.to_thread(_kill_and_start_again, database_url, str(imports.home), total)
    await imports.work()
    assert (await imports.job(job.id)).state is JobState.DONE
    assert await imports.counts(job) == Counts(total=total, accepted=total)
    with psycopg.connect(plain_url(database_url)) as connection:
        query = "SELECT count(*), count(DISTINCT external_id) FROM incident_reports"
        assert connection.execute(query).fetchone() == (total, total)
        assert connection.execute("SELECT count(*) FROM incidents").fetchone() == (total,)
        assert connection.execute("SELECT count(*) FROM report_contacts").fetchone() == (total,)


def _kill_and_start_again(url: str, home: str, total: int) -> None:
    """Kill the worker while it reads, after the first rows, in the middle, and at the end."""
    command = [sys.executable, "-m", "tests.support.import_worker", url, home]
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        for state, goal in (("ready", 1), ("accepted", 1), ("accepted", total // 2), ("accepted", total)):
            process = subprocess.Popen(command)
            deadline = time.monotonic() + 120
            query = "SELECT count(*) FROM report_import_rows WHERE state = %s"
            while (connection.execute(query, (state,)).fetchone() or (0,))[0] < goal:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
            process.wait(10)
