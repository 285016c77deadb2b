"""Bringing the relational database to this release's schema."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from chengnao.kernel.database import sqlalchemy_url

_LOCK = 20_260_125
"""Any fixed number: whoever holds this advisory lock is the one that migrates."""


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(files("chengnao.app") / "migrations"))
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(url).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def migrate(url: str) -> None:
    """Run the revisions that the database lacks; where two processes try at once, one waits for the other."""
    engine = create_engine(sqlalchemy_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK})
            command.upgrade(alembic_config(url), "head")
    finally:
        engine.dispose()
