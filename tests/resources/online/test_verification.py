from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.contract.order import Order, encode_order
from headrace.contract.rows import to_microseconds
from headrace.resources.online.verification import Difference, Verification
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
    assert snapshot.verify(sample=2).equal == 2
    assert snapshot.verify(sample=100).equal == 3


def test_rows_of_an_earlier_schema_are_equal_under_their_own(upsert: Stage) -> None:
    wider = replace(
        upsert.group, features=(SPEND, FeatureSpec("baskets", DType.INT64, nullable=True))
    )
    later = Stage(wider, upsert.online, upsert.offline)
    later.commit(3, [(2, 9, 2.5, 4)])
    later.publish(3)

    assert later.verify() == Verification(REFERENCE, equal=2)
