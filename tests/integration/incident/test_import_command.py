"""The whole way of a file, by the command and over HTTP, on a running platform."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.platform import Client, Platform, running_platform

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

TABLE = "工单号,诉求内容,类别,区县,地址,来电时间,办结时间,状态\n" + "".join(
    f"{number},第{number}盏路灯不亮,路灯故障,渝中区,民权路,2025-03-01,2025-03-02,已办结\n" for number in range(250)
)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(demonstration=False) as running:
        running.run("user", "add", "desk", "--role", "dispatcher")
        yield running


def finished(client: Client, import_id: str) -> dict[str, Any]:
    for _ in range(600):
        job: dict[str, Any] = client.read(f"/api/imports/{import_id}")
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.2)
    raise AssertionError(job)


def test_a_file_goes_in_by_the_command_once(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "台账.csv"
    file.write_text(TABLE + "x,坏行,路灯故障,渝中区,民权路,昨天,2025-03-02,已办结\n", "gbk")
    done = platform.run("reports", "import", str(file), "--channel", "hotline", "--json", check=False)
    assert done.returncode == 1, done.stderr
    wrong, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert (wrong["state"], wrong["row"], wrong["column"]) == ("rejected", 252, "来电时间")
    assert (summary["accepted"], summary["rejected"], summary["historic"]) == (250, 1, True)
    again = platform.run("reports", "import", str(file), "--channel", "hotline", check=False)
    assert "接收 0，未通过 1，此前已导入 250" in again.stdout
    assert list((platform.home / "imports").iterdir()) == []


def test_a_file_without_a_header_ends_the_command_with_the_reason(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "台账.csv"
    file.write_text("1,路灯不亮\n", "utf-8")
    done = platform.run("reports", "import", str(file), check=False)
    assert done.returncode == 2
    assert "找不到表头" in done.stderr


def test_a_file_goes_in_over_http_and_its_bad_row_is_put_right(platform: Platform) -> None:
    client = platform.client("desk")
    data = "诉求内容,区县,经度,纬度\n井盖没了,渝中区,东边,29.555\n路灯不亮,渝中区,106.57,29.555\n".encode()
    answer = client.post("/api/reports/import", files={"file": ("新诉求.csv", data)}, data={"crs": "wgs84"})
    assert answer.status_code == 202, answer.text
    job = finished(client, answer.json()["id"])
    assert (job["state"], job["accepted"], job["rejected"], job["historic"]) == ("done", 1, 1, False)
    path = f"/api/imports/{job['id']}/rows"
    (row,) = client.read(path, state="rejected")["items"]
    assert row["errors"][0]["column"] == "经度"
    answer = client.put(f"{path}/{row['number']}", json={"cells": {"经度": "106.571"}})
    assert answer.json()["state"] == "accepted", answer.text
    incident = client.read(f"/api/incidents/{answer.json()['incident_id']}")
    assert (incident["division_code"], incident["lon"]) == ("500103", 106.571)
    listed = client.read("/api/imports")["items"]
    assert listed[0]["accepted"] == 2
    client.close()
