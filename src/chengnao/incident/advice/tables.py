"""The table of drafted answers. Private to this module's repository."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class AnswerDraftRow(Base):
    __tablename__ = "answer_drafts"

    id: Mapped[str] = mapped_column(primary_key=True)
    report_id: Mapped[str] = mapped_column(ForeignKey("incident_reports.id"), index=True)
    text: Mapped[str]
    made_by: Mapped[str]
    run_id: Mapped[str | None]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    at: Mapped[datetime]
