import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.contract.errors import (
    PartitionOutOfRangeError,
    RowsOutsidePartitionError,
)
from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import Commit, Computation, OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    PRODUCTS,
    SPEND,
    START,
    amounts,
    commit,
    day,
    snapshot_rows,
    upsert_rows,
)


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
