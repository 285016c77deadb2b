"""The table of keyword rules. Private to this module's repository."""

from sqlalchemy import String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class CategoryRuleRow(Base):
    __tablename__ = "category_rules"

    id: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(index=True)
    all_words: Mapped[list[str]] = mapped_column(ARRAY(String))
    any_words: Mapped[list[str]] = mapped_column(ARRAY(String))
    division_code: Mapped[str | None] = mapped_column(index=True)
    """None: everywhere."""
    note: Mapped[str]
