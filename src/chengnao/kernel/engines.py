"""Where the engines are reached: the addresses that the settings name, or those of the platform's own children."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from chengnao.kernel.settings import Settings

POSTGRES_SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107


def database_url(settings: Settings) -> str:
    """The URL of the platform's PostgreSQL: the one in the settings, or the child's socket."""
    if settings.database_url:
        return settings.database_url
    return f"postgresql://chengnao@/chengnao?host={quote(str(postgres_socket_folder(settings.home)))}"


def postgres_socket_folder(home: Path) -> Path:
    """The folder of the child PostgreSQL's socket: in the data folder, or under /tmp where that path is too long."""
    folder = (home / "postgres").resolve() / "socket"
    if len(str(folder / POSTGRES_SOCKET).encode()) <= LONGEST_SOCKET_PATH:
        return folder
    return Path("/tmp") / f"chengnao-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"  # noqa: S108
