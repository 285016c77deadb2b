"""The ClickHouse engine inside this process: the one owner of the readings' files.

Its own access control is the wall between clients and the machine: the engine's only user has no right on files,
addresses, other servers or the `default` database (which would show the file system as tables). One connection runs
one statement at a time, so each request gets a connection of its own; they cost less than a tenth of a millisecond.

A query runs in one thread, and no setting changes that: this build of the engine now and then loses a wake-up among
the threads of one query (GROUP BY in two levels, FINAL) and then waits for ever. Queries run beside one another.

A kill of the process loses nothing that was acknowledged: an insert returns when its part is written. What survives
a power cut is the table's choice (`fsync_after_insert`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import chdb

from chengnao.sensing.store.errors import StoreError
from chengnao.sensing.store.statement import Kind, Statement

DATABASE = "chengnao"

# Caches and limits for a machine that also runs a database, a log and the platform: a query that needs more memory
# spills to disk or fails alone. Merges and inserts count against the whole.
_SERVER_XML = """<clickhouse>
  <users_config>{users}</users_config>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <index_mark_cache_size>33554432</index_mark_cache_size>
  <mmap_cache_size>0</mmap_cache_size>
  <compiled_expression_cache_size>16777216</compiled_expression_cache_size>
</clickhouse>
"""
_USERS_XML = """<clickhouse>
  <profiles><default>
    <max_memory_usage>{query_memory}</max_memory_usage>
    <max_bytes_before_external_group_by>{spill}</max_bytes_before_external_group_by>
    <max_bytes_before_external_sort>{spill}</max_bytes_before_external_sort>
    <min_insert_block_size_bytes>67108864</min_insert_block_size_bytes>
    <max_execution_time>60</max_execution_time>
    <input_format_parallel_parsing>0</input_format_parallel_parsing>
    <max_threads>1</max_threads>
    <constraints><max_threads><readonly/></max_threads></constraints>
  </default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password/>
    <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>
      <query>GRANT SHOW, SELECT, INSERT, ALTER, DROP, TRUNCATE, OPTIMIZE, CHECK ON *.*</query>
      <query>GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE ON *.*</query>
      <query>REVOKE ALL ON default.*</query>
      {engines}
    </grants>
  </default></users>
</clickhouse>
"""
_TABLE_ENGINES = (
    "MergeTree",
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "MaterializedView",
    "View",
    "Memory",
    "Null",
    "Atomic",
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a statement cost and left."""

    rows: int = 0
    size: int = 0
    scanned_rows: int = 0
    scanned_size: int = 0
    output: bytes = b""


class Connection:
    """Runs one statement at a time; settings and temporary tables live as long as it does."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def set(self, settings: Mapping[str, str]) -> None:
        if settings:
            self._run("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in settings.items()), "Null")

    def reset(self, settings: Iterable[str]) -> None:
        """Give the named settings back the values that the server starts with."""
        names = list(settings)
        if names:
            self._run("SET " + ", ".join(f"{name} = DEFAULT" for name in names), "Null")

    def use(self, database: str) -> None:
        self._run(f"USE {_identifier(database)}", "Null")

    def query(self, statement: Statement, output: int, default_format: str, params: Mapping[str, str]) -> Done:
        """Write the result into the open descriptor, a pipe say, as fast as it is taken from there."""
        sql = statement.writing_to(f"/proc/self/fd/{output}", default_format)
        return self._run(sql, default_format, params)

    def insert(self, statement: Statement, source: int, params: Mapping[str, str]) -> Done:
        """Insert what the open descriptor holds; returns once the rows are in the files."""
        return self._run(statement.reading_from(f"/proc/self/fd/{source}"), "Null", params)

    def command(self, statement: Statement, default_format: str, params: Mapping[str, str]) -> Done:
        return self._run(statement.head, default_format, params)

    def close(self) -> None:
        self._raw.close()

    def _run(self, sql: str, output_format: str, params: Mapping[str, str] | None = None) -> Done:
        try:
            result = self._raw.query(sql, output_format, params=dict(params or {}))
        except RuntimeError as error:
            raise StoreError.of(error) from error
        return Done(
            result.rows_read(),
            result.bytes_read(),
            result.storage_rows_read(),
            result.storage_bytes_read(),
            result.bytes(),
        )


class Engine:
    """Opens the files in `<folder>/data`; a second process on the same folder is refused by the engine."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self.folder = folder
        self._memory = memory_bytes
        self._address = ""
        self._root: Connection | None = None
        self.version = ""
        self.timezone = ""

    def open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        self._address = f"{data}?config-file={self._write_config()}"
        try:
            self._root = self.connect(None)
        except RuntimeError as error:
            raise RuntimeError(f"{data} cannot be opened; does another process hold it? {error}") from error
        self._root.command(_command("CREATE DATABASE IF NOT EXISTS chengnao ENGINE = Atomic"), "Null", {})
        about = self._root.command(_command("SELECT version(), timezone()"), "TSVRaw", {}).output.decode()
        self.version, self.timezone = about.split()

    def connect(self, database: str | None = DATABASE) -> Connection:
        """A new connection; the caller closes it."""
        connection = Connection(chdb.connect(self._address))
        if database is not None:
            connection.use(database)
        return connection

    def close(self) -> None:
        if self._root is not None:
            self._root.close()
            self._root = None

    def _write_config(self) -> Path:
        users = self.folder / "users.xml"
        engines = "\n      ".join(f"<query>GRANT TABLE ENGINE ON {name}</query>" for name in _TABLE_ENGINES)
        users.write_text(
            _USERS_XML.format(engines=engines, query_memory=self._memory * 3 // 5, spill=self._memory // 4)
        )
        server = self.folder / "server.xml"
        server.write_text(_SERVER_XML.format(users=escape(str(users)), memory=self._memory))
        return server


def _command(sql: str) -> Statement:
    return Statement(Kind.COMMAND, sql)


def quote(value: str) -> str:
    """The text as a string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
