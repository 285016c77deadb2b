"""What the API reads of a job's folder: ends of large logs, curves that can be drawn."""

import time
import tracemalloc
from pathlib import Path

import orjson
import pytest

from chengnao.kernel.errors import Invalid
from chengnao.models.training.folder import POINTS, JobFolder


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    made = JobFolder(tmp_path / "job")
    made.make()
    return made


def test_the_end_of_a_log_of_ten_megabytes_is_read_and_not_the_log(folder: JobFolder) -> None:
    line = "训练日志 training log line\n".encode()
    folder.log.write_bytes(line * (10 * 2**20 // len(line)) + "最后一行\n".encode())
    tracemalloc.start()
    began = time.perf_counter()
    tail, size = folder.log_tail(4096)
    taken = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == folder.log.stat().st_size > 10_000_000
    assert tail.endswith("最后一行\n")
    assert tail.startswith("训练日志")
    assert len(tail.encode()) <= 4096
    assert peak < 200_000
    assert taken < 0.5


def test_curves_are_thinned_and_what_was_done_twice_counts_once(folder: JobFolder) -> None:
    lines = [["loss", step, 1.0 / step] for step in range(1, 5001)]
    again = [["loss", step, 0.5] for step in range(4000, 5001)]
    folder.metrics.write_bytes(b"\n".join(orjson.dumps(each) for each in lines + again) + b'\n["loss", 50')
    steps, values = folder.curves()["loss"]
    assert len(steps) == len(values) == POINTS
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1], values[-1]) == (1, 5000, 0.5)


def test_what_is_not_there_yet_is_empty(folder: JobFolder) -> None:
    assert folder.log_tail() == ("", 0)
    assert folder.curves() == {}
    assert folder.progress() is None
    assert folder.outcome() is None


def test_a_broken_file_of_progress_is_no_error(folder: JobFolder) -> None:
    (folder.path / "progress.json").write_bytes(b"{")
    assert folder.progress() is None


@pytest.mark.parametrize("job_id", ["", "..", "../x", "a/b", "A"])
def test_an_id_never_leads_out_of_the_folder(job_id: str) -> None:
    with pytest.raises(Invalid):
        JobFolder.of(Path("/nowhere"), job_id)
