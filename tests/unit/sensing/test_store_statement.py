"""Where a statement is cut, and which ones never reach the engine."""

import pytest

from chengnao.sensing.store.errors import StoreError
from chengnao.sensing.store.statement import Kind, Statement, parse


def whole(text: str | bytes) -> Statement:
    statement = parse(text.encode() if isinstance(text, str) else text)
    assert statement is not None
    return statement


@pytest.mark.parametrize(
    ("sql", "head", "format_name", "tail"),
    [
        ("SELECT 1", "SELECT 1", None, ""),
        ("SELECT 1 FORMAT JSON", "SELECT 1 ", "JSON", ""),
        ("SELECT 1\n FORMAT Native\n", "SELECT 1\n ", "Native", "\n"),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1;", "SELECT 1 ", "JSON", " SETTINGS a = 1"),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV ; -- done", "SELECT 1 SETTINGS a = 1 ", "CSV", " "),
        ("SELECT format, ' FORMAT x' FROM t", "SELECT format, ' FORMAT x' FROM t", None, ""),
        ("SELECT (SELECT 1 AS FORMAT) AS x", "SELECT (SELECT 1 AS FORMAT) AS x", None, ""),
        ("SELECT 1 /* FORMAT JSON */", "SELECT 1 /* FORMAT JSON */", None, ""),
        ("-- say ; nothing\nSELECT '\\';' FORMAT TSV", "-- say ; nothing\nSELECT '\\';' ", "TSV", ""),
        ("with x as (select 1) select * from x format TSV", "with x as (select 1) select * from x ", "TSV", ""),
        ("(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV", "(SELECT 1) UNION ALL (SELECT 2) ", "TSV", ""),
        ("SHOW TABLES FORMAT JSON", "SHOW TABLES ", "JSON", ""),
    ],
)
def test_query_is_cut_before_its_format(sql: str, head: str, format_name: str | None, tail: str) -> None:
    statement = whole(sql)
    assert (statement.kind, statement.head, statement.format, statement.tail) == (Kind.OUTPUT, head, format_name, tail)


def test_result_goes_into_the_file_before_the_format() -> None:
    sql = whole("SELECT 1 -- one\n FORMAT JSON SETTINGS a = 1").writing_to("/f", "TSV")
    assert sql == "SELECT 1 -- one\n \nINTO OUTFILE '/f' TRUNCATE FORMAT JSON  SETTINGS a = 1"
    assert whole("SELECT 1 -- one").writing_to("/f", "TSV") == "SELECT 1 -- one\nINTO OUTFILE '/f' TRUNCATE FORMAT TSV "


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a Int32) ENGINE = Memory",
        "INSERT INTO t SELECT * FROM u",
        "INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "SET a = 1",
        "SYSTEM RELOAD CONFIG",
    ],
)
def test_commands_are_passed_whole(sql: str) -> None:
    assert whole(sql) == Statement(Kind.COMMAND, sql)


@pytest.mark.parametrize(
    ("text", "expected", "data"),
    [
        (
            b"INSERT INTO t FORMAT TSV\n1\t2\n",
            "INSERT INTO t  FROM INFILE '/f' COMPRESSION 'none'  FORMAT TSV",
            b"1\t2\n",
        ),
        (
            b"INSERT INTO t FORMAT Native\n\n\xff",
            "INSERT INTO t  FROM INFILE '/f' COMPRESSION 'none'  FORMAT Native",
            b"\n\xff",
        ),
        (
            b"insert into d.t (`a`, format) settings x = 'FORMAT CSV' format CSV \r\n1,2",
            "insert into d.t (`a`, format)  FROM INFILE '/f' COMPRESSION 'none' settings x = 'FORMAT CSV'  FORMAT CSV",
            b"1,2",
        ),
        (
            b"INSERT INTO t VALUES (1), (2)",
            "INSERT INTO t  FROM INFILE '/f' COMPRESSION 'none'  FORMAT Values",
            b" (1), (2)",
        ),
        (b"INSERT INTO t FORMAT Arrow", "INSERT INTO t  FROM INFILE '/f' COMPRESSION 'none'  FORMAT Arrow", b""),
    ],
)
def test_insert_is_cut_before_its_settings_and_its_data(text: bytes, expected: str, data: bytes) -> None:
    statement = whole(text)
    assert statement.kind is Kind.INSERT
    assert statement.reading_from("/f") == expected
    assert statement.data == data


def test_insert_is_found_at_whatever_byte_its_text_was_torn() -> None:
    text = b"INSERT INTO `a'b` (x, \"FORMAT Y\") SETTINGS s = 'VALUES' FORMAT ArrowStream\n\xff\xfe\x00 VALUES"
    expected = whole(text)
    for cut in range(len(text)):
        early = parse(text[:cut], complete=False)
        if early is not None:
            assert (early.head, early.tail, early.format) == (expected.head, expected.tail, expected.format)
            assert text[:cut].endswith(early.data)
    assert parse(text, complete=False) == expected


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1 FORMAT TSV; DROP TABLE t", "SET a = 1; SET b = 2"])
def test_two_statements_are_refused(sql: str) -> None:
    with pytest.raises(StoreError, match="Multi-statements") as refused:
        whole(sql)
    assert (refused.value.code, refused.value.status) == (62, 400)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "select 1 into/**/outfile '/tmp/x'",
        "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV",
        "INSERT INTO t SELECT * FROM python(x)",
        "SELECT * FROM `Python`(reader)",
        "SELECT “'” INTO OUTFILE '/tmp/x' --'",
        "SELECT $a$'$a$ INTO OUTFILE '/tmp/x' --'",
        "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/x'",
        "INSERT INTO t SELECT 1 INTO OUTFILE '/tmp/x'",
    ],
)
def test_files_and_objects_of_the_machine_are_refused(sql: str) -> None:
    with pytest.raises(StoreError, match="is not served") as refused:
        whole(sql)
    assert (refused.value.code, refused.value.status) == (497, 403)


def test_data_of_an_insert_may_hold_any_word() -> None:
    assert whole(b"INSERT INTO t FORMAT TSV\nINFILE python\n").data == b"INFILE python\n"


def test_statement_that_is_no_text_is_refused() -> None:
    with pytest.raises(StoreError, match="UTF-8"):
        whole(b"SELECT '\xff'")
