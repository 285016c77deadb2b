"""Devices registered by the file: the worker, the API and the command, on the real database."""

import io
import os
from typing import Any

import httpx
import openpyxl
import pytest
from fastapi import FastAPI

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.devices.importing.worker import DeviceImportWorker
from chengnao.sensing.devices.list_repository import DeviceFilter, DeviceLists
from chengnao.sensing.devices.model import Device
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.world import World, make_world

pytestmark = pytest.mark.engines

HEAD = ["设备编号", "设备名称", "设备类型", "区划代码", "接入协议", "协议地址", "经度", "纬度", "厂家", "备注"]


def row(number: int, **more: str) -> list[str]:
    values = {
        "id": f"IM-{number}",
        "name": f"压力站 {number}",
        "class": "供水压力站",
        "division": "500103",
        "protocol": "hj212",
        "address": f"MN{number}",
        "lon": "106.5",
        "lat": "29.5",
        "vendor": "某厂",
        "note": "",
    }
    return list((values | more).values())


def workbook(*rows: list[str]) -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for each in (HEAD, *rows):
        sheet.append(each)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


@pytest.fixture
async def app(settings: Settings, database: Database, bus: Bus) -> FastAPI:
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    return create_app(Context(settings, database.clock, database, bus, Authority.load()), readings)


@pytest.fixture
async def world(database: Database, settings: Settings) -> World:
    return await make_world(database, settings)


@pytest.fixture
def worker(database: Database, settings: Settings) -> DeviceImportWorker:
    return DeviceImportWorker(database, settings.home)


async def hand_in(client: httpx.AsyncClient, worker: DeviceImportWorker, content: bytes, **form: str) -> dict[str, Any]:
    answer = await client.post("/api/devices/import", files={"file": ("台账.xlsx", content)}, data=form)
    assert answer.status_code == 202, answer.text
    assert await worker.step()
    told: dict[str, Any] = (await client.get(f"/api/device-imports/{answer.json()['id']}")).json()
    return told


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    return told["added"], told["changed"], told["unchanged"], told["rejected"]


async def found(database: Database, words: str = "IM-") -> list[Device]:
    async with database.unit_of_work() as uow:
        return (await DeviceLists(uow.session).devices(Scope(), DeviceFilter(words), PageRequest(1, 100))).items


async def test_good_rows_are_taken_in_wrong_ones_named_and_the_same_file_changes_nothing(
    app: FastAPI, world: World, database: Database, worker: DeviceImportWorker
) -> None:
    content = workbook(row(1), row(2, **{"class": "烤面包机"}), row(3), row(4, division="500108"), row(1))
    async with world.client(app, Role.STEWARD) as client:
        told = await hand_in(client, worker, content)
        assert (told["state"], counts(told), told["rows"]) == ("done", (2, 0, 0, 3), 5)
        assert told["unknown"] == ["备注"]
        errors = (await client.get(f"/api/device-imports/{told['id']}/errors")).json()["items"]
        assert [(each["cell"], each["code"]) for each in errors] == [
            ("C3", "device_import_class"),
            ("D5", "device_import_foreign"),
            ("A6", "device_import_twice"),
        ]
        assert all(each["message"] and each["message_en"] for each in errors)
        again = await hand_in(client, worker, content)
        assert counts(again) == (0, 0, 2, 3)
        corrected = workbook(row(1, vendor="另一厂"), row(2), row(3, vendor=""))
        assert counts(await hand_in(client, worker, corrected)) == (1, 1, 1, 0)
    devices = await found(database)
    assert [(each.id, each.vendor) for each in devices] == [("IM-1", "另一厂"), ("IM-2", "某厂"), ("IM-3", "某厂")]


async def test_a_trial_changes_nothing(
    app: FastAPI, world: World, database: Database, worker: DeviceImportWorker
) -> None:
    async with world.client(app, Role.STEWARD) as client:
        told = await hand_in(client, worker, workbook(row(1), row(2, lon="x")), dry_run="true")
        assert (told["dry_run"], counts(told)) == (True, (1, 0, 0, 1))
    assert await found(database) == []


async def test_a_device_is_told_by_its_address_where_it_has_no_id(
    app: FastAPI, world: World, database: Database, worker: DeviceImportWorker
) -> None:
    async with world.client(app, Role.STEWARD) as client:
        content = workbook(row(1, id=""), row(2))
        assert counts(await hand_in(client, worker, content)) == (2, 0, 0, 0)
        assert counts(await hand_in(client, worker, content)) == (0, 0, 2, 0)
        taken = await hand_in(client, worker, workbook(row(3, address="MN2")))
        assert counts(taken) == (0, 0, 0, 1)
        errors = (await client.get(f"/api/device-imports/{taken['id']}/errors")).json()["items"]
        assert [(each["cell"], each["code"]) for each in errors] == [("F2", "device_import_taken")]


async def test_an_import_goes_on_where_it_broke_off(
    app: FastAPI, world: World, database: Database, worker: DeviceImportWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chengnao.sensing.devices.importing.worker.ROWS_AT_ONCE", 2)
    rows = [row(number, **({"lon": "x"} if number == 3 else {})) for number in range(7)]
    kept, calls = worker._take_batch, 0

    async def dies(*given: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("killed")
        return await kept(*given)

    async with world.client(app, Role.STEWARD) as client:
        answer = await client.post("/api/devices/import", files={"file": ("台账.xlsx", workbook(*rows))})
        monkeypatch.setattr(worker, "_take_batch", dies)
        with pytest.raises(OSError, match="killed"):
            await worker.step()
        half = (await client.get(f"/api/device-imports/{answer.json()['id']}")).json()
        assert (half["state"], half["done"]) == ("taking", 4)
        assert await worker.step()
        told = (await client.get(f"/api/device-imports/{answer.json()['id']}")).json()
        assert (told["state"], counts(told), told["errors"]) == ("done", (6, 0, 0, 1), 1)
    assert len(await found(database)) == 6


async def test_what_is_no_table_is_told(app: FastAPI, world: World, worker: DeviceImportWorker) -> None:
    async with world.client(app, Role.STEWARD) as client:
        told = await hand_in(client, worker, b"%PDF-1.7")
        assert (told["state"], told["error"]["code"]) == ("failed", "import_file_kind")
        template = await client.get("/api/device-import-template")
        assert template.content.startswith(b"PK")
    async with world.client(app, Role.AUDITOR) as client:
        assert (await client.post("/api/devices/import", files={"file": ("x", b"x")})).status_code == 403


async def test_files_that_a_crash_left_do_not_stay(settings: Settings, worker: DeviceImportWorker) -> None:
    folder = settings.home / "device-imports"
    folder.mkdir(exist_ok=True)
    left, fresh = folder / "left", folder / "fresh"
    for each in (left, fresh):
        each.write_bytes(b"x")
    os.utime(left, (0, 0))
    assert await worker.step() is False
    assert (left.exists(), fresh.exists()) == (False, True)
    fresh.unlink()
