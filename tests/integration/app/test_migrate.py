import psycopg
import pytest
from alembic import command
from psycopg import sql

from chengnao.app.migrate import alembic_config, migrate

pytestmark = pytest.mark.engines


def test_the_revisions_lead_to_the_tables_of_the_code_and_twice_changes_nothing(postgres: str) -> None:
    name = sql.Identifier("test_migrate")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        url = postgres.replace("/chengnao?", "/test_migrate?")
        try:
            migrate(url)
            migrate(url)
            command.check(alembic_config(url))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
