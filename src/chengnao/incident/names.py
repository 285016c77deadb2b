"""The names that go with the codes of an answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.repository import OrganisationRepository


@dataclass(frozen=True)
class Names:
    """The names of divisions and units, for one answer."""

    divisions: dict[str, str]
    units: dict[str, str]
    now: datetime

    @classmethod
    async def load(cls, uow: UnitOfWork) -> Self:
        organisation = OrganisationRepository(uow.session)
        return cls(await organisation.division_names(), await organisation.unit_names(), uow.clock.now())

    def division(self, code: str) -> str:
        """`district street`, or the district alone."""
        own = self.divisions.get(code, code)
        return f"{self.divisions.get(code[:6], '')}{own}" if len(code) == 9 else own

    def unit(self, unit_id: str | None) -> str | None:
        return None if unit_id is None else self.units.get(unit_id, unit_id)
