"""The table of executors. Private to this module's repository."""

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class ExecutorRow(Base):
    """A process that runs workflows, and how often it has said that it lives."""

    __tablename__ = "executors"

    id: Mapped[str] = mapped_column(primary_key=True)
    beat: Mapped[int] = mapped_column(BigInteger)
    left: Mapped[bool]
