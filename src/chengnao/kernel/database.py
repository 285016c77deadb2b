"""The one relational database: connections, the unit of work, and the columns all tables share."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from sqlalchemy import BigInteger, DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from chengnao.kernel.clock import Clock
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.events import DomainEvent, envelope
from chengnao.kernel.ids import new_id


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time; refuses a naive datetime, gives back UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive datetime {value} given to the database")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSONB}  # noqa: RUF012 - read from the class


class Owned:
    """The columns that the second wall filters by: each row belongs to a division and, mostly, to a unit."""

    division_code: Mapped[str] = mapped_column(index=True)
    unit_id: Mapped[str | None] = mapped_column(index=True)


class OutboxRow(Base):
    """An event that was written with the state it tells of and waits to be put on the bus."""

    __tablename__ = "outbox"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    envelope: Mapped[dict[str, Any]]


class InboxRow(Base):
    """An event that a consumer has dealt with."""

    __tablename__ = "inbox"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class AnswerRow(Base):
    """The answer that a request with an idempotency key got; given again when the request comes again."""

    __tablename__ = "answers"

    principal_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    answer: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(index=True)


class Database:
    """A pool of connections to PostgreSQL."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def connect(cls, url: str, clock: Clock, *, pool_size: int = 10) -> "Database":
        """A database at `postgresql+psycopg://...`; connects at first use, and again after a loss."""
        engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=10,
        )
        return cls(engine, clock)

    def unit_of_work(self) -> "UnitOfWork":
        return UnitOfWork(self._sessions(), self.clock)

    async def check(self) -> None:
        """Return where the database answers; raises Unavailable where it does not."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except OperationalError as error:
            raise Unavailable("database_unavailable") from error

    async def close(self) -> None:
        await self.engine.dispose()


class UnitOfWork:
    """One transaction: state and the events that tell of it are kept together or not at all.

    Used as a context manager; what is not committed on leaving is rolled back.
    """

    def __init__(self, session: AsyncSession, clock: Clock) -> None:
        self.session = session
        self.clock = clock
        self._published = False

    async def __aenter__(self) -> "UnitOfWork":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def hold(self, name: str, *, shared: bool = False) -> None:
        """Wait for the lock of this name and keep it until the transaction ends; shared ones go together."""
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        await self.session.execute(text(f"SELECT {lock}(hashtextextended(:name, 0))"), {"name": name})

    def publish(self, event: DomainEvent) -> None:
        """Put the event on the bus once this unit of work is committed, and only then."""
        self.session.add(OutboxRow(envelope=envelope(event, new_id(), self.clock.now())))
        self._published = True

    async def commit(self) -> None:
        if self._published:
            await self.session.execute(text("NOTIFY outbox"))
        await self.session.commit()
        self._published = False


def sqlalchemy_url(url: str) -> str:
    """The URL with the psycopg 3 driver named, as SQLAlchemy wants it."""
    return url if url.startswith("postgresql+") else url.replace("postgresql://", "postgresql+psycopg://", 1)


def plain_url(url: str) -> str:
    """The URL without a driver, as libpq and psycopg want it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
