"""Three ways to the same training set: ours on our tables, ours on unsorted files, DuckDB's.

Each is timed from the spine's file to the joined frame in memory. What is imported before, and the
file that keeps the answer for `agreement`, are not in the time.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.benchmarks._cost import measured
from headrace.benchmarks._training_rows import (
    FEATURES,
    GROUPS,
    TTL,
    group_files,
    restated_files,
    result_file,
    spine_file,
)

COLUMNS = [f"g{group}__f{feature}" for group in range(GROUPS) for feature in range(FEATURES)]


def ours_on_tables(folder: str) -> dict[str, float]:
    """`training_frame`, its receipt included, on the tables that our writer wrote."""
    return _measured("ours_on_tables", folder, lambda: _ours(folder, "tables"))


def ours_on_files(folder: str) -> dict[str, float]:
    """The same on the files that the others read."""
    return _measured("ours_on_files", folder, lambda: _ours(folder, "adopted"))


def duckdb_asof(folder: str) -> dict[str, float]:
    """DuckDB's own ASOF JOIN, group after group in one query, on the files."""
    files = [f"'{group_files(Path(folder), group)}/*.parquet'" for group in range(GROUPS)]
    return _measured("duckdb_asof", folder, lambda: _duckdb(Path(folder), files))


def duckdb_asof_restated(folder: str) -> dict[str, float]:
    """The same on the files with rows stated twice, of which the one created last holds."""
    files = [
        f"(SELECT * FROM '{restated_files(Path(folder), group)}/*.parquet'"  # noqa: S608 - names of our own files
        " QUALIFY row_number() OVER"
        " (PARTITION BY customer_id, event_timestamp ORDER BY created DESC) = 1)"
        for group in range(GROUPS)
    ]
    return _measured("duckdb_asof_restated", folder, lambda: _duckdb(Path(folder), files))


def agreement(folder: str, contender: str, reference: str) -> dict[str, float]:
    """How an answer differs from another: rows missing, repeated, and of other values.

    Of the missing ones it says how many ask for a customer at a time that another row of the spine
    asks for, too, and of how many a group knows nothing.
    """
    found = pl.read_parquet(result_file(Path(folder), contender))
    expected = pl.read_parquet(result_file(Path(folder), reference))
    both = expected.join(found, on="row", how="inner", suffix=" found")
    same = pl.all_horizontal(
        pl.col(column).eq_missing(pl.col(f"{column} found")) for column in expected.columns[1:]
    )
    missing = expected.join(found, on="row", how="anti")
    spine = pl.read_parquet(spine_file(Path(folder)))
    repeated = spine.filter(pl.struct("customer_id", "event_timestamp").is_duplicated())
    unknown = missing.filter(pl.any_horizontal(pl.col(COLUMNS).is_null()))
    return {
        "rows": expected.height,
        "missing": missing.height,
        "missing_repeated": missing.join(repeated, on="row", how="semi").height,
        "missing_unknown": unknown.height,
        "surplus": found.height - found["row"].n_unique(),
        "different": both.select((~same).sum()).item(),
        "nulls": sum(expected[column].null_count() for column in COLUMNS),
    }


def _measured(name: str, folder: str, join: Callable[[], pl.DataFrame]) -> dict[str, float]:
    with measured() as cost:
        frame = join()
    frame.select("row", *COLUMNS).sort("row").write_parquet(result_file(Path(folder), name))
    return {**cost, "rows": frame.height}


def _ours(folder: str, tables: str) -> pl.DataFrame:
    spine = pl.read_parquet(spine_file(Path(folder)))
    features = [f"g{group}" for group in range(GROUPS)]
    frame, _ = training_frame(spine, features, OfflineStore(f"{folder}/{tables}"))
    return frame


def _duckdb(folder: Path, files: Sequence[str]) -> pl.DataFrame:
    fresh = (
        f"g{{0}}.event_timestamp >= s.event_timestamp - INTERVAL {TTL // timedelta(hours=1)} HOUR"
    )
    columns = (
        f"CASE WHEN {fresh.format(group)} THEN g{group}.f{feature} END AS g{group}__f{feature}"
        for group in range(GROUPS)
        for feature in range(FEATURES)
    )
    joins = (
        f"ASOF LEFT JOIN {files[group]} g{group}"
        f" ON s.customer_id = g{group}.customer_id"
        f" AND s.event_timestamp >= g{group}.event_timestamp"
        for group in range(GROUPS)
    )
    query = f"SELECT s.*, {', '.join(columns)} FROM '{spine_file(folder)}' s {' '.join(joins)}"  # noqa: S608 - names of our own files
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        frame: pl.DataFrame = connection.sql(query).pl()
        return frame
