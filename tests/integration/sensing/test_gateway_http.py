"""Readings by HTTP: what is answered, what stands on the log, what is held back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest
from pyarrow import ipc

from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.bodies import ARROW_TYPE
from chengnao.sensing.gateways.http import MAX_BODY, HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import TokenCache
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository

from .conftest import device, token
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


def row(name: str = "p-1", metric: str = "pressure", value: Any = 30.5, **more: Any) -> dict[str, Any]:
    return {"device": name, "metric": metric, "time": NOW.isoformat(), "value": value} | more


def arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.table(
        {
            "device": pa.array([each["device"] for each in rows]),
            "metric": pa.array([each["metric"] for each in rows]),
            "time": pa.array([datetime.fromisoformat(each["time"]) for each in rows], pa.timestamp("us", "UTC")),
            "value": pa.array([each["value"] for each in rows], pa.float64()),
        }
    )
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@pytest.fixture
async def client(intake: Intake, city: Database) -> AsyncIterator[httpx.AsyncClient]:
    gateway = HttpGateway(intake, TokenCache(city))
    secret = await token(city)
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as made:
        yield made


async def held(database: Database, desk_of: Intake) -> list[Any]:
    await desk_of.desk.flush()
    async with database.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope(), HeldFilter(), PageRequest(1, 100))
    return page.items


async def test_without_the_right_token_nothing_is_taken(client: httpx.AsyncClient, city: Database) -> None:
    for header, status in [
        ("", 401),
        ("Basic abc", 401),
        ("Bearer wrong", 403),
        (f"Bearer {await token(city, role=Role.REPORTER)}", 403),
    ]:
        answer = await client.post("/readings", json=[row()], headers={"Authorization": header})
        assert answer.status_code == status
        assert answer.json()["error"]["message_en"]


@pytest.mark.parametrize("form", ["array", "object", "ndjson", "arrow"])
async def test_each_form_of_body_reaches_the_log(client: httpx.AsyncClient, bus: Bus, form: str) -> None:
    rows = [row(), row("p-2", value=31), row("p-2", "flow.raw", -4.25)]
    bodies = {
        "array": (orjson.dumps(rows), "application/json"),
        "object": (orjson.dumps({"readings": rows}), "application/json"),
        "ndjson": (b"\n".join(map(orjson.dumps, rows)), "application/x-ndjson"),
        "arrow": (arrow(rows), ARROW_TYPE),
    }
    body, kind = bodies[form]
    answer = await client.post("/readings", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"accepted": 3, "rejected": []}
    assert keys(await logged(bus)) == [
        ("p-1", "pressure", NOW, 30.5, "good"),
        ("p-2", "flow.raw", NOW, -4.25, "good"),
        ("p-2", "pressure", NOW, 31.0, "good"),
    ]


@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_bad_rows_are_told_and_held_and_do_not_stop_the_rest(
    client: httpx.AsyncClient, bus: Bus, city: Database, intake: Intake, form: str
) -> None:
    rows: list[Any] = [
        row(),
        row("nobody"),
        row("south-1"),
        row(metric="Pressure"),
        row(value="12"),
        row(value=True),
        row(value=None),
        row(time="2026-11-25T10:00:00"),
        row(time=(NOW - timedelta(days=32)).isoformat()),
        row(time=(NOW + timedelta(days=2)).isoformat()),
        {"device": "p-1"},
        "text",
        row(device=7),
        row("p-2"),
    ]
    codes = [
        "unknown_device",
        "device_not_yours",
        "reading_metric",
        "reading_value",
        "reading_value",
        "reading_field_missing",
        "reading_time",
        "reading_time_window",
        "reading_time_window",
        "reading_field_missing",
        "reading_row_unreadable",
        "reading_field_type",
    ]
    if form == "json":
        answer = await client.post("/readings", json=rows)
    else:
        lines = b"\n".join(map(orjson.dumps, rows))
        answer = await client.post("/readings", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    result = answer.json()
    assert result["accepted"] == 2
    assert [each["index"] for each in result["rejected"]] == list(range(1, 13))
    assert [each["code"] for each in result["rejected"]] == codes
    for each in result["rejected"]:
        assert each["params"]["field"]
        assert "?" not in each["message"]
    assert [key[0] for key in keys(await logged(bus))] == ["p-1", "p-2"]
    pieces = await held(city, intake)
    assert sorted(piece.reason for piece in pieces) == sorted(codes)
    assert {piece.division_code for piece in pieces} == {"500103"}


async def test_values_that_json_cannot_say(client: httpx.AsyncClient, bus: Bus) -> None:
    rows = [row(value=float("nan")), row(value=float("inf")), row("p-2")]
    answer = await client.post("/readings", content=arrow(rows), headers={"Content-Type": ARROW_TYPE})
    assert answer.json()["accepted"] == 1
    assert [each["code"] for each in answer.json()["rejected"]] == ["reading_value", "reading_value"]
    assert len(await logged(bus)) == 1


async def test_quality_comes_from_the_class_and_the_clock(client: httpx.AsyncClient, bus: Bus) -> None:
    old = (NOW - timedelta(hours=2)).isoformat()
    await client.post("/readings", json=[row(value=900), row("p-2", time=old), row("p-2", "free", 900)])
    assert [key[4] for key in keys(await logged(bus))] == ["out_of_range", "good", "late"]


async def test_the_same_reading_twice_in_a_body_counts_and_stands_once(client: httpx.AsyncClient, bus: Bus) -> None:
    answer = await client.post("/readings", json=[row(value=1), row(value=2), row("p-2"), row(value=3)])
    assert answer.json() == {"accepted": 4, "rejected": []}
    assert [(key[0], key[3]) for key in keys(await logged(bus))] == [("p-1", 3.0), ("p-2", 30.5)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b'"text"', "application/json"),
        (b"{}", "application/json"),
        (b"nonsense", ARROW_TYPE),
        (b"", ARROW_TYPE),
    ],
)
async def test_body_that_says_nothing(client: httpx.AsyncClient, body: bytes, kind: str) -> None:
    answer = await client.post("/readings", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "body_unreadable"


async def test_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 2**20 + 2):
            yield b" " * 2**20

    assert (await client.post("/readings", content=b" " * (MAX_BODY + 1))).status_code == 413
    assert (await client.post("/readings", content=endless())).status_code == 413


async def test_a_flood_of_one_device_is_limited_and_told(client: httpx.AsyncClient, intake: Intake, bus: Bus) -> None:
    intake.limiter.burst, intake.limiter.rate = 50, 1
    flood = [row("p-1", f"m{number}") for number in range(80)]
    answer = await client.post("/readings", json=[*flood, row("p-2")])
    assert answer.json()["accepted"] == 51
    assert {each["code"] for each in answer.json()["rejected"]} == {"rate_limited"}
    again = await client.post("/readings", json=flood)
    assert again.status_code == 429
    assert int(again.headers["Retry-After"]) >= 1
    assert (await client.post("/readings", json=[row("p-2")])).json()["accepted"] == 1
    assert len(await logged(bus)) == 52


async def test_a_log_that_is_away_is_told(client: httpx.AsyncClient, intake: Intake) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="full")

    intake.committer._publish = refuse
    answer = await client.post("/readings", json=[row()])
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["error"]["code"] == "bus_unavailable"


async def test_requests_at_once_share_messages(client: httpx.AsyncClient, bus: Bus) -> None:
    answers = await asyncio.gather(*(client.post("/readings", json=[row("p-1", f"m{number}")]) for number in range(60)))
    assert all(answer.json()["accepted"] == 1 for answer in answers)
    messages = await bus.pull_readings("writer", 100, 0.5)
    assert len(messages) < 20


async def test_held_row_is_replayed_once_its_device_is_registered(
    client: httpx.AsyncClient, city: Database, intake: Intake, bus: Bus
) -> None:
    await client.post("/readings", json=[row("late-comer", value=7)])
    piece = (await held(city, intake))[0]
    replayer = Replayer(intake, city)

    async def ask() -> Any:
        async with city.unit_of_work() as uow:
            await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, NOW)
            await uow.commit()
        assert await replayer.replay_some() == 1
        return (await held(city, intake))[0]

    still = await ask()
    assert still.state is State.WAITING
    assert still.outcome["error"]["code"] == "unknown_device"

    async with city.unit_of_work() as uow:
        await register(uow, device("late-comer"))
        await uow.commit()
    await asyncio.sleep(0.3)  # the registry is asked four times a second at most
    done = await ask()
    assert done.state is State.REPLAYED
    assert [key[:2] for key in keys(await logged(bus))] == [("late-comer", "pressure")]
    assert await replayer.replay_some() == 0


async def test_a_device_registered_a_moment_ago_is_known(client: httpx.AsyncClient, city: Database) -> None:
    await asyncio.sleep(0.3)
    async with city.unit_of_work() as uow:
        await register(uow, device("brand-new"))
        await uow.commit()
    answer = await client.post("/readings", json=[row("brand-new")])
    assert answer.json()["accepted"] == 1


async def test_a_body_of_many_bad_rows_lets_others_have_their_turn(client: httpx.AsyncClient) -> None:
    big = asyncio.create_task(client.post("/readings", json=[row(f"none-{number}") for number in range(50_000)]))
    await asyncio.sleep(0)
    small = 0
    while not big.done():
        assert (await client.post("/readings", json=[row()])).status_code == 200
        small += 1
    assert len((await big).json()["rejected"]) == 50_000
    assert small > 3
    too_many = b"[" + b",".join([b"1"] * 100_001) + b"]"
    assert (await client.post("/readings", content=too_many)).status_code == 422


async def test_a_device_whose_registration_took_long_to_commit_is_known(
    client: httpx.AsyncClient, city: Database, intake: Intake
) -> None:
    async with city.unit_of_work() as slow:
        await register(slow, device("slow-1"))
        await slow.session.flush()
        for number in range(3):
            async with city.unit_of_work() as quick:
                await register(quick, device(f"quick-{number}"))
                await quick.commit()
            await asyncio.sleep(0.6)
            await intake.feed.refresh()
        assert "quick-2" in intake.cache.devices
        await slow.commit()
    await asyncio.sleep(0.3)
    assert (await client.post("/readings", json=[row("slow-1")])).json()["accepted"] == 1
