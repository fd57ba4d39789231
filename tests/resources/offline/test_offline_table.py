import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from headrace.contract.errors import (
    ColumnMismatchError,
    CommitConflictError,
    DataError,
    DuplicateRowsError,
    PartitionOutOfRangeError,
    RowsOutsidePartitionError,
)
from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.contract.partitions import HOURLY
from headrace.resources.offline import delta_writes
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Commit, Computation, OfflineTable
from headrace.resources.offline.table_spec import TableKind, TableSpec, feature_table
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
    upsert_rows,
)

PRODUCTS = TableSpec(
    kind=TableKind.DIMENSION,
    name="products",
    version=1,
    columns=(("product_id", pl.Int64()), ("price", pl.Decimal(10, 2))),
    partitioning=None,
    event_timestamp=None,
    stamped_at_end=False,
    key=(),
)


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path / "a store"))  # with a space: addresses are not URLs


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


@pytest.fixture
def baskets(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(LAST_BASKET))


def amounts(table: OfflineTable, *partitions: str) -> list[tuple[int, float]]:
    """Household and amount of the rows in these partitions (in all when none are given)."""
    rows = table.snapshot().scan(partitions or None).collect()
    return list(rows.select("household_id", "amount").iter_rows())


def test_a_table_that_was_never_committed_to_is_empty_and_absent(spend: OfflineTable) -> None:
    snapshot = spend.snapshot()

    assert not spend.exists()
    assert (snapshot.version, dict(snapshot.commits), snapshot.document) == (-1, {}, None)
    assert snapshot.scan().collect().equals(pl.DataFrame(schema=spend.spec.schema))


def test_committed_rows_are_read_back_in_declared_order_sorted_by_key(spend: OfflineTable) -> None:
    rows = snapshot_rows(0, {3: 3.5, 1: 1.5})

    commit(spend, 0, rows.select(sorted(rows.columns)))

    assert spend.snapshot().scan().collect().equals(rows.sort("household_id"))


def test_a_commit_replaces_its_partition_and_no_other(spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(spend, 1, snapshot_rows(1, {1: 3.0}))

    commit(spend, 0, snapshot_rows(0, {1: 9.0}))

    assert amounts(spend, day(0)) == [(1, 9.0)]
    assert amounts(spend, day(1)) == [(1, 3.0)]


def test_an_empty_partition_is_committed_like_any_other(spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    commit(spend, 0, snapshot_rows(0, {}))
    commit(spend, 1, snapshot_rows(1, {}))

    commits = spend.snapshot().commits

    assert {key: (each.generation, each.rows) for key, each in commits.items()} == {
        day(0): (2, 0),
        day(1): (1, 0),
    }
    assert amounts(spend) == []


def test_a_partition_counts_its_own_generations(spend: OfflineTable) -> None:
    made = [commit(spend, number, snapshot_rows(number, {1: 1.0})) for number in (0, 1, 0, 0)]

    assert [(each.partition, each.generation) for each in made] == [
        (day(0), 1),
        (day(1), 1),
        (day(0), 2),
        (day(0), 3),
    ]
    assert [each.version for each in made] == [1, 2, 3, 4]


def test_the_newest_identity_again_writes_nothing(spend: OfflineTable) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0}), identity="a")

    again = commit(spend, 0, snapshot_rows(0, {1: 5.0}), identity="a")

    assert again == replace(first, no_op=True)
    assert spend.snapshot().version == first.version
    assert amounts(spend) == [(1, 1.0)]


def test_an_older_identity_again_is_a_new_computation(spend: OfflineTable) -> None:
    for identity in ("a", "b"):
        commit(spend, 0, snapshot_rows(0, {1: 1.0}), identity=identity)

    third = commit(spend, 0, snapshot_rows(0, {1: 1.0}), identity="a")

    assert (third.generation, third.no_op) == (3, False)


def test_many_partitions_make_one_version_and_their_own_commits(spend: OfflineTable) -> None:
    commit(spend, 1, snapshot_rows(1, {1: 1.0}), identity="same")
    computations = [
        Computation(day(number), snapshot_rows(number, {7: float(number)}), "same", {"rows": 1})
        for number in (2, 0, 1)
    ]

    made = spend.commit_all(computations, run_id="run", code_version="code")

    assert [(c.partition, c.generation, c.version, c.no_op) for c in made] == [
        (day(2), 1, 2, False),
        (day(0), 1, 2, False),
        (day(1), 1, 1, True),
    ]
    assert amounts(spend) == [(7, 0.0), (1, 1.0), (7, 2.0)]


def test_one_refused_partition_keeps_the_others_of_its_call_out(spend: OfflineTable) -> None:
    good = Computation(day(0), snapshot_rows(0, {1: 1.0}), "a", {})
    bad = Computation(day(1), snapshot_rows(0, {1: 1.0}), "b", {})

    with pytest.raises(RowsOutsidePartitionError):
        spend.commit_all([good, bad], run_id="run", code_version="code")

    assert not spend.exists()


def test_what_is_said_of_a_commit_is_read_back_by_another_process(
    spend: OfflineTable, store: OfflineStore
) -> None:
    made = commit(
        spend,
        0,
        snapshot_rows(0, {1: 1.0}),
        identity="i",
        run_id="r",
        code_version="c",
        verdicts={"spend_is_positive": {"passed": True, "rows": 1, "worst": "–3 €"}},
        publish="deferred",
    )

    other = OfflineStore(store.root).table(spend.spec)

    assert other.snapshot().commits == {day(0): made}
    assert made.verdicts["spend_is_positive"]["worst"] == "–3 €"
    assert (made.publish, made.rows) == ("deferred", 1)


def test_partition_columns_are_copies_beside_the_real_ones(store: OfflineStore) -> None:
    hourly = store.table(feature_table(replace(SPEND, partitions="HOURLY"), buckets=4))
    at = START + timedelta(hours=5)
    rows = upsert_rows(*((household, at + timedelta(hours=1), 1.0) for household in range(50)))
    hourly.commit(HOURLY.key(at), rows, identity="i", run_id="r", code_version="c", verdicts={})

    files = hourly.snapshot().files()
    stored = pl.concat(pl.read_parquet(file, glob=False, hive_partitioning=False) for file in files)

    assert stored.columns == rows.columns
    assert DeltaTable(hourly.uri).metadata().partition_columns == ["event_hour", "entity_bucket"]
    assert len(files) == 4
    assert hourly.snapshot().scan().collect().sort("household_id").equals(rows)


def test_only_the_files_of_the_asked_partitions_are_opened(spend: OfflineTable) -> None:
    for number in range(3):
        commit(spend, number, snapshot_rows(number, {1: float(number)}))
    for file in spend.snapshot().files([day(0), day(2)]):
        Path(file).unlink()

    assert amounts(spend, day(1)) == [(1, 1.0)]


def test_a_snapshot_stays_what_it_was(spend: OfflineTable) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    before = spend.snapshot()

    commit(spend, 0, snapshot_rows(0, {2: 2.0}))

    assert before.commits == {day(0): first}
    assert before.scan().collect().equals(snapshot_rows(0, {1: 1.0}))
    assert spend.snapshot().at(before.version).commits == before.commits
    assert spend.snapshot(version=before.version).scan().collect()["household_id"].to_list() == [1]


def test_a_table_is_read_as_it_was_known_at_an_instant(spend: OfflineTable) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    second = commit(spend, 0, snapshot_rows(0, {1: 2.0}))
    commit(spend, 1, snapshot_rows(1, {1: 3.0}))

    known = [
        spend.snapshot(known_at=instant).scan().collect()["amount"].to_list()
        for instant in (
            first.committed_at - MICROSECOND,
            first.committed_at,
            second.committed_at - MICROSECOND,
            second.committed_at,
            second.committed_at + DAY,
        )
    ]

    assert known == [[], [1.0], [1.0], [2.0], [2.0, 3.0]]


def test_a_version_that_computes_nothing_belongs_to_the_computation_before_it(
    spend: OfflineTable,
) -> None:
    made = commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    DeltaTable(spend.uri).alter.set_table_properties({"delta.appendOnly": "false"})
    commit(spend, 1, snapshot_rows(1, {1: 1.0}))

    then = spend.snapshot(known_at=made.committed_at)

    assert then.version == 2
    assert then.commits == {day(0): made}


def test_the_rows_of_an_earlier_generation_can_be_read(spend: OfflineTable) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(spend, 0, snapshot_rows(0, {1: 1.5}))

    dropped = spend.snapshot().at(first.version).scan([day(0)]).collect()

    assert dropped["household_id"].to_list() == [1, 2]


def test_a_dimension_is_replaced_as_a_whole(store: OfflineStore) -> None:
    products = store.table(PRODUCTS)
    for rows in ([(1, "1.50"), (2, "2.50")], [(3, "3.50")]):
        frame = pl.DataFrame(
            rows, schema={"product_id": pl.Int64, "price": pl.String}, orient="row"
        )
        products.commit(
            "all",
            frame.cast(PRODUCTS.schema),
            identity=str(rows),
            run_id="run",
            code_version="code",
            verdicts={},
        )

    snapshot = products.snapshot()

    assert snapshot.scan(["all"]).collect()["product_id"].to_list() == [3]
    assert snapshot.commits["all"].generation == 2


def test_a_table_without_partitions_has_one_and_no_other(store: OfflineStore) -> None:
    with pytest.raises(PartitionOutOfRangeError, match="no partition '2018-01-01'"):
        store.table(PRODUCTS).commit(
            day(0),
            pl.DataFrame(schema=PRODUCTS.schema),
            identity="i",
            run_id="r",
            code_version="c",
            verdicts={},
        )


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (snapshot_rows(0, {1: 1.0}).drop("store"), "'store' (String) is missing"),
        (snapshot_rows(0, {1: 1.0}).with_columns(x=1), "'x' (Int32) is unexpected"),
        (
            snapshot_rows(0, {1: 1.0}).cast({"amount": pl.Int64}),
            "'amount' is Int64, expected Float64",
        ),
        (
            snapshot_rows(0, {1: 1.0}).with_columns(
                pl.col("event_timestamp").dt.replace_time_zone(None)
            ),
            "'event_timestamp' is Datetime(time_unit='us', time_zone=None)",
        ),
    ],
)
def test_other_columns_or_types_than_the_declared_are_refused(
    spend: OfflineTable, frame: pl.DataFrame, said: str
) -> None:
    with pytest.raises(ColumnMismatchError) as refusal:
        commit(spend, 0, frame)

    assert said in str(refusal.value)
    assert not spend.exists()


def test_a_type_that_delta_would_cast_is_refused(store: OfflineStore) -> None:
    spec = replace(PRODUCTS, columns=(("product_id", pl.UInt32()),))

    with pytest.raises(ColumnMismatchError, match="UInt32 cannot be stored in Delta as it is"):
        store.table(spec).commit(
            "all",
            pl.DataFrame({"product_id": [1]}, schema=spec.schema),
            identity="i",
            run_id="r",
            code_version="c",
            verdicts={},
        )


@pytest.mark.parametrize("instant", [end(0) - MICROSECOND, end(0) + MICROSECOND, START])
def test_a_snapshot_row_bears_the_end_of_its_partition(spend: OfflineTable, instant: str) -> None:
    rows = snapshot_rows(0, {1: 1.0}).with_columns(pl.lit(instant).alias("event_timestamp"))

    with pytest.raises(RowsOutsidePartitionError, match="1 rows lie outside"):
        commit(spend, 0, rows)


def test_an_upsert_row_lies_in_its_half_open_partition(baskets: OfflineTable) -> None:
    commit(baskets, 0, upsert_rows((1, START, 1.0), (1, end(0) - MICROSECOND, 2.0)))

    with pytest.raises(RowsOutsidePartitionError, match="2 rows lie outside"):
        commit(
            baskets,
            0,
            upsert_rows((1, START - MICROSECOND, 1.0), (2, START, 1.0), (3, end(0), 1.0)),
        )
    assert amounts(baskets) == [(1, 1.0), (1, 2.0)]


def test_a_row_without_event_timestamp_lies_in_no_partition(baskets: OfflineTable) -> None:
    rows = upsert_rows((1, START, 1.0)).with_columns(event_timestamp=None)

    with pytest.raises(RowsOutsidePartitionError):
        commit(baskets, 0, rows.cast(baskets.spec.schema))


def test_an_entity_has_one_row_for_an_event_timestamp(baskets: OfflineTable) -> None:
    with pytest.raises(DuplicateRowsError, match="1 rows repeat a key"):
        commit(baskets, 0, upsert_rows((1, START, 1.0), (2, START, 1.0), (1, START, 2.0)))


def test_a_join_key_is_never_null(spend: OfflineTable) -> None:
    rows = snapshot_rows(0, {1: 1.0, 2: 2.0}).with_columns(
        pl.when(pl.col("household_id") == 1).then("household_id")
    )

    with pytest.raises(DuplicateRowsError, match="1 rows have a null join key"):
        commit(spend, 0, rows)


def test_a_refused_partition_leaves_the_last_good_one_in_place(spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(DataError):
        commit(spend, 0, snapshot_rows(1, {1: 2.0}))

    assert amounts(spend) == [(1, 1.0)]


def test_a_writer_that_counted_from_an_older_version_conflicts(spend: OfflineTable) -> None:
    """The generation is a Delta transaction: also where no file collides."""
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    stale = DeltaTable(spend.uri)
    empty = snapshot_rows(0, {})
    second = commit(spend, 0, empty)

    with pytest.raises(CommitFailedError, match=r"(?i)concurrent"):
        delta_writes.write(spend.spec, spend.log, stale, [(second, empty)])


def test_commits_of_different_partitions_at_once_all_succeed(store: OfflineStore) -> None:
    def commit_in_own_store(number: int) -> int:
        table = OfflineStore(store.root).table(feature_table(SPEND))
        return commit(table, number, snapshot_rows(number, {1: float(number)})).generation

    with ThreadPoolExecutor(4) as pool:
        generations = list(pool.map(commit_in_own_store, range(8)))

    table = store.table(feature_table(SPEND))
    instants = [each.committed_at for each in table.log.commits]
    assert generations == [1] * 8
    assert amounts(table) == [(1, float(number)) for number in range(8)]
    assert instants == sorted(set(instants))


def test_a_commit_in_the_middle_of_a_refresh_moves_no_other(store: OfflineStore) -> None:
    """delta-rs numbers the newest entries down from its handle, whatever came in between."""
    writer, reader = (OfflineStore(store.root).table(feature_table(SPEND)) for _ in range(2))

    class Overtaken(DeltaTable):
        overtaken = False

        def history(self, limit: int | None = None) -> list[dict[str, Any]]:
            if not self.overtaken:
                self.overtaken = True
                commit(writer, 2, snapshot_rows(2, {1: 3.0}))
            return super().history(limit)

    for number in (0, 1):
        commit(writer, number, snapshot_rows(number, {1: 1.0}))
    reader.log.handle = Overtaken(reader.uri)

    commits = reader.snapshot().commits

    versions = {each.partition: each.version for each in writer.log.commits}
    assert {key: each.version for key, each in commits.items()} == versions
    assert reader.log.commits == writer.log.commits


def test_of_commits_of_one_partition_at_once_none_is_lost_silently(store: OfflineStore) -> None:
    def commit_in_own_store(attempt: int) -> int | None:
        table = OfflineStore(store.root).table(feature_table(SPEND))
        try:
            return commit(
                table, 0, snapshot_rows(0, {1: float(attempt)}), identity=str(attempt)
            ).generation
        except CommitConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        generations = [each for each in pool.map(commit_in_own_store, range(8)) if each]

    table = store.table(feature_table(SPEND))
    assert sorted(generations) == list(range(1, len(generations) + 1))
    assert table.snapshot().commits[day(0)].generation == len(generations)


def test_a_changed_document_is_recorded_without_a_computation(
    spend: OfflineTable, store: OfflineStore
) -> None:
    first = commit(spend, 0, snapshot_rows(0, {1: 1.0}), identity="i")
    longer = feature_table(replace(SPEND, ttl=timedelta(days=9)))

    again = commit(store.table(longer), 0, snapshot_rows(0, {1: 1.0}), identity="i")

    assert again == replace(first, no_op=True)
    assert spend.snapshot().document == longer.document
    assert spend.snapshot(version=first.version).document == spend.spec.document


def test_a_document_with_another_feature_is_recorded_without_a_computation(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}), identity="same")
    visits = FeatureSpec("visits", DType.INT64, nullable=True)
    wider = store.table(feature_table(replace(SPEND, features=(*SPEND.features, visits))))
    rows = snapshot_rows(0, {1: 1.0}).with_columns(visits=pl.lit(7, pl.Int64))

    again = commit(wider, 0, rows, identity="same")

    assert again.no_op
    assert wider.snapshot().document == wider.spec.document
    assert wider.snapshot().scan().collect()["visits"].to_list() == [None]


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT, None])
def test_a_list_that_holds_a_null_is_refused_before_it_could_not_be_published(
    store: OfflineStore, online: Online | None
) -> None:
    vector = FeatureSpec("vector", DType.FLOAT32_LIST, nullable=True)
    table = store.table(feature_table(replace(SPEND, features=(vector,), online=online)))
    keys = upsert_rows(*((household, START, 0.0) for household in range(4)))
    rows = keys.select(
        "household_id",
        pl.lit(START if online is Online.UPSERT else end(0), pl.Datetime("us", "UTC")).alias(
            "event_timestamp"
        ),
        pl.Series("vector", [[1.0], [], None, [2.0, None]], pl.List(pl.Float32)),
    )

    with pytest.raises(ColumnMismatchError, match="'vector' has a null inside a list; drop or"):
        commit(table, 0, rows)

    assert commit(table, 0, rows.head(3)).rows == 3


def test_a_stored_commit_is_readable_by_every_later_release() -> None:
    entry = json.loads(
        '{"partition": "2018-01-01", "generation": 3, "rows": 2, "identity": "i", "run_id": "r",'
        ' "committed_at": "2026-11-23T09:14:40.159700+00:00", "code_version": "c",'
        ' "verdicts": {"passed": true}, "publish": "deferred", "document": "d"}'
    )

    read = Commit.from_entry(entry, version=7)

    assert read == Commit(
        partition="2018-01-01",
        generation=3,
        version=7,
        rows=2,
        identity="i",
        committed_at=datetime(2026, 11, 23, 9, 14, 40, 159700, tzinfo=UTC),
        run_id="r",
        code_version="c",
        verdicts={"passed": True},
        publish="deferred",
        document="d",
    )
    assert read.to_entry() == entry
