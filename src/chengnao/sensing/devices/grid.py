"""The whole city's devices in the cells of one fine grid, kept in memory for maps that show very many at once."""

import asyncio
import time
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import Depends, Request

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import context_of
from chengnao.sensing.devices.list_repository import Box, Cell, Cluster, DeviceLists

GRID_CELL = 360 / 2**12 / 8
"""Degrees: the cells of a map of zoom 12. Maps that show more than these show so little that they are asked anew."""
FRESH_SECONDS = 15.0


class _Columns:
    def __init__(self, cells: list[Cell]) -> None:
        codes = np.array([cell.division_code for cell in cells], np.str_)
        self.divisions: npt.NDArray[np.str_]
        self.divisions, self.division = np.unique(codes, return_inverse=True)
        self.count = np.array([cell.count for cell in cells], np.int64)
        self.faulty = np.array([cell.faulty for cell in cells], np.int64)
        self.lon = np.array([cell.lon for cell in cells], np.float64)
        self.lat = np.array([cell.lat for cell in cells], np.float64)


class DeviceGrid:
    """Read at the first map and then, where devices have changed, again every 15 seconds at most; a map that comes in
    between is drawn from what is known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._columns: _Columns | None = None
        self._read_at = -FRESH_SECONDS
        self._changed: object = None
        self._reading: asyncio.Task[_Columns] | None = None

    async def clusters(self, scope: Scope, box: Box, cell: float) -> list[Cluster]:
        """One cluster for each cell of `cell` degrees, whatever the unit of the scope; a fine cell is in the box where
        the mean of its devices is."""
        columns = await self._fresh()
        lon, lat = columns.lon / columns.count, columns.lat / columns.count
        west, south, east, north = box
        keep = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        if scope.division_code != CITY:
            keep &= np.char.startswith(columns.divisions, scope.division_code)[columns.division]
        across = np.floor(lon[keep] / cell).astype(np.int64)
        down = np.floor(lat[keep] / cell).astype(np.int64)
        _, group = np.unique(across * np.int64(1_000_000_007) + down, return_inverse=True)
        sums = [
            np.bincount(group, weights=each[keep]) for each in (columns.lon, columns.lat, columns.count, columns.faulty)
        ]
        return [
            Cluster(x / count, y / count, int(count), int(faulty))
            for x, y, count, faulty in zip(*(each.tolist() for each in sums), strict=True)
        ]

    async def _fresh(self) -> _Columns:
        if self._columns is None or time.monotonic() - self._read_at > FRESH_SECONDS:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            if self._columns is None:
                return await asyncio.shield(self._reading)
        return self._columns

    async def _read(self) -> _Columns:
        async with self._database.unit_of_work() as uow:
            repository = DeviceLists(uow.session)
            changed = await repository.last_change()
            columns = self._columns
            if columns is None or changed != self._changed:
                columns = _Columns(await repository.cells(GRID_CELL))
        self._columns, self._changed, self._read_at = columns, changed, time.monotonic()
        return columns


def _grid(request: Request) -> DeviceGrid:
    state = request.app.state
    if not hasattr(state, "device_grid"):
        state.device_grid = DeviceGrid(context_of(request).database)
    grid: DeviceGrid = state.device_grid
    return grid


GridDep = Annotated[DeviceGrid, Depends(_grid)]
