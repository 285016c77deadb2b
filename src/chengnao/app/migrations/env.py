"""Run by Alembic: compares or brings the database to the tables of all modules."""

from alembic import context
from sqlalchemy import create_engine, pool

from chengnao.app.migrations.metadata import METADATA

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        # DBOS keeps its own tables in a schema of its own and migrates them itself.
        include_schemas=False,
    )
    with context.begin_transaction():
        context.run_migrations()
