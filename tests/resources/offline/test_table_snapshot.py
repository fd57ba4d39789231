"""What a table held: at a version, at an instant, and what is opened to read it."""

from pathlib import Path

from deltalake import DeltaTable

from headrace.resources.offline.offline_table import OfflineTable
from headrace.tests.resources.offline.tables import (
    DAY,
    MICROSECOND,
    amounts,
    commit,
    day,
    snapshot_rows,
)


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
