"""How fast the console's pages answer over a full store: 50,000 incidents with 200,000 entries in their timelines.

Starts the platform in a data folder of its own, fills its database, and asks over HTTP as the console does:

    python -m benchmarks.incidents [--incidents 50000] [--times 60]
"""

import argparse
import time
from collections.abc import Callable

import httpx
import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

from chengnao.kernel.database import plain_url
from chengnao.kernel.engines import database_url
from tests.support import town
from tests.support.platform import Client, running_platform

err = Console(stderr=True)

FILL = """
INSERT INTO incidents (id, number, title, description, category, grade, state, source, division_code, desk_code,
  unit_id, lon, lat, address, opened_at, entered_at, due_at, close_by, accept_by, handle_by, closed_at, entry,
  escalation, version, returns, reopened, urged, binding, closed_at_intake, dispatched_at, handled_at, verified_at)
SELECT 'bench-' || n, 'BX-20260101-' || lpad(n::text, 6, '0'),
  (ARRAY['路灯不亮', '井盖松动', '水管漏水', '夜间施工噪声', '垃圾未清运', '占道停车', '路面坑洼', '树木倒伏'])
    [1 + n %% 8] || '，' ||
    (ARRAY['解放碑', '七星岗', '大溪沟', '上清寺', '南纪门', '朝天门'])[1 + n %% 6] || '街道第' || n || '号附近',
  '居民反映，已多次发生，请尽快处理，编号' || n, 'road_damage', 1 + n %% 4, s.state, 'manual',
  '500103' || lpad((1 + n %% 12)::text, 3, '0'), '500103',
  CASE WHEN s.state = 'new' THEN NULL ELSE %(unit)s END, 106.53 + (n %% 997) * 0.00006, 29.53 + (n %% 991) * 0.00004,
  '民权路' || n || '号', o.at, o.at + '1 h', CASE WHEN s.state = 'closed' THEN NULL ELSE o.at + '30 d' END,
  o.at + '7 d', o.at + '4 h', o.at + '3 d', CASE WHEN s.state = 'closed' THEN o.at + '9 h' END, 2, 0, 4, 0, 0, 0,
  false, false, o.at + '1 min', CASE WHEN s.state = 'closed' THEN o.at + '8 h' END,
  CASE WHEN s.state = 'closed' THEN o.at + '8 h 30 min' END
FROM generate_series(1, %(count)s) AS n,
  LATERAL (SELECT CASE WHEN n %% 10 <> 0 THEN 'closed'
    ELSE (ARRAY['new', 'dispatched', 'accepted'])[1 + n / 10 %% 3] END AS state) AS s,
  LATERAL (SELECT now() - (%(count)s - n) * interval '40 s' AS at) AS o;
INSERT INTO incident_timeline (incident_id, seq, at, actor_kind, actor_id, actor_name, action, from_state, to_state,
  reason, data)
SELECT i.id, e.seq, i.opened_at + e.seq * interval '1 h', 'user', 'bench', '张工', e.action, e.before,
  CASE WHEN e.seq = 4 THEN i.state ELSE e.after END, '', jsonb_build_object('unit_id', i.unit_id)
FROM incidents AS i, (VALUES (1, 'open', NULL, 'new'), (2, 'dispatch', 'new', 'dispatched'),
  (3, 'accept', 'dispatched', 'accepted'), (4, 'note', 'accepted', 'accepted')) AS e (seq, action, before, after)
WHERE i.id LIKE 'bench-%%';
INSERT INTO incident_tasks (id, incident_id, seq, role, state, unit_id, division_code, dispatched_at, accept_by,
  accepted_at, handle_by, handled_at, reworked)
SELECT 'task-' || i.id, i.id, 1, 'lead', CASE i.state WHEN 'closed' THEN 'handled' ELSE i.state END, %(unit)s,
  i.division_code, i.opened_at, i.accept_by, i.opened_at + '1 h', i.handle_by,
  CASE i.state WHEN 'closed' THEN i.opened_at + '8 h' END, 0
FROM incidents AS i WHERE i.id LIKE 'bench-%%' AND i.state <> 'new';
"""


def fill(url: str, count: int) -> int:
    """Put so many incidents into the database; returns how many entries their timelines have."""
    with psycopg.connect(plain_url(url), autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(FILL, {"count": count, "unit": town.UNIT})
        connection.execute("ANALYZE")
        row = connection.execute("SELECT count(*) FROM incident_timeline").fetchone()
        assert row is not None
        return int(row[0])


def measure(what: str, limit: str, times: int, ask: Callable[[int], httpx.Response], table: Table) -> None:
    spent = []
    for number in range(times + 3):
        began = time.perf_counter()
        answer = ask(number)
        spent.append(time.perf_counter() - began)
        assert answer.is_success, f"{what}: {answer.status_code} {answer.text[:300]}"
    ms = np.array(spent[3:]) * 1000
    table.add_row(what, f"{np.median(ms):.0f}", f"{np.quantile(ms, 0.95):.0f}", f"{ms.max():.0f}", limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=60)
    arguments = parser.parse_args()
    with running_platform(demonstration=False) as platform:
        town.found_in(platform.settings)
        began = time.monotonic()
        entries = fill(database_url(platform.settings), arguments.incidents)
        err.print(f"{arguments.incidents:,} incidents, {entries:,} entries in {time.monotonic() - began:.1f} s")
        officer, handler = platform.client("officer"), platform.client("handler")
        waiting = officer.read("/api/incidents", state="dispatched", size=200)["items"]
        table = Table(title=f"{arguments.incidents:,} incidents, {entries:,} timeline entries, over HTTP")
        for column in ("", "p50 ms", "p95 ms", "worst ms", "aim, p95"):
            table.add_column(column)

        def get(path: str, who: Client = officer, **params: str | int) -> Callable[[int], httpx.Response]:
            return lambda number: who.get(path, params=params)

        def search(number: int) -> httpx.Response:
            words = ("井盖", "朝天门", "漏水", "民权路12345", "不会有的词", "BX-20260101-04")[number % 6]
            return officer.get("/api/incidents", params={"q": words})

        def change(number: int) -> httpx.Response:
            incident = waiting[number]
            return handler.post(
                f"/api/incidents/{incident['id']}/actions/accept", json={"version": incident["version"]}
            )

        times = arguments.times
        measure("list, first page", "300 ms", times, get("/api/incidents"), table)
        measure(
            "list of the open ones by deadline",
            "300 ms",
            times,
            get("/api/incidents", state="open", sort="due_at"),
            table,
        )
        measure("list, search", "300 ms", times, search, table)
        measure("tasks of the own unit", "300 ms", times, get("/api/tasks/mine", handler), table)
        measure("one incident", "-", times, get(f"/api/incidents/{waiting[-1]['id']}"), table)
        measure("one status change", "200 ms", min(times, len(waiting) - 4), change, table)
        measure("map, first view", "1 s", times, get("/api/situation/map"), table)
        measure("situation", "1 s", times, get("/api/situation"), table)
        measure("duty list", "300 ms", times, get("/api/supervision/duty-list"), table)
        measure("evaluation of 30 days by unit", "-", max(5, times // 6), get("/api/evaluation", by="unit"), table)
        Console().print(table)


if __name__ == "__main__":
    main()
