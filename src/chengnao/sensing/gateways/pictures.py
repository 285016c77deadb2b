"""Pictures that stations take: files in the data folder, the newest of each device."""

import logging
import os
from datetime import UTC
from pathlib import Path

from chengnao.kernel.clock import Clock
from chengnao.sensing.protocols.shape import Picture

log = logging.getLogger(__name__)

KEPT = 24
"""So many of a device's pictures are kept: a day of one an hour."""
MAX_BYTES = 4 * 1024 * 1024


class PictureShelf:
    """One folder a device; a file's name is the moment of the picture, so that one sent again is kept once."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def keep(self, device_id: str, picture: Picture) -> None:
        """Write it to disk, and drop the oldest beyond `KEPT`. A disk that fails is logged: readings go on."""
        if len(picture.data) > MAX_BYTES:
            log.warning("a picture of %s has %d bytes and is not kept", device_id, len(picture.data))
            return
        moment = (picture.time or self._clock.now()).astimezone(UTC)
        ending = "jpg" if picture.data.startswith(b"\xff\xd8") else "bin"
        folder = self._folder / device_id.replace(":", "_")
        file = folder / f"{moment:%Y%m%dT%H%M%SZ}.{ending}"
        part = file.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                out.write(picture.data)
                out.flush()
                os.fsync(out.fileno())
            part.replace(file)
            for old in sorted(folder.glob("*Z.*"))[:-KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("a picture of %s is not kept: %s", device_id, error)
