from datetime import date

from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class CalendarDayRow(Base):
    __tablename__ = "calendar_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    working: Mapped[bool]
    note: Mapped[str]
