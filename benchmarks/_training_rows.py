"""Rows for `training_set.py`, chosen so that Feast's answer and ours have to be the same.

Feast takes a row to be known from its event timestamp on, we from the end of its partition on. The
two agree on every row when

* (upsert) spines ask at midnight, where daily partitions end, and no event happens at midnight;
* (snapshot) every partition holds every entity, stamped with the partition's end, as our tables do.

There is one row per entity and event timestamp: our tables refuse others, and peers are spared the
work of choosing. Beside them lie files in which a fiftieth of the rows was stated twice, with other
values first: a peer that is told when each was `created` has to come to the same answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from headrace.resources.offline.table_spec import EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE

GROUPS, FEATURES = 5, 3
TTL = timedelta(days=30)
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 180
ROWS_PER_ENTITY = 100

_DAY_SECONDS = 86_400
# A hundred daily snapshots with a hole in which the TTL of 30 days runs out.
_SNAPSHOT_DAYS = (*range(60), *range(105, 145))
_RESTATED = 0.02
_UNKNOWN = 1.02  # a fiftieth of the entities asked for has no row


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows a spine and each group have."""

    spine: int
    group: int

    @property
    def entities(self) -> int:
        """How many entities the groups know."""
        return self.group // ROWS_PER_ENTITY


def group_files(folder: Path, group: int) -> Path:
    """The folder that Feast, DuckDB and our join of unsorted files read.

    A file for each month, with its rows as they arrived: in time's order, not sorted by entity.
    """
    return folder / f"g{group}"


def restated_files(folder: Path, group: int) -> Path:
    """The same with some rows stated twice, and a column that says when each was `created`."""
    return folder / f"g{group}_restated"


def spine_file(folder: Path) -> Path:
    """The file of the spine: customer, event timestamp, label, number of the row."""
    return folder / "spine.parquet"


def result_file(folder: Path, contender: str) -> Path:
    """Where a contender leaves its answer, by number of the row."""
    return folder / f"result-{contender}.parquet"


def generate(
    folder: str, kind: str, *, spine: int, group: int, groups: int = GROUPS
) -> dict[str, float]:
    """Write the files of `"upsert"` or `"snapshot"` groups; the same arguments, the same rows."""
    size, at = Size(spine, group), Path(folder)
    at.mkdir(parents=True, exist_ok=True)
    for number in range(groups):
        chance = np.random.default_rng(100 + number)
        rows = _events(chance, size) if kind == "upsert" else _snapshots(size)
        names = [f"f{number}" for number in range(FEATURES)]
        values = {name: chance.random(rows.height) for name in names}
        rows = rows.with_columns(**values)
        _write_months(rows, group_files(at, number))
        _write_months(_restated(chance, rows), restated_files(at, number))
    _spine(size, kind).write_parquet(spine_file(at))
    return {}


def days(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows by the key of their daily partition, in order."""
    yield from _cut(rows, "%Y-%m-%d")


def _write_months(rows: pl.DataFrame, folder: Path) -> None:
    folder.mkdir()
    for month, part in _cut(rows, "%Y-%m"):
        part.write_parquet(
            folder / f"{month}.parquet",
            compression="zstd",
            compression_level=1,
            row_group_size=500_000,
        )


def _cut(rows: pl.DataFrame, form: str) -> Iterator[tuple[str, pl.DataFrame]]:
    # A snapshot bears the end of its partition, which is the start of the next.
    began = pl.col(EVENT_TIMESTAMP) - pl.duration(microseconds=1)
    cut = rows.with_columns(cut=began.dt.strftime(form))
    parts = cut.partition_by("cut", as_dict=True, include_key=False)
    for (key,), part in sorted(parts.items()):
        yield str(key), part


def _restated(chance: np.random.Generator, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, each created an hour after it happened; before some of them a first, wrong one."""
    created = rows.with_columns(created=pl.col(EVENT_TIMESTAMP) + pl.duration(hours=1))
    first = created.filter(pl.Series(chance.random(rows.height) < _RESTATED)).with_columns(
        pl.col("^f.$") + 1, created=pl.col(EVENT_TIMESTAMP) + pl.duration(minutes=1)
    )
    return pl.concat([first, created]).sort(EVENT_TIMESTAMP, maintain_order=True)


def _events(chance: np.random.Generator, size: Size) -> pl.DataFrame:
    """Events at any second but midnight, in the order in which they happened."""
    seconds = chance.integers(0, DAYS * _DAY_SECONDS, size.group)
    seconds += seconds % _DAY_SECONDS == 0
    customers = chance.integers(0, size.entities, size.group)
    place = np.unique(seconds << 32 | customers)
    return pl.DataFrame(
        {"customer_id": place & 0xFFFF_FFFF, EVENT_TIMESTAMP: _instants(place >> 32)}
    )


def _snapshots(size: Size) -> pl.DataFrame:
    """Every customer at every end of a partition, day by day."""
    ends = (np.array(_SNAPSHOT_DAYS) + 1) * _DAY_SECONDS
    customers = np.arange(size.entities)
    return pl.DataFrame(
        {
            "customer_id": np.tile(customers, len(ends)),
            EVENT_TIMESTAMP: _instants(np.repeat(ends, len(customers))),
        }
    )


def _spine(size: Size, kind: str) -> pl.DataFrame:
    chance = np.random.default_rng(7)
    customers = chance.integers(0, int(size.entities * _UNKNOWN), size.spine)
    if kind == "upsert":
        seconds = chance.integers(0, DAYS + 1, size.spine) * _DAY_SECONDS
    else:
        seconds = chance.integers(0, DAYS * _DAY_SECONDS, size.spine)
    return pl.DataFrame(
        {
            "customer_id": customers,
            EVENT_TIMESTAMP: _instants(seconds),
            "label": chance.integers(0, 2, size.spine).astype(np.int8),
            "row": np.arange(size.spine),
        }
    )


def _instants(seconds: np.ndarray) -> pl.Series:
    begin = int(START.timestamp())
    return pl.Series((seconds + begin) * 1_000_000, dtype=pl.Int64).cast(EVENT_TIMESTAMP_TYPE)
