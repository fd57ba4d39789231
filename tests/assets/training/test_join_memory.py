"""How much memory a join and a refresh of the history take; run as a program, at any size."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headrace.assets.training.feature_columns import references, resolve
from headrace.assets.training.join import joined
from headrace.contract.feature_group import DType, FeatureSpec
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Computation
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import DAY, LAST_BASKET, START, day

DAYS, AT_ONCE = 90, 15
GROUP = replace(
    LAST_BASKET,
    features=tuple(FeatureSpec(f"f{number}", DType.FLOAT64) for number in range(3)),
    ttl=timedelta(days=30),
)
TABLE = feature_table(GROUP, buckets=16)
MEGABYTE = 1_000_000


def fill(root: str, rows: int) -> None:
    """Commit so many rows of one hundredth as many households, day by day."""
    table, random = OfflineStore(root).table(TABLE), np.random.default_rng(0)
    for first in range(0, DAYS, AT_ONCE):
        partitions = [
            Computation(day(number), some_rows(random, number, rows), str(number), {})
            for number in range(first, first + AT_ONCE)
        ]
        table.commit_all(partitions, run_id="run", code_version="code")


def some_rows(random: np.random.Generator, number: int, rows: int) -> pl.DataFrame:
    count = rows // DAYS
    times = random.integers(0, 86_400_000_000, count)
    start = pl.lit(START + number * DAY, pl.Datetime("us", "UTC"))
    return (
        pl.DataFrame(
            {
                "household_id": random.integers(0, rows // 100, count),
                **{f"f{feature}": random.random(count) for feature in range(3)},
            }
        )
        .select(
            "household_id",
            (start + pl.Series("event_timestamp", times).cast(pl.Duration("us"))).alias(
                "event_timestamp"
            ),
            pl.col("^f.$"),
        )
        .unique(["household_id", "event_timestamp"])
    )


def join(root: str, rows: int, asked: int) -> None:
    random = np.random.default_rng(1)
    times = pl.Series(random.integers(0, DAYS * 86_400_000_000, asked)).cast(pl.Duration("us"))
    spine = pl.DataFrame({"household_id": random.integers(0, rows // 100, asked)}).with_columns(
        (pl.lit(START, pl.Datetime("us", "UTC")) + times).alias("event_timestamp")
    )
    groups, _ = resolve(references("last_basket"), OfflineStore(root), None)
    frame = joined(spine, groups)
    assert frame["last_basket__f0"].null_count() < asked / 10


def refresh(root: str) -> None:
    refresh_history(OfflineStore(root).table(TABLE))


def memory(kind: str) -> int:
    """Bytes of memory now (`VmRSS`), or at most since the program began (`VmHWM`)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{kind}:")[1].split()[0]) * 1024


def taken(step: str, root: Path, rows: int, asked: int) -> int:
    """How many bytes a step took at most, in a program of its own."""
    arguments = [step, str(root), str(rows), str(asked)]
    output = subprocess.check_output([sys.executable, "-m", __name__, *arguments], text=True)
    return int(output)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_join_takes_the_memory_of_its_spine_and_of_a_few_buckets(tmp_path: Path) -> None:
    """In memory the table is 400 MB, one of its buckets 25 MB, the spine and the result 4 MB."""
    rows, asked = 10 * MEGABYTE, 100_000
    fill(str(tmp_path), rows)

    files_alone = taken("join", tmp_path, rows, asked)
    refreshing = taken("refresh", tmp_path, rows, asked)
    with_history = taken("join", tmp_path, rows, asked)

    assert max(files_alone, refreshing, with_history) < 250 * MEGABYTE


if __name__ == "__main__":
    step, root, rows, asked = sys.argv[1:]
    before = memory("VmRSS")
    if step == "fill":
        fill(root, int(rows))
    elif step == "refresh":
        refresh(root)
    else:
        join(root, int(rows), int(asked))
    sys.stdout.write(str(memory("VmHWM") - before))
