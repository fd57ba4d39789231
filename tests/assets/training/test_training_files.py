"""Training sets in files and folders: whole or not there, however large."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.assets.point_in_time import (
    OfflineStore,
    replay_training_set,
    training_frame,
    write_training_set,
)
from headrace.assets.training.training_files import training_files, write_text
from headrace.contract.errors import (
    ContentDiffersError,
    InvalidArgumentError,
    OutputUnwritableError,
)
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import SPEND, commit, end, snapshot_rows

SPINE = pl.DataFrame(
    {
        "household_id": [2, 1, 9, 1, None, 2, 1],
        "event_timestamp": [end(1), end(0), end(1), end(1), end(0), end(0), None],
        "label": list("abcdefg"),
    },
    schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    store = OfflineStore(str(tmp_path / "offline"))
    for number in range(2):
        rows = snapshot_rows(number, {1: 1.0 + number, 2: 2.0 + number})
        commit(store.table(feature_table(SPEND)), number, rows)
    return store


@pytest.fixture
def spine(tmp_path: Path) -> Path:
    SPINE.write_parquet(tmp_path / "spine.parquet", row_group_size=3)
    return tmp_path / "spine.parquet"


def left_behind(folder: Path) -> list[str]:
    names = [path.name for path in folder.iterdir()]
    return sorted(name for name in names if name not in ("offline", "spine.parquet"))


def test_a_folder_holds_parts_of_the_same_rows_and_one_receipt(
    store: OfflineStore, spine: Path, tmp_path: Path
) -> None:
    added: list[int] = []
    frame, of_frame = training_frame(SPINE, "spend", store)

    receipt = write_training_set(
        spine, "spend", store, tmp_path / "set", rows_per_part=3, on_rows=added.append
    )

    parts = sorted((tmp_path / "set").iterdir())
    assert [part.name for part in parts] == [f"part-0000{number}.parquet" for number in range(3)]
    assert [pl.read_parquet(part).height for part in parts] == added == [3, 3, 1]
    assert_frame_equal(pl.read_parquet(tmp_path / "set"), frame)
    assert receipt.id == of_frame.id
    assert ReceiptStore(store).ids() == [receipt.id]
    assert left_behind(tmp_path) == ["set"]


@pytest.mark.parametrize("kind", ["file", "plan", "frame"])
def test_a_name_with_a_suffix_is_one_file(
    store: OfflineStore, spine: Path, tmp_path: Path, kind: str
) -> None:
    spines: dict[str, Path | pl.LazyFrame | pl.DataFrame] = {
        "file": spine,
        "plan": pl.scan_parquet(spine),
        "frame": SPINE,
    }
    (tmp_path / "set.parquet").write_text("an older one")

    receipt = write_training_set(spines[kind], "spend", store, tmp_path / "set.parquet")

    frame, of_frame = training_frame(SPINE, "spend", store)
    assert_frame_equal(pl.read_parquet(tmp_path / "set.parquet"), frame)
    assert receipt == of_frame


def test_a_name_that_says_another_format_is_refused(store: OfflineStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"set\.csv would be a Parquet file"):
        write_training_set(SPINE, "spend", store, tmp_path / "set.csv")

    assert left_behind(tmp_path) == []


def test_all_parts_are_read_from_one_state_of_the_tables(
    store: OfflineStore, spine: Path, tmp_path: Path
) -> None:
    frame, _ = training_frame(SPINE, "spend", store)

    def correct(_: int) -> None:
        table = OfflineStore(store.root).table(feature_table(SPEND))
        commit(table, 1, snapshot_rows(1, {1: 100.0, 2: 200.0}))

    write_training_set(spine, "spend", store, tmp_path / "set", rows_per_part=1, on_rows=correct)

    assert_frame_equal(pl.read_parquet(tmp_path / "set"), frame)


def test_a_folder_is_written_again_from_its_receipt(
    store: OfflineStore, spine: Path, tmp_path: Path
) -> None:
    receipt = write_training_set(spine, "spend", store, tmp_path / "set", rows_per_part=3)
    commit(store.table(feature_table(SPEND)), 1, snapshot_rows(1, {}))

    replay_training_set(receipt, store, tmp_path / "again")
    replay_training_set(receipt, store, tmp_path / "again.parquet", spine=spine)

    expected = pl.read_parquet(tmp_path / "set")
    assert len(list((tmp_path / "again").iterdir())) == 3
    assert_frame_equal(pl.read_parquet(tmp_path / "again"), expected)
    assert_frame_equal(pl.read_parquet(tmp_path / "again.parquet"), expected)


@pytest.mark.parametrize("out", ["set", "set.parquet"])
def test_what_is_not_proven_is_not_written(
    store: OfflineStore, spine: Path, tmp_path: Path, out: str
) -> None:
    receipt = write_training_set(spine, "spend", store, tmp_path / "first.parquet")

    with pytest.raises(ContentDiffersError):
        replay_training_set(receipt, store, tmp_path / out, spine=SPINE.reverse())

    assert left_behind(tmp_path) == ["first.parquet"]


def test_an_empty_spine_gives_a_folder_with_one_empty_part(
    store: OfflineStore, tmp_path: Path
) -> None:
    receipt = write_training_set(SPINE.clear(), "spend", store, tmp_path / "set")

    frame, of_frame = training_frame(SPINE.clear(), "spend", store)
    assert_frame_equal(pl.read_parquet(tmp_path / "set"), frame)
    assert receipt == of_frame


def test_a_place_that_holds_something_is_refused_before_any_work(
    store: OfflineStore, spine: Path, tmp_path: Path
) -> None:
    def refuse(_: int) -> None:
        pytest.fail("rows were joined")

    (tmp_path / "set").mkdir()
    write_training_set(spine, "spend", store, tmp_path / "set")

    for out, said in (
        (tmp_path / "set", "set is there already; name a folder that is empty"),
        (tmp_path / "none" / "set", "is in a folder that does not exist"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            write_training_set(spine, "spend", store, out, on_rows=refuse)


@pytest.mark.parametrize("name", ["spine.parquet", "spines/training.parquet", "spines/training"])
def test_the_spine_is_never_replaced_or_added_to(
    store: OfflineStore, spine: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "spines").mkdir()
    SPINE.write_parquet(tmp_path / "spines" / "a.parquet")
    asked = spine if name == spine.name else tmp_path / "spines"

    with pytest.raises(InvalidArgumentError, match="is the spine's own place"):
        write_training_set(asked, "spend", store, tmp_path / name)

    assert_frame_equal(pl.read_parquet(asked), SPINE)


def test_parts_hold_at_least_a_row(store: OfflineStore, spine: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="rows_per_part: it is 0; give at least 1"):
        write_training_set(spine, "spend", store, tmp_path / "set", rows_per_part=0)

    assert left_behind(tmp_path) == []


def test_a_spine_that_does_not_fit_leaves_nothing(store: OfflineStore, tmp_path: Path) -> None:
    berlin = SPINE.with_columns(pl.col("event_timestamp").dt.convert_time_zone("Europe/Berlin"))

    with pytest.raises(InvalidArgumentError, match="Europe/Berlin"):
        write_training_set(berlin, "spend", store, tmp_path / "set")

    assert left_behind(tmp_path) == []


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """What a full disk does: writing beyond it fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("out", ["set", "set.parquet"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, out: str) -> None:
    rows = pl.DataFrame({"a": range(10_000)})

    with (
        pytest.raises(OutputUnwritableError, match=rf"/{out} cannot be written: .*[Tt]oo large"),
        file_size_limit(1_000),
        training_files(tmp_path / out) as files,
    ):
        files.add(rows)

    assert left_behind(tmp_path) == []


def test_a_small_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "receipt.json", "{}\n")

    with pytest.raises(OutputUnwritableError, match="cannot be written: No such"):
        write_text(tmp_path / "none" / "receipt.json", "{}\n")

    assert [path.read_text() for path in tmp_path.iterdir()] == ["{}\n"]


def test_a_process_that_dies_leaves_no_folder_that_looks_complete(
    store: OfflineStore, spine: Path, tmp_path: Path
) -> None:
    program = f"""
import os, pathlib
from headrace.assets.point_in_time import OfflineStore, write_training_set
write_training_set(pathlib.Path({str(spine)!r}), "spend", OfflineStore({store.root!r}),
    pathlib.Path({str(tmp_path / "set")!r}), rows_per_part=3, on_rows=lambda rows: os._exit(9))
"""

    ended = subprocess.run([sys.executable, "-c", program], check=False)

    (hidden,) = left_behind(tmp_path)
    assert (ended.returncode, hidden.startswith(".set.")) == (9, True)
    assert left_behind(tmp_path / hidden) == ["part-00000.parquet"]
    assert ReceiptStore(store).ids() == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_parts(store: OfflineStore, tmp_path: Path) -> None:
    """Peak memory of a process that writes 24 parts is about that of one that writes 2."""
    program = """
import pathlib, sys
from headrace.assets.point_in_time import OfflineStore, replay_training_set, write_training_set
spine, out, store = (pathlib.Path(each) for each in sys.argv[1:4])
offline = OfflineStore(str(store))
receipt = write_training_set(spine, "spend", offline, out, rows_per_part=200_000)
replay_training_set(receipt, offline, out.with_name(out.name + "_again"))
status = pathlib.Path("/proc/self/status").read_text()  # getrusage counts the parent, too
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux: /proc/self/status")
    peaks = []
    for parts in (2, 24):
        spine = tmp_path / f"{parts}.parquet"
        rows = pl.select(household_id=pl.int_range(parts * 200_000) % 3, x=pl.lit(0.5))
        at = pl.lit(end(1), dtype=pl.Datetime("us", "UTC"))
        rows.with_columns(event_timestamp=at).write_parquet(spine, row_group_size=100_000)
        arguments = [str(spine), str(tmp_path / f"set_{parts}"), store.root]

        ended = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        )
        peaks.append(int(ended.stdout))

    # All rows of the larger one alone would be 150 MB.
    assert peaks[1] < peaks[0] + 60
