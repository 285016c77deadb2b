"""Files that were handed in and are not read yet: only the platform reads them."""

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO

from chengnao.kernel.errors import Invalid

SIZE_LIMIT = 200 * 2**20
_CHUNK = 2**20


def keep_file(path: Path, source: BinaryIO) -> str:
    """Keep the file durably until it is read; returns its digest. Raises Invalid where it is too large."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > SIZE_LIMIT:
                    limit_mb = SIZE_LIMIT // 2**20
                    raise Invalid("import_file_large", field="file", size_mb=size // 2**20, limit_mb=limit_mb)
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def forget_files(folder: Path, wanted: set[str]) -> None:
    """Remove the files of no import that is to be read: those that a crash left, older than an hour."""
    before = time.time() - 3600
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in wanted and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
