"""The links over real sockets: order and completeness through refusals, silence and lost lines."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from chengnao.demonstration import links
from chengnao.demonstration.field import Sample
from chengnao.demonstration.links import Hj212Link, HttpLink
from chengnao.demonstration.portal import Account, Machine, NotNowError, RefusedError
from chengnao.sensing.protocols.hj212 import Frame, encode
from chengnao.sensing.protocols.hj212_stream import Framer
from chengnao.sensing.protocols.shape import Refusal
from tests.support.ports import free_block

START = datetime(2026, 11, 25, tzinfo=UTC)


def sample(minute: int) -> Sample:
    return Sample("d", START + timedelta(minutes=minute), {"LEVEL": 3.0 + minute, "FLOW": 30000.0})


@asynccontextmanager
async def running(job: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(job())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    port = free_block()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


async def test_batches_arrive_once_and_in_order_though_the_gateway_fails_at_times() -> None:
    taken: list[Any] = []
    answers = iter([503, 500, 200, 429, 200, 200])
    app = FastAPI()

    @app.post("/readings")
    async def readings(request: Request) -> Response:
        status = next(answers)
        if status == 200:
            taken.extend((await request.json())["readings"])
        return Response(json.dumps({"accepted": 1, "rejected": []}), status, media_type="application/json")

    async with serving(app) as url:
        machine = Machine(url, "t")
        link = HttpLink(machine)
        for minute in range(3):
            link.backlog.put([sample(minute)])
        async with running(link.run):
            await until(lambda: len(link.backlog) == 0)
        await machine.close()
    assert [row["value"] for row in taken if row["metric"] == "LEVEL"] == [3.0, 4.0, 5.0]
    assert datetime.fromisoformat(taken[0]["time"]) == START


class Station:
    """A platform's end of HJ 212 that can be told to be silent, or to hang up."""

    def __init__(self) -> None:
        self.frames: list[Frame | Refusal] = []
        self.reads = 0
        self.hang_up_after: set[int] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        while data := await reader.read(4096):
            self.reads += 1
            for piece in framer.feed(data):
                self.frames.append(piece)
                if len(self.frames) in self.hang_up_after:
                    writer.close()
                    return
                if isinstance(piece, Frame):
                    writer.write(encode({"QN": piece.header["QN"], "ST": "91", "CN": "9014", "MN": piece.mn}))
        writer.close()


async def test_frames_are_whole_and_sent_again_when_the_line_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "RECONNECT_SECONDS", 0.05)
    station = Station()
    station.hang_up_after = {2}
    server = await asyncio.start_server(station.serve, "127.0.0.1", 0)
    link = Hj212Link("127.0.0.1", server.sockets[0].getsockname()[1], "MN1", untidy=True)
    for minute in range(3):
        link.put(sample(minute), damaged=minute == 1)
    link.put(sample(3))
    async with running(link.run):
        await until(lambda: len(link.backlog) == 0)
    server.close()
    good = [piece for piece in station.frames if isinstance(piece, Frame)]
    bad = [piece for piece in station.frames if isinstance(piece, Refusal)]
    assert [frame.factors["LEVEL"]["Rtd"] for frame in good] == ["3.00", "5.00", "6.00"]
    assert good[0].cp["DataTime"] == "20261125080000"  # the field's time, UTC+8
    assert {piece.code for piece in bad} == {"bad_crc"}
    assert station.reads > len(station.frames)  # each frame came in two pieces


async def test_an_unanswered_frame_does_not_block_the_station_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "RECONNECT_SECONDS", 0.02)
    monkeypatch.setattr(links, "ACK_SECONDS", 0.05)
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        while data := await reader.read(4096):
            for piece in framer.feed(data):
                assert isinstance(piece, Frame)
                value = piece.factors["LEVEL"]["Rtd"]
                heard.append(value)
                if value != "3.00":
                    writer.write(encode({"QN": piece.header["QN"], "ST": "91", "CN": "9014", "MN": piece.mn}))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = Hj212Link("127.0.0.1", server.sockets[0].getsockname()[1], "MN1")
    link.put(sample(0))
    link.put(sample(1))
    async with running(link.run):
        await until(lambda: len(link.backlog) == 0)
    server.close()
    assert heard == ["3.00"] * links.ATTEMPTS + ["4.00"]


async def test_an_account_signs_in_again_when_its_session_is_gone() -> None:
    app = FastAPI()
    sessions: list[str] = []

    @app.post("/api/session")
    async def sign_in(request: Request) -> Response:
        if (await request.json())["password"] != "right":
            return Response('{"error": {"code": "sign_in_failed", "message": "no"}}', 401)
        sessions.append(f"s{len(sessions)}")
        answer = Response(json.dumps({"csrf_token": f"c-{sessions[-1]}"}))
        answer.set_cookie("chengnao_session", sessions[-1])
        return answer

    @app.post("/api/thing")
    async def thing(request: Request) -> Response:
        session = request.cookies.get("chengnao_session")
        if session != sessions[-1] or request.headers["x-csrf-token"] != f"c-{session}":
            return Response('{"error": {"code": "unauthenticated", "message": "no"}}', 401)
        return Response(json.dumps({"session": session}))

    async with serving(app) as url, Account(url, "a", "right") as account, Account(url, "b", "wrong") as stranger:
        assert await account.post("/api/thing", {}) == {"session": "s0"}
        sessions.append("another")
        assert await account.post("/api/thing", {}) == {"session": "s2"}
        with pytest.raises(RefusedError) as refused:
            await stranger.post("/api/thing", {})
        assert (refused.value.status, refused.value.code) == (401, "sign_in_failed")
    async with Account("http://127.0.0.1:9", "a", "right") as nowhere:
        with pytest.raises(NotNowError):
            await nowhere.get("/api/thing")
