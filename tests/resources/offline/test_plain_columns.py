"""What lies plain in a file is read as any reader of Parquet would read it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import column, dataframes

from headrace.resources.offline.column_values import Columns
from headrace.resources.offline.plain_columns import PlainFile, write_plain

PLAIN = [
    pl.Int32(),
    pl.Int64(),
    pl.Float32(),
    pl.Float64(),
    pl.Date(),
    pl.Datetime("us", "UTC"),
]
OTHERS = [pl.Int8(), pl.UInt64(), pl.Boolean(), pl.String(), pl.Binary(), pl.List(pl.Float64())]


def written(rows: pl.DataFrame, file: Path, beside: tuple[bytes, str] | None = None) -> None:
    with pa.OSFile(str(file), "wb") as sink:
        write_plain(rows, sink, beside)


def plain_columns(file: str | Path, schema: Mapping[str, pl.DataType]) -> Columns:
    return PlainFile.of(str(file), schema).read(list(schema))


def framed(columns: Columns, schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, columns[name]).cast(schema[name]) for name in columns])


@settings(max_examples=25)
@given(
    rows=dataframes(
        cols=[column(f"column_{index}", dtype=dtype) for index, dtype in enumerate(PLAIN + OTHERS)],
        min_size=1,
        max_size=5,
        allow_null=True,
    ),
    copies=st.sampled_from([1, 3_000]),
)
def test_every_row_comes_back_and_columns_without_nulls_come_plain(
    rows: pl.DataFrame, copies: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = pl.concat([rows] * copies)  # many alike are compressed
    file = tmp_path_factory.mktemp("plain") / "rows.parquet"
    written(rows, file)

    found = plain_columns(file, rows.schema)

    plain = [name for name in rows.columns if rows[name].dtype in PLAIN]
    assert list(found) == [name for name in plain if not rows[name].null_count()]
    assert_frame_equal(framed(found, rows.schema), rows.select(list(found)))
    assert_frame_equal(pl.scan_parquet(file, schema=rows.schema).collect(), rows)


def test_numbers_that_repeat_are_compressed_and_floats_of_all_kinds_are_not(tmp_path: Path) -> None:
    rows = pl.DataFrame({"same": [7] * 100_000}).with_columns(other=pl.int_range(100_000).hash())
    rows = rows.select("same", pl.col("other").cast(pl.Float64))
    file = tmp_path / "rows.parquet"
    written(rows, file)

    assert 800_000 < file.stat().st_size < 900_000
    assert_frame_equal(framed(plain_columns(file, rows.schema), rows.schema), rows)


@pytest.mark.parametrize(
    "options",
    [{"row_group_size": 2}, {"data_page_size": 8}, {"compression": "zstd"}, {}],
    ids=["several groups of rows", "several pages", "another compression", "nullable"],
)
def test_what_another_writer_laid_otherwise_is_left_to_a_reader_of_parquet(
    tmp_path: Path, options: dict[str, int | str]
) -> None:
    rows = pl.DataFrame({"number": range(1_000)})
    file = str(tmp_path / "rows.parquet")
    rows.write_parquet(file, **{"compression": "uncompressed", **options})  # type: ignore[arg-type]

    assert plain_columns(file, rows.schema) == {}


def test_a_column_that_is_asked_as_another_type_is_not_plain(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    written(pl.DataFrame({"number": [1, 2]}), file)

    assert plain_columns(file, {"number": pl.Int32(), "later": pl.Float64()}) == {}


def test_a_file_that_ends_too_early_is_refused_and_one_elsewhere_is_not_opened(
    tmp_path: Path,
) -> None:
    rows = pl.DataFrame({"day": [date(2018, 1, 1)], "number": [1.5]})
    file = tmp_path / "rows.parquet"
    written(rows, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(OSError, match=r"magic bytes|footer"):
        plain_columns(file, rows.schema)
    with pytest.raises(FileNotFoundError):
        plain_columns(tmp_path / "none.parquet", rows.schema)
    assert plain_columns("s3://nowhere/rows.parquet", rows.schema) == {}


def test_what_lies_beside_the_rows_comes_back_and_disturbs_no_reader(tmp_path: Path) -> None:
    rows = pl.DataFrame({"number": [1, 2], "text": ["a", None]})
    file, bare = tmp_path / "rows.parquet", tmp_path / "bare.parquet"
    written(rows, file, (b"content" * 1_000, "words"))
    written(rows, bare)

    found = PlainFile.of(str(file), rows.schema)
    beside = found.read_beside()
    assert beside is not None
    assert (bytes(beside[0]), beside[1]) == (b"content" * 1_000, "words")
    assert PlainFile.of(str(bare), rows.schema).read_beside() is None
    assert framed(found.read(["number"]), rows.schema).equals(rows.select("number"))
    assert pl.read_parquet(file).equals(rows)
    assert pq.read_table(file).equals(pq.read_table(bare))
    assert duckdb.read_parquet(str(file)).pl().equals(rows)
