"""`chengnao indicators` against a database of its own."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from chengnao.app.cli import app
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, plain_url
from chengnao.kernel.errors import Invalid
from tests.support.loop import START, make_city
from tests.support.recount import TOTAL, recount
from tests.support.wandering import Wanderer

pytestmark = pytest.mark.engines


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with some history, which the settings of the command name."""

    async def live() -> None:
        clock = FixedClock(START)
        database = Database.connect(database_url, clock)
        await make_city(database)
        await Wanderer(database, clock, 7).live(150)
        await database.close()

    asyncio.run(live())
    monkeypatch.setenv("CHENGNAO_DATABASE_URL", database_url)
    monkeypatch.setenv("CHENGNAO_HOME", str(tmp_path))
    return database_url


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["indicators", *arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done


def test_the_command_tells_the_figures_of_the_installation(url: str) -> None:
    done = run("--from", "2026-11-25", "--to", "2026-11-30", "--by", "tier", "--json")
    rows = {row["key"]: row for row in map(json.loads, done.stdout.splitlines())}
    # Days are local, and the last one counts whole.
    since, until = datetime(2026, 11, 24, 16, tzinfo=UTC), datetime(2026, 11, 30, 16, tzinfo=UTC)
    told = recount(plain_url(url), since, until, datetime.now(UTC))
    assert set(rows) == {*told["tier"], "total"}
    assert rows["total"]["opened"] == told[TOTAL][TOTAL].count("opened") > 0
    for tier, recounted in told["tier"].items():
        assert rows[tier]["accept_rate"] == recounted.rate("accept_rate")
        assert rows[tier]["time_accept"]["median"] == pytest.approx(recounted.quantile("time_accept", 0.5))


def test_people_get_a_table_in_both_languages(url: str) -> None:
    shown = run("--from", "2026-11-25", "--to", "2026-12-30").stdout
    for text in ("市水务集团", "合计"):
        assert text in shown


def test_the_log_is_recomputed_on_demand(url: str) -> None:
    period = ("--from", "2026-11-25", "--to", "2026-12-30")
    assert "差异 0" in run(*period, "--recompute").stdout
    with psycopg.connect(plain_url(url)) as connection:
        connection.execute("UPDATE incidents SET returns = returns + 1 WHERE id = (SELECT min(id) FROM incidents)")
    done = run(*period, "--recompute", "--json")
    checked = json.loads(done.stdout.splitlines()[-1])
    assert (checked["check"], checked["differing"]) == ("log", 1)
    assert [each["field"] for each in checked["differences"]] == ["returns"]
    assert done.exit_code == 1


@pytest.mark.parametrize(("field", "value"), [("--by", "colour"), ("--from", "yesterday"), ("--to", "2026")])
def test_a_wrong_option_is_named(url: str, field: str, value: str) -> None:
    with pytest.raises(Invalid) as raised:
        run(field, value)
    assert (raised.value.params["field"], raised.value.params["value"]) == (field, value)
