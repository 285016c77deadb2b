"""Run by Alembic: compares or brings the database to the tables of all modules."""

from typing import Literal

from alembic import context
from sqlalchemy import create_engine, pool

from chengnao.app.migrations.metadata import METADATA
from chengnao.kernel.database import UtcDateTime


def render(kind: str, item: object, context: object) -> str | Literal[False]:
    """In a revision a column shows PostgreSQL's type, so that an old revision does not lean on today's code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        # DBOS keeps its own tables in a schema of its own and migrates them itself.
        include_schemas=False,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()
