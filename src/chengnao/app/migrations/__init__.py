"""The schema of the relational database, as Alembic revisions."""
