from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import redis

from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.contract.order import Order, encode_order
from headrace.contract.rows import to_microseconds
from headrace.resources.offline.entity_buckets import entity_buckets
from headrace.resources.offline.history import history_of
from headrace.resources.offline.history_refresh import refresh_history
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online import entity_search
from headrace.resources.online.consistency import Consistency
from headrace.resources.online.verification import (
    Difference,
    Verification,
    verify_entities,
    verify_partition,
)
from headrace.tests.resources.online.publishing import SPEND, Stage, day, group_of, key_of, stage_of

pytestmark = pytest.mark.server

REFERENCE = "household_spend@1"


@pytest.fixture
def snapshot(valkey_url: str, tmp_path: Path) -> Stage:
    stage = stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)
    stage.commit(1, [(1, 1.0), (2, 2.0), (9, 9.0)])
    stage.publish(1)
    stage.commit(2, [(1, 1.5), (2, 2.5), (3, 3.5)])
    stage.publish(2)
    return stage


@pytest.fixture
def upsert(valkey_url: str, tmp_path: Path) -> Stage:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    stage.commit(1, [(1, 9, 1.0), (2, 9, 2.0)])
    stage.commit(2, [(1, 9, 1.5)])
    stage.publish(1)
    stage.publish(2)
    return stage


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


def test_what_was_published_is_equal(snapshot: Stage) -> None:
    assert snapshot.verify() == Verification(REFERENCE, equal=3)


def test_of_an_upsert_group_the_newest_rows_are_compared(upsert: Stage) -> None:
    assert upsert.verify() == Verification(REFERENCE, equal=2)


def test_a_lost_row_is_missing(snapshot: Stage, client: redis.Redis) -> None:
    client.delete(snapshot.key(1))

    found = snapshot.verify()

    assert (found.equal, found.missing, found.is_clean) == (2, 1, False)
    assert found.differences == (
        Difference({"household_id": 1}, "missing", "the row of 2017-01-03T00:00:00Z, generation 1"),
    )


def test_a_row_below_the_floor_is_missing(snapshot: Stage, client: redis.Redis) -> None:
    old = client.get(snapshot.key(9))
    assert isinstance(old, bytes)
    client.set(snapshot.key(1), old)

    assert snapshot.verify().missing == 1


def test_a_changed_value_differs_and_is_named(snapshot: Stage, client: redis.Redis) -> None:
    row = client.get(snapshot.key(1))
    assert isinstance(row, bytes)
    client.set(snapshot.key(1), row[:-1] + b"\x00")

    found = snapshot.verify()

    assert (found.equal, found.differing) == (2, 1)
    assert found.differences[0].entity == {"household_id": 1}
    assert found.differences[0].detail.endswith(": spend")


def test_what_is_no_row_differs(upsert: Stage, client: redis.Redis) -> None:
    client.set(upsert.key(1), b"nonsense")

    assert upsert.verify().differing == 1


def test_a_live_row_that_nothing_explains_is_extra(snapshot: Stage, client: redis.Redis) -> None:
    row = client.get(snapshot.key(1))
    assert isinstance(row, bytes)
    client.set(snapshot.key(-7), row)

    found = snapshot.verify()

    assert (found.extra, found.differences[0].entity) == (1, {"household_id": -7})


def test_a_publish_that_has_begun_is_no_difference(upsert: Stage) -> None:
    upsert.commit(3, [(1, 9, 4.0)])
    order = Order(to_microseconds(day(3, 9)), 1)
    upsert.rows().put(upsert.rows().begin(key_of(3), 1), [upsert.key(1)], [encode_order(order)])

    found = upsert.verify()

    assert (found.equal, found.superseded, found.differing) == (1, 1, 0)


def test_a_commit_that_is_due_but_not_published_is_named(upsert: Stage) -> None:
    upsert.commit(3, [(1, 9, 4.0)])

    assert upsert.verify() == Verification(REFERENCE, equal=2, unpublished=(key_of(3),))


def test_a_deferred_commit_is_not_missed(upsert: Stage) -> None:
    upsert.commit(3, [(1, 9, 4.0)], publish="deferred")

    assert upsert.verify().is_clean


def test_older_partitions_of_a_snapshot_group_are_not_missed(snapshot: Stage) -> None:
    snapshot.commit(1, [(1, 8.0)])

    assert snapshot.verify().is_clean


def test_a_flushed_store_is_not_clean(snapshot: Stage, client: redis.Redis) -> None:
    client.flushall()

    found = snapshot.verify()

    assert (found.unpublished, found.is_clean) == ((key_of(1), key_of(2)), False)


def test_a_sample_looks_at_as_many_entities_as_asked(snapshot: Stage) -> None:
    some, all_of_them = snapshot.verify(sample=2), snapshot.verify(sample=100)

    assert (some.equal, some.sampled) == (2, True)
    assert (all_of_them.equal, all_of_them.sampled) == (3, False)


def test_how_sure_a_sample_is_is_said(snapshot: Stage) -> None:
    whole, sampled = snapshot.verify().consistency, snapshot.verify(sample=2).consistency

    assert whole == Consistency(1, 1, 1)
    assert sampled is not None
    assert (sampled.share, sampled.high) == (1, 1)
    assert 0.3 < sampled.low < 0.4


def test_what_is_missing_or_extra_lowers_the_consistency(
    snapshot: Stage, client: redis.Redis
) -> None:
    row = client.getdel(snapshot.key(1))
    assert isinstance(row, bytes)
    client.set(snapshot.key(-7), row)

    assert snapshot.verify().consistency == Consistency(0.5, 0.5, 0.5)


@pytest.mark.parametrize("semantics", ["snapshot", "upsert"])
def test_a_sample_finds_rows_that_should_not_be_there_where_it_draws_them(
    semantics: str, request: pytest.FixtureRequest, client: redis.Redis
) -> None:
    stage: Stage = request.getfixturevalue(semantics)
    row = client.get(stage.key(1))
    assert isinstance(row, bytes)
    client.set(stage.key(-7), row)
    client.set("of somebody else", "something")

    found = stage.verify(sample=1000)

    assert (found.extra, found.differing, found.missing) == (1, 0, 0)
    assert found.searched is not None
    assert found.searched >= found.equal


def test_a_row_of_which_nothing_is_known_is_found_in_samples_too(
    upsert: Stage, client: redis.Redis
) -> None:
    client.set(upsert.key(-7), b"nonsense")

    assert upsert.verify(sample=1000).extra == 1


def test_an_upsert_group_is_sampled_by_its_newest_rows(upsert: Stage, client: redis.Redis) -> None:
    # Three rows are committed of two households: two of them drawn may be of the first.
    assert {upsert.verify(sample=2).equal for _ in range(50)} == {1, 2}
    old = client.get(upsert.key(2))
    assert isinstance(old, bytes)
    client.set(upsert.key(1), old)

    assert upsert.verify(sample=1000).differing == 1


def entities(*households: int) -> pl.DataFrame:
    return pl.DataFrame({"household_id": households}, schema={"household_id": pl.Int64})


def verify_households(stage: Stage, *households: int) -> Verification:
    return verify_entities(
        stage.group,
        stage.table,
        entities(*households),
        online=stage.online,
        registry=stage.registry,
    )


@pytest.mark.parametrize("semantics", ["snapshot", "upsert"])
def test_entities_are_verified_alone(
    semantics: str, request: pytest.FixtureRequest, client: redis.Redis
) -> None:
    stage: Stage = request.getfixturevalue(semantics)
    client.delete(stage.key(2))

    assert verify_households(stage, 1) == Verification(REFERENCE, equal=1)
    assert verify_households(stage, 1, 2).missing == 1


def test_an_entity_that_rightly_has_no_row_is_absent(snapshot: Stage) -> None:
    # Household 9 was there the day before; its row is stored, and below the floor.
    found = verify_households(snapshot, 1, 9, 77)

    assert found == Verification(REFERENCE, equal=1, absent=2)
    assert found.is_clean


def test_an_entity_that_should_have_no_row_is_extra(snapshot: Stage, client: redis.Redis) -> None:
    row = client.get(snapshot.key(1))
    assert isinstance(row, bytes)
    client.set(snapshot.key(9), row)

    assert verify_households(snapshot, 9).extra == 1


@pytest.fixture
def maintained(valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Days in four buckets, in the table's history, and two that came since."""
    # As if there were so many days that the history is worth its while.
    monkeypatch.setattr(entity_search, "_FIRST_STRETCHES", (1,))
    monkeypatch.setattr(entity_search, "_PARTITIONS_AT_ONCE", 1)
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    stage.table = stage.offline.table(feature_table(stage.group, buckets=4))
    for number in range(1, 6):
        stage.commit(number, [(household, 9, float(number)) for household in range(number, 40)])
        stage.publish(number)
    stage.commit(8, [(household, 9, 8.0) for household in range(40)], publish="deferred")
    refresh_history(stage.table)
    stage.commit(6, [(household, 9, 6.0) for household in range(30, 35)])
    stage.publish(6)
    stage.commit(5, [(household, 9, 5.5) for household in range(20, 40)])
    stage.publish(5)
    return stage


NOBODY = 77
HOUSEHOLDS = (1, 3, 4, 5, 12, 20, 25, 30, 34, 39)


def test_entities_are_verified_from_the_history_and_what_came_since(
    maintained: Stage, client: redis.Redis
) -> None:
    for household in HOUSEHOLDS:
        assert verify_households(maintained, household) == Verification(REFERENCE, equal=1)
    assert verify_households(maintained, NOBODY) == Verification(REFERENCE, absent=1)

    client.delete(maintained.key(3))
    assert verify_households(maintained, *HOUSEHOLDS).missing == 1


def test_a_history_that_errs_or_is_damaged_is_not_believed(maintained: Stage) -> None:
    history = history_of(maintained.table.snapshot())
    assert history is not None
    for uri in history.cells.values():
        wrong = pl.read_parquet(uri, hive_partitioning=False)
        wrong.with_columns(spend=pl.lit(99.0)).write_parquet(uri)
    assert verify_households(maintained, *HOUSEHOLDS).equal == len(HOUSEHOLDS)

    for uri in history.cells.values():
        Path(uri).write_bytes(b"nothing")
    assert verify_households(maintained, *HOUSEHOLDS).equal == len(HOUSEHOLDS)


def test_of_an_entity_its_bucket_of_the_history_and_of_later_days_is_read(
    maintained: Stage,
) -> None:
    snapshot = maintained.table.snapshot()
    entities = pl.DataFrame({"household_id": [12]}, schema={"household_id": pl.Int64})
    (own,) = entity_buckets(entities, ("household_id",), 4)
    for file in snapshot.stored_files():
        if file.bucket != own or file.partition not in {key_of(5), key_of(6)}:
            Path(file.uri).unlink()

    assert verify_households(maintained, 12).equal == 1


def verify_day(stage: Stage, number: int) -> Verification | None:
    return verify_partition(
        stage.group,
        stage.table,
        key_of(number),
        online=stage.online,
        registry=stage.registry,
        sample=1000,
    )


def test_the_entities_of_a_partition_are_verified(snapshot: Stage, client: redis.Redis) -> None:
    client.delete(snapshot.key(2))

    found = verify_day(snapshot, 2)

    assert found is not None
    assert (found.equal, found.missing) == (2, 1)


def test_of_a_partition_of_a_snapshot_group_that_is_not_served_nothing_is_read(
    snapshot: Stage,
) -> None:
    assert verify_day(snapshot, 1) is None


def test_entities_of_an_older_partition_of_an_upsert_group_are_verified_by_their_newest_rows(
    upsert: Stage, client: redis.Redis
) -> None:
    client.delete(upsert.key(1))

    found, newest = verify_day(upsert, 1), verify_day(upsert, 2)

    assert found is not None
    assert newest is not None
    assert (found.equal, found.missing) == (1, 1)
    assert (newest.equal, newest.missing) == (0, 1)


def test_rows_of_many_blocks_are_compared_each(valkey_url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)
    stage.commit(1, [(household, float(household)) for household in range(120_000)])
    stage.publish(1)
    with redis.Redis.from_url(valkey_url) as client:
        row = client.get(stage.key(70_000))
        assert isinstance(row, bytes)
        client.set(stage.key(70_000), row[:-1] + b"\x00")
        client.delete(stage.key(119_999))

    found = stage.verify()

    assert (found.equal, found.differing, found.missing, found.extra) == (119_998, 1, 1, 0)
    assert [difference.entity["household_id"] for difference in found.differences] == [
        70_000,
        119_999,
    ]


def test_rows_of_an_earlier_schema_are_equal_under_their_own(upsert: Stage) -> None:
    wider = replace(
        upsert.group, features=(SPEND, FeatureSpec("baskets", DType.INT64, nullable=True))
    )
    later = Stage(wider, upsert.online, upsert.offline)
    later.commit(3, [(2, 9, 2.5, 4)])
    later.publish(3)

    assert later.verify() == Verification(REFERENCE, equal=2)
