"""A network between a browser and the platform that can be cut, also in the middle of an answer."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65_536


class Cut:
    """Forwards one port of this machine to another, as well as the line is at the moment."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._whole = True
        self._fatal: re.Pattern[bytes] | None = None
        self._doomed: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Nothing goes in either direction any more, connections that are open end."""
        with self._lock:
            self._whole = False
            ended = list(self._open)
        for each in ended:
            _end(each)

    def mend(self) -> None:
        self._whole = True

    def cut_after(self, request: str) -> None:
        """Let the next request whose first line begins so arrive; its answer is lost, and the line is cut."""
        self._fatal = re.compile(request.encode())

    def close(self) -> None:
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                if not self._whole:
                    here.close()
                    continue
                there = socket.create_connection(self._target)
                with self._lock:
                    self._open |= {here, there}
                threading.Thread(target=self._carry_requests, args=(here, there), daemon=True).start()
                threading.Thread(target=self._carry_answers, args=(there, here), daemon=True).start()

    def _carry_requests(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(CHUNK):
                if self._fatal and self._fatal.match(data):
                    self._fatal = None
                    self._doomed.add(there)
                there.sendall(data)
        self._ended(here, there)

    def _carry_answers(self, there: socket.socket, here: socket.socket) -> None:
        with suppress(OSError):
            while data := there.recv(CHUNK):
                if there in self._doomed:
                    self.cut()
                    break
                here.sendall(data)
        self._ended(here, there)

    def _ended(self, *connections: socket.socket) -> None:
        for each in connections:
            _end(each)
        with self._lock:
            self._open -= set(connections)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def cut_before(address: str) -> Iterator[Cut]:
    """A line to the platform at `address`, whole at first."""
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    line = Cut((parts.hostname, parts.port))
    try:
        yield line
    finally:
        line.close()
