"""The readings store answers ClickHouse's own client as ClickHouse does."""

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from chengnao.kernel.settings import Settings, load_secrets

pytestmark = pytest.mark.engines

Connect = Callable[..., Client]

COLUMNS = ["id", "name", "at", "kind"]
AT = datetime(2026, 3, 1, 4, 5, 6, 789000, tzinfo=UTC)


@pytest.fixture
def connect(store: str, settings: Settings) -> Connect:
    secrets = load_secrets(settings.home)

    def make(**options: Any) -> Client:
        options = {"username": secrets.store_user, "password": secrets.store_password, "tz_mode": "aware"} | options
        return clickhouse_connect.get_client(host="127.0.0.1", port=settings.port("store"), **options)

    return make


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()


@pytest.fixture
def http(store: str, settings: Settings) -> Iterator[httpx.Client]:
    secrets = load_secrets(settings.home)
    headers = {"X-ClickHouse-User": secrets.store_user, "X-ClickHouse-Key": secrets.store_password}
    with httpx.Client(base_url=store, headers=headers, timeout=30) as made:
        yield made


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    client.command(
        f"CREATE TABLE {name} (id Int64, name String, at DateTime64(3, 'UTC'), kind LowCardinality(String))"
        " ENGINE = ReplacingMergeTree ORDER BY id"
    )
    yield name
    client.command(f"DROP TABLE {name}")


def rows(count: int, start: int = 0) -> list[list[Any]]:
    return [[i, f"名 '{i}'\t\\n", AT, "k"] for i in range(start, start + count)]


def arrow(count: int, start: int = 0) -> pa.Table:
    ids = list(range(start, start + count))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "name": [str(i) for i in ids],
            "at": pa.array([AT] * count, pa.timestamp("ms", "UTC")),
            "kind": ["k"] * count,
        }
    )


def test_native_insert_gives_back_what_was_put_in(client: Client, table: str) -> None:
    summary = client.insert(table, rows(1000), column_names=COLUMNS)
    assert summary.written_rows == 1000
    assert [list(row) for row in client.query(f"SELECT * FROM {table} ORDER BY id").result_rows] == rows(1000)


def test_arrow_insert_gives_back_what_was_put_in(client: Client, table: str) -> None:
    assert client.insert_arrow(table, arrow(1000)).written_rows == 1000
    got = client.query_arrow(f"SELECT * FROM {table} ORDER BY id")
    assert got.cast(arrow(1).schema).equals(arrow(1000))


def test_dataframe_insert_gives_back_what_was_put_in(client: Client, table: str) -> None:
    pytest.importorskip("pandas")
    client.insert_arrow(table, arrow(50))
    frame = client.query_df(f"SELECT id + 50 AS id, name, at, kind FROM {table} ORDER BY id")
    client.insert_df(table, frame)
    assert client.query(f"SELECT count(), max(id) FROM {table}").result_rows == [(100, 99)]


def test_text_inserts_and_values(client: Client, table: str) -> None:
    client.raw_insert(table, ["id", "name"], b"1\ta\n2\tb\n", fmt="TSV")
    client.raw_insert(table, ["id", "name"], b'{"id": 3, "name": "c"}\n', fmt="JSONEachRow")
    client.command(f"INSERT INTO {table} (id, name) VALUES (4, upper('d')), (2 + 3, 'INFILE')")
    client.command(f"INSERT INTO {table} (id, name) SELECT 6, 'f'")
    names = client.query(f"SELECT name FROM {table} ORDER BY id").result_columns[0]
    assert list(names) == ["a", "b", "c", "D", "INFILE", "f"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", "it's \\ \t\n 名 {x:Int32} -- ; "),
        ("Int64", -(2**62)),
        ("Float64", 1.5),
        ("DateTime64(3, 'UTC')", AT),
        ("Array(String)", ["a'b", "名\t", ""]),
        ("Array(Int32)", list(range(2000))),
        ("Nullable(String)", None),
    ],
)
def test_bind_parameters(client: Client, kind: str, value: Any) -> None:
    name = "x_64" if kind.startswith("DateTime64") else "x"
    assert client.query(f"SELECT {{x:{kind}}}", parameters={name: value}).result_rows == [(value,)]


def test_settings_hold_for_their_request_only(client: Client) -> None:
    ask = "SELECT getSetting('max_block_size')"
    usual = client.query(ask).result_rows
    assert client.query(ask, settings={"max_block_size": 77}).result_rows == [(77,)]
    assert client.query(ask).result_rows == usual
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING") as refused:
        client.query(ask, settings={"no_such_setting": 1})
    assert refused.value.code == 115


def test_session_keeps_temporary_tables_and_a_single_request_does_not(connect: Connect) -> None:
    session = connect()
    session.command("CREATE TEMPORARY TABLE passing (id Int32)")
    session.command("INSERT INTO passing VALUES (7)")
    assert session.query("SELECT * FROM passing").result_rows == [(7,)]
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        connect().query("SELECT * FROM passing")


@pytest.mark.parametrize(
    ("sql", "code", "status", "words"),
    [
        ("SELECT * FROM no_such_table", 60, 404, "no_such_table"),
        ("SELECT no_such_column FROM system.one", 47, 404, "no_such_column"),
        ("SELEC 1", 62, 400, "Syntax error"),
        ("SELECT 1; SELECT 2", 62, 400, "Multi-statements"),
        ("SELECT throwIf(1, 'on purpose')", 395, 500, "on purpose"),
        ("SELECT * FROM no_such_database.t", 81, 404, "no_such_database"),
        ("SELECT 1 FORMAT NoSuchFormat", 73, 404, "NoSuchFormat"),
        ("INSERT INTO no_such_table FORMAT TSV\n1", 60, 404, "no_such_table"),
        ("", 62, 400, ""),
    ],
)
def test_errors_have_clickhouse_code_status_and_text(
    http: httpx.Client, sql: str, code: int, status: int, words: str
) -> None:
    answer = http.post("/", content=sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert words in answer.text


def test_client_sees_code_and_text(client: Client) -> None:
    with pytest.raises(DatabaseError, match="no_such_table") as refused:
        client.query("SELECT * FROM no_such_table")
    assert (refused.value.code, refused.value.name) == (60, "UNKNOWN_TABLE")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM python(reader)",
        "INSERT INTO FUNCTION file('/tmp/chengnao-hole', 'TSV', 'a String') VALUES ('x')",
        "INSERT INTO no_matter FROM INFILE '/etc/passwd' FORMAT TSV",
        "SELECT 1 INTO OUTFILE '/tmp/chengnao-hole'",
        "CREATE TABLE hole (line String) ENGINE = File(LineAsString)",
        "CREATE TABLE hole (line String) ENGINE = URL('http://127.0.0.1:1/', 'TSV')",
        "CREATE DATABASE hole ENGINE = Filesystem('/etc')",
        "CREATE DICTIONARY hole (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'TSV'))"
        " LAYOUT(FLAT()) LIFETIME(1)",
        "CREATE VIEW hole AS SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "BACKUP DATABASE chengnao TO File('/tmp/chengnao-hole')",
        "SYSTEM SHUTDOWN",
        "CREATE USER intruder",
    ],
)
def test_no_statement_reaches_files_or_addresses(http: httpx.Client, sql: str) -> None:
    answer = http.post("/", content=sql)
    assert answer.status_code in (403, 404), answer.text
    assert "root:" not in answer.text
    assert not Path("/tmp/chengnao-hole").exists()


def test_get_may_only_read(http: httpx.Client, table: str) -> None:
    assert http.get("/", params={"query": f"SELECT count() FROM {table}"}).text == "0\n"
    answer = http.get("/", params={"query": f"INSERT INTO {table} (id) SELECT 1"})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


def test_who_is_not_known_is_turned_away(http: httpx.Client, connect: Connect, store: str) -> None:
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED") as refused:
        connect(password="wrong")
    assert refused.value.code == 516
    for headers in ({"X-ClickHouse-Key": ""}, {"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}):
        answer = http.post("/", content="SELECT 1", headers=headers)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    anonymous = httpx.post(store, content="SELECT 1")
    assert (anonymous.status_code, anonymous.headers["X-ClickHouse-Exception-Code"]) == (401, "194")
    assert httpx.get(f"{store}/ping").text == "Ok.\n"


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_compression_both_ways(connect: Connect, table: str, compress: str | bool) -> None:
    client = connect(compress=compress)
    client.insert(table, rows(30_000), column_names=COLUMNS)
    assert sum(client.query(f"SELECT id FROM {table}").result_columns[0]) == sum(range(30_000))


def test_coded_statement_and_answer_without_the_client(http: httpx.Client) -> None:
    answer = http.post(
        "/?enable_http_compression=1",
        content=gzip.compress(b"SELECT number FROM numbers(100000)"),
        headers={"Content-Encoding": "gzip", "Accept-Encoding": "gzip"},
    )
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text == "".join(f"{i}\n" for i in range(100_000))
    broken = http.post("/", content=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert (broken.status_code, broken.headers["X-ClickHouse-Exception-Code"]) == (400, "271")


@pytest.mark.parametrize("format_name", ["JSON", "CSVWithNames", "Parquet", "ArrowStream", "TabSeparated"])
def test_large_result_is_one_document_in_each_format(client: Client, format_name: str) -> None:
    raw = client.raw_query("SELECT number AS n FROM numbers(200000)", fmt=format_name)
    if format_name == "JSON":
        assert json.loads(raw)["rows"] == 200_000
    elif format_name == "ArrowStream":
        assert pa.ipc.open_stream(raw).read_all().num_rows == 200_000
    elif format_name == "Parquet":
        assert raw[:4] == raw[-4:] == b"PAR1"
    else:
        assert raw.count(b"\n") == 200_000 + (format_name == "CSVWithNames")


def test_stream_of_rows_and_of_arrow_batches(client: Client) -> None:
    sql = "SELECT number, toString(number) AS s FROM numbers(1000000)"
    with client.query_row_block_stream(sql) as blocks:
        sizes = [len(block) for block in blocks]
    assert (sum(sizes), len(sizes) > 5) == (1_000_000, True)
    with client.query_arrow_stream(sql) as batches:
        assert sum(batch.num_rows for batch in batches) == 1_000_000


def test_stream_that_fails_midway_tells_it(client: Client, http: httpx.Client) -> None:
    sql = "SELECT throwIf(number = 2000000, 'midway') FROM numbers(5000000)"

    def read_all() -> None:
        with client.query_row_block_stream(sql) as blocks:
            for _ in blocks:
                pass

    with pytest.raises(Exception, match="midway"):
        read_all()
    with pytest.raises(httpx.RemoteProtocolError):  # no reader may take the part for the whole
        http.post("/", content=sql)


def test_memory_of_the_server_stays_flat_under_a_slow_reader_of_a_large_result(
    client: Client, http: httpx.Client, settings: Settings
) -> None:
    before = resident(settings)
    with http.stream("POST", "/", content="SELECT number, randomString(100) FROM numbers(5000000)") as answer:
        pieces = answer.iter_raw()
        for _ in range(200):
            next(pieces)
            time.sleep(0.005)
        grown = resident(settings) - before
    assert grown < 150 * 2**20


def test_query_of_a_client_that_left_ends_at_its_time_limit(client: Client, http: httpx.Client) -> None:
    mark = uuid.uuid4().hex
    query = f"SELECT number, '{mark}' FROM numbers(100000000000)"
    with http.stream("POST", "/?max_execution_time=3", content=query) as answer:
        next(answer.iter_raw())
    assert client.query("SELECT 1").result_rows == [(1,)]
    deadline = time.monotonic() + 15
    while running(client, mark):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_readers_and_writers_beside_each_other(connect: Connect, client: Client, table: str) -> None:
    stop = threading.Event()

    def write(number: int) -> int:
        mine = connect()
        for batch in range(25):
            mine.insert_arrow(table, arrow(2000, (number * 25 + batch) * 2000))
        return 25 * 2000

    def read() -> int:
        mine = connect()
        last = 0
        while not stop.is_set():
            count = int(mine.query(f"SELECT count() FROM {table}").result_rows[0][0])
            assert count >= last
            assert mine.query("SELECT sum(number) FROM numbers(1000)").result_rows == [(499_500,)]
            last = count
        return last

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        written = sum(pool.map(write, range(4)))
        stop.set()
        assert all(reader.result() <= written for reader in readers)
    assert client.query(f"SELECT count(), uniqExact(id) FROM {table}").result_rows == [(written, written)]


def test_grouping_with_many_keys_always_ends(client: Client) -> None:
    # In several threads this hangs the engine within a few dozen tries.
    sql = "SELECT number % 100000 AS k, count() AS n FROM numbers(500000) GROUP BY k"
    for _ in range(40):
        assert client.query_arrow(sql).num_rows == 100_000


def test_answer_names_format_query_and_summary(http: httpx.Client, table: str) -> None:
    answer = http.post("/?query_id=mine&wait_end_of_query=1&default_format=JSONEachRow", content="SELECT 1 AS a")
    assert answer.text == '{"a":1}\n'
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["result_rows"] == "1"
    inserted = http.post("/", params={"query": f"INSERT INTO {table} (id) FORMAT TSV"}, content=b"1\n2\n")
    assert json.loads(inserted.headers["X-ClickHouse-Summary"])["written_rows"] == "2"


def test_many_bind_values_come_as_a_form(client: Client) -> None:
    names = [f"device-{i:08}" for i in range(5000)]
    assert client.query("SELECT length({x:Array(String)})", parameters={"x": names}).result_rows == [(5000,)]


def test_external_tables_are_refused_in_words(client: Client) -> None:
    extra = ExternalData(file_name="x.csv", data=b"1\n", fmt="CSV", structure="id Int32")
    with pytest.raises(DatabaseError, match="external tables are not served") as refused:
        client.query("SELECT * FROM x", external_data=extra)
    assert refused.value.code == 48


def test_session_runs_one_statement_at_a_time(http: httpx.Client) -> None:
    name = uuid.uuid4().hex
    missing = http.post(f"/?session_id={name}&session_check=1", content="SELECT 1")
    assert (missing.status_code, missing.headers["X-ClickHouse-Exception-Code"]) == (404, "372")
    with http.stream("POST", f"/?session_id={name}", content="SELECT * FROM numbers(100000000)"):
        second = http.post(f"/?session_id={name}", content="SELECT 1")
        assert (second.status_code, second.headers["X-ClickHouse-Exception-Code"]) == (423, "373")


def running(client: Client, mark: str) -> int:
    sql = (
        "SELECT count() FROM system.processes"
        " WHERE position(query, {mark:String}) > 0 AND position(query, 'system.processes') = 0"
    )
    return int(client.query(sql, parameters={"mark": mark}).result_rows[0][0])


def resident(settings: Settings) -> int:
    import psutil  # noqa: PLC0415

    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] and process.info["cmdline"][-2:] == ["chengnao.app.process", "store"]:
            try:
                if process.environ().get("CHENGNAO_HOME") == str(settings.home):
                    return int(process.memory_info().rss)
            except psutil.Error:
                continue
    raise AssertionError("the store's process is not found")
