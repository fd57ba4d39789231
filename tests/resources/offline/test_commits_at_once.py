"""Writers and readers of one table at the same time, in processes of their own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from headrace.contract.errors import (
    CommitConflictError,
)
from headrace.resources.offline import delta_writes
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    SPEND,
    amounts,
    commit,
    day,
    snapshot_rows,
)


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
