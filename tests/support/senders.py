"""Senders that keep a record of what the platform has acknowledged, and send again what it has not."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import httpx

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols import hj212

Key = tuple[str, str, datetime]


class Sender(threading.Thread):
    """Sends until told to stop; `acknowledged` grows, and an item without an answer is sent again unchanged."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[Key] = []
        self.tries_failed = 0
        self._stop_sending = threading.Event()

    def finish(self) -> None:
        """Stop after the item that is under way has been acknowledged."""
        self._stop_sending.set()
        self.join(120)
        assert not self.is_alive(), f"{self} never got its last item acknowledged"

    def run(self) -> None:
        for item in self.items():
            while not self.send(item):
                self.tries_failed += 1
                time.sleep(0.1)
            if self._stop_sending.is_set():
                return

    def items(self) -> Iterator[list[Key]]:
        raise NotImplementedError

    def send(self, item: list[Key]) -> bool:
        """Whether the platform has acknowledged the item."""
        raise NotImplementedError


class HttpSender(Sender):
    """Batches of readings over HTTP."""

    step = timedelta(milliseconds=50)
    """Between the times of two batches: they stay recent, so that they count for warnings."""

    def __init__(self, url: str, token: str, devices: list[str], start: datetime, value: float = 1.0) -> None:
        super().__init__()
        self.url = url
        self.devices = devices
        self.start_time = start
        self.value = value
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def items(self) -> Iterator[list[Key]]:
        for number in count():
            at = self.start_time + number * self.step
            yield [(device, "flow", at) for device in self.devices]

    def send(self, item: list[Key]) -> bool:
        rows = [
            {"device": device, "metric": metric, "time": at.isoformat(), "value": self.value}
            for device, metric, at in item
        ]
        try:
            answer = self._client.post(self.url, json=rows)
        except httpx.HTTPError:
            return False
        if answer.status_code != 200:
            return False
        body = answer.json()
        assert body["accepted"] == len(rows), body
        self.acknowledged += item
        return True


class Hj212Sender(Sender):
    """One station over TCP, which waits for the answer to each frame."""

    def __init__(self, port: int, device: str, mn: str, start: datetime) -> None:
        super().__init__()
        self.port = port
        self.device = device
        self.mn = mn
        self.start_time = start
        self._socket: socket.socket | None = None

    def items(self) -> Iterator[list[Key]]:
        for number in count():
            yield [(self.device, "rain_1h", self.start_time + timedelta(seconds=number))]

    def send(self, item: list[Key]) -> bool:
        local = item[0][2].astimezone(CST).strftime("%Y%m%d%H%M%S")
        qn = f"{local}000"
        segment = (
            f"QN={qn};ST=21;CN=2011;PW=123456;MN={self.mn};Flag=5;CP=&&DataTime={local};RAIN1H-Rtd=0.5,RAIN1H-Flag=N&&"
        )
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=15)
            self._socket.sendall(hj212.frame_segment(segment.encode()))
            answer = self._socket.recv(4096)
        except OSError:
            answer = b""
        if b"CN=9014" in answer and qn.encode() in answer:
            self.acknowledged += item
            return True
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return False


class ReportSender(threading.Thread):
    """Residents' reports; `acknowledged` holds the number of each report and its incident."""

    def __init__(self, address: str, token: str, pause: float) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.pause = pause
        self.acknowledged: dict[int, str] = {}
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop_sending = threading.Event()

    def finish(self) -> None:
        self._stop_sending.set()
        self.join(60)

    def run(self) -> None:
        for number in count():
            while not self._stop_sending.is_set():
                body = {"content": f"诉求 {number}：路面破损", "category": "road_damage", "lon": 106.55, "lat": 29.56}
                try:
                    answer = httpx.post(f"{self.address}/api/reports", json=body, headers=self._headers, timeout=20)
                except httpx.HTTPError:
                    time.sleep(0.1)
                    continue
                if answer.status_code == 201:
                    self.acknowledged[number] = answer.json()["incident_id"]
                    break
                time.sleep(0.1)
            if self._stop_sending.is_set():
                return
            time.sleep(self.pause)
