"""How fast thresholds and device faults are evaluated, without the log and the database.

    python -m benchmarks.thresholds [--devices 100000] [--batches 100]

Each batch of 20,000 readings is decoded from the log's own form, looked up, compared with the rules of its class, and
watched for stuck values. One row for a city where all is normal, one where 1 device in 1,000 swings across its
thresholds all the time, and one for the worst case, where every reading moves a level.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from chengnao.kernel.vocabulary import Level
from chengnao.sensing.readings.model import READING_SCHEMA, decode, encode
from chengnao.warning.evaluator import Evaluator
from chengnao.warning.faults import Duty, FaultDetector
from chengnao.warning.model import Direction, ThresholdRule
from chengnao.warning.series import SeriesIndex

BATCH = 20_000
START = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)
LEVELS = {Level.RED: 30.0, Level.ORANGE: 20.0, Level.YELLOW: 10.0}


def rules() -> list[ThresholdRule]:
    """One rule above and one below, on each of two metrics."""
    return [
        ThresholdRule(
            id=f"{metric}-{direction}",
            device_class="gauge",
            device_id=None,
            metric=metric,
            direction=direction,
            levels={level: direction.sign * value for level, value in LEVELS.items()},
            duration_seconds=0,
            hysteresis=1,
            category="other",
            source="benchmark",
            division_code="500000",
            unit_id=None,
        )
        for metric in ("level", "flow")
        for direction in Direction
    ]


def batches(devices: int, count: int, swinging: float) -> Iterator[bytes]:
    """Every device in turn, two metrics; a share of them jumps between normal and grave at each reading."""
    rng = np.random.default_rng(1)
    names = np.array([f"device-{number:07d}" for number in range(devices)])
    for number in range(count):
        row = np.arange(number * BATCH, (number + 1) * BATCH)
        device, metric, turn = row // 2 % devices, row % 2, row // 2 // devices
        value = rng.normal(0, 2, BATCH)
        wild = device < devices * swinging
        value[wild] = np.where(turn[wild] % 2 == 0, 25.0, 0.0)
        moment = pa.array(START + turn * 60_000, pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        columns = [
            pa.array(names[device]),
            pa.array(np.array(["level", "flow"])[metric]),
            moment,
            pa.array(value),
            pa.array(["good"] * BATCH),
            moment,
        ]
        yield encode(pa.Table.from_arrays(columns, schema=READING_SCHEMA))


def measure(devices: int, count: int, swinging: float) -> tuple[float, float, int]:
    """Readings a second, the slowest batch in milliseconds, and how many levels changed."""
    ids = [f"device-{number:07d}" for number in range(devices)]
    index = SeriesIndex(((device, "gauge") for device in ids), {"gauge": ["level", "flow"]})
    evaluator = Evaluator(rules(), index)
    faults = FaultDetector(index, Duty({("gauge", "level"): 3600.0}, dict.fromkeys(ids, 60.0)), [], START)
    spent, worst, steps = 0.0, 0.0, 0
    for payload in batches(devices, count, swinging):
        begin = time.perf_counter()
        rows = index.read(decode(payload))
        steps += len(evaluator.evaluate(rows))
        faults.observe(rows)
        took = time.perf_counter() - begin
        spent, worst = spent + took, max(worst, took)
    return count * BATCH / spent, worst * 1000, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=100)
    options = parser.parse_args()
    table = Table(title=f"Thresholds: {options.devices:,} devices, 4 rules, batches of {BATCH:,}")
    for heading in ("city", "readings/s", "slowest batch, ms", "level changes"):
        table.add_column(heading, justify="left" if heading == "city" else "right")
    for name, share in (("all normal", 0.0), ("1 in 1,000 swings", 0.001), ("every reading moves a level", 1.0)):
        rate, worst, steps = measure(options.devices, options.batches, share)
        table.add_row(name, f"{rate:,.0f}", f"{worst:.1f}", f"{steps:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
