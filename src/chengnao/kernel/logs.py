"""Log files of bounded size."""

from pathlib import Path


class RotatingLog:
    """Appends to a file; at `limit` bytes the file becomes `.1`, the old `.1` becomes `.2`, and so on up to `keep`.

    A full disk loses log lines, never the process that wrote them.
    """

    def __init__(self, path: Path, limit: int = 10 * 2**20, keep: int = 3) -> None:
        self.path = path
        self.limit = limit
        self.keep = keep
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, data: bytes) -> None:
        try:
            if self._size + len(data) > self.limit and self._size:
                self._rotate()
            self._file.write(data)
        except OSError:
            return
        self._size += len(data)

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self.keep, 0, -1):
            older = self.path if number == 1 else self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self.path.open("ab", buffering=0)
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""
